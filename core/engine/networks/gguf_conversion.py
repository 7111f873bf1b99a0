"""gguf files made into ordinary model folders, once: transformers unpacks them, the result stays in the cache.

The folder appears whole or not at all: it is written under another name and then renamed. Nothing is kept in blocks:
float16 holds what llama.cpp's formats say (their scales are float16 themselves), float32 stays float32.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from core.engine.networks.fit import WeightCount, check_fit, gigabytes
from core.engine.networks.loading import ProgressCallback, load_failure
from core.errors import EngineError, ModelFormatError
from core.memory import give_back
from core.models.conversions import ORIGIN_FILE
from core.models.gguf_header import GgufHeader, read_gguf
from core.models.registry import ResolvedModel, resolve

PACKAGES = ("gguf", "accelerate")
"""What transformers needs to read such files."""

_SPARE_DISK = 1.1
"""Times the size of the weights: they come with a tokenizer."""

_UNFINISHED = ".unfinished-"
_STALE_S = 24 * 3600
"""After this long, what a killed program left unfinished goes."""


def ready(name: str, progress: ProgressCallback) -> ResolvedModel:
    """A model's folder by its name; of a gguf file, made now if it must be.

    Raises:
        EngineError: as `registry.resolve` and `convert`.
    """
    model = resolve(name)
    convert(model, progress)
    return model


def convert(model: ResolvedModel, progress: ProgressCallback) -> None:
    """Make a gguf file's folder unless it is there.

    Args:
        model: as `registry.resolve` gives it.
        progress: told of every step.

    Raises:
        ModelFormatError: the file is broken, of a kind transformers does not know, or packages are missing.
        ModelTooLargeError: it would not fit into memory.
        EngineError: the disk is full or cannot be written.
    """
    if model.file is None or model.folder.is_dir():
        return
    progress("reading the gguf file's header", 0.0)
    header = read_gguf(model.file)
    _check_packages(model.name)
    count = WeightCount.of((tensor.elements for tensor in header.tensors), widened=header.dtype != "float32")
    # Twice as float16, while it is unpacked; once as float32, when it is used.
    check_fit(model.name, count, torch.device("cpu"), "float32", ("float32",))
    parent = model.folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        needed, free = count.all * header.dtype.weight_bytes * _SPARE_DISK, shutil.disk_usage(parent).free
        if needed > free:
            raise EngineError(
                f"converting {model.name} takes {gigabytes(int(needed))}, {gigabytes(free)} are free in {parent}",
                "free some space, or set XDG_CACHE_HOME to another disk",
            )
        with tempfile.TemporaryDirectory(dir=parent, prefix=_UNFINISHED, ignore_cleanup_errors=True) as unfinished:
            folder = Path(unfinished) / "model"
            _write(model, header, folder, progress)
            (folder / ORIGIN_FILE).write_bytes(os.fsencode(model.file))
            _settle(folder, model.folder)
        _forget_earlier(model)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(
            f"the conversion of {model.name} cannot be kept in {parent}: {reason}",
            "check its permissions and free space",
        ) from None
    finally:
        give_back()


def _check_packages(name: str) -> None:
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ModelFormatError(
            f"{name} is a gguf file, which takes {' and '.join(missing)} to read",
            'install them: pip install "nlp-tui[gguf]"',
        )


def _write(model: ResolvedModel, header: GgufHeader, folder: Path, progress: ProgressCallback) -> None:
    assert model.file is not None
    source: dict[str, Any] = {"gguf_file": model.file.name, "local_files_only": True, "trust_remote_code": False}
    progress("importing transformers", 0.05)
    from transformers import AutoModelForCausalLM, AutoTokenizer  # seconds, and few load such a file

    progress("reading the gguf file", 0.1)
    try:
        with _counting(lambda share: progress("unpacking the gguf file", 0.4 + 0.3 * share)):
            dtype = getattr(torch, header.dtype)
            unpacked: Any = AutoModelForCausalLM.from_pretrained(model.file.parent, dtype=dtype, **source)
        progress("reading its tokenizer", 0.7)
        tokenizer = AutoTokenizer.from_pretrained(model.file.parent, **source)
        progress("keeping the converted model", 0.8)
        unpacked.hf_quantizer = None  # nothing is quantised any more, so it can be saved
        if hasattr(unpacked.config, "quantization_config"):
            del unpacked.config.quantization_config
        unpacked.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:  # whatever transformers and gguf make of a file they do not understand
        raise load_failure(model.name, model.file.parent, error) from error


def _settle(folder: Path, place: Path) -> None:
    """Give the finished folder its name; when another process was quicker, its result stands."""
    try:
        folder.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _sweep(parent: Path) -> None:
    """Drop what killed conversions left behind."""
    for folder in parent.glob(f"{_UNFINISHED}*"):
        if time.time() - folder.stat().st_mtime > _STALE_S:
            shutil.rmtree(folder, ignore_errors=True)


def _forget_earlier(model: ResolvedModel) -> None:
    """Drop conversions of what the file held before."""
    origin = (model.folder / ORIGIN_FILE).read_bytes()
    for note in model.folder.parent.glob(f"*/{ORIGIN_FILE}"):
        if note.parent != model.folder and note.read_bytes() == origin:
            shutil.rmtree(note.parent, ignore_errors=True)


@contextmanager
def _counting(report: Callable[[float], None]) -> Iterator[None]:
    """Hear how far transformers is with unpacking: it tells that through a progress bar alone."""
    from transformers import modeling_gguf_pytorch_utils as unpacking  # see _write

    def count(items: Iterable[Any], **_: object) -> Iterator[Any]:
        all_items = list(items)
        for number, item in enumerate(all_items):
            report(number / len(all_items))
            yield item

    names = vars(unpacking)
    bar = names["tqdm"]
    names["tqdm"] = count
    try:
        yield
    finally:
        names["tqdm"] = bar
