"""Broken safetensors files are named in one line, before anything is loaded; whole ones are read as they are."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from core.errors import ModelFormatError
from core.models.registry import STARTER_FOLDER
from core.models.safetensors_header import MOST_HEADER_BYTES, TensorEntry, check_weights, read_header
from tests.builders import Builder
from tests.loaded import load_causal_folder

WEIGHTS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A whole file with two tensors."""
    path = tmp_path / "model.safetensors"
    save_file(WEIGHTS, path, {"format": "pt"})
    return path


def header_of(content: bytes) -> tuple[int, dict[str, Any]]:
    length = struct.unpack("<Q", content[:8])[0]
    return length, json.loads(content[8 : 8 + length])


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the header of a file and leave its data alone."""
    content = path.read_bytes()
    length, header = header_of(content)
    change(header)
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + content[8 + length :])


def test_a_whole_file_is_listed_as_it_is(file: Path) -> None:
    entries = {entry.name: entry for entry in read_header(file)}
    assert {(one.name, one.dtype, one.shape, one.elements) for one in entries.values()} == {
        ("a", "F32", (2, 3), 6),
        ("b", "F16", (4,), 4),
    }


@pytest.mark.parametrize("path", sorted(STARTER_FOLDER.glob("*/*.safetensors")), ids=lambda path: path.parent.name)
def test_every_bundled_file_passes(path: Path) -> None:
    entries = read_header(path)
    check_weights(path.parent.name, entries)
    assert sum(entry.elements for entry in entries) > 0


def test_an_empty_file_of_tensors_without_numbers_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"none": torch.zeros(0, 4), "one": torch.ones(1)}, path)
    assert {entry.elements for entry in read_header(path)} == {0, 1}


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (MOST_HEADER_BYTES + 1, "announces a header"),
        (2**63, "announces a header"),
        (10_000, "announces a header of 10,000 bytes in a file"),
        (3, "not JSON"),
        (0, "not JSON"),
    ],
)
def test_a_header_of_impossible_length_is_refused(file: Path, length: int, message: str) -> None:
    file.write_bytes(struct.pack("<Q", length) + file.read_bytes()[8:])
    with pytest.raises(ModelFormatError, match=message):
        read_header(file)


@pytest.mark.parametrize("kept", [0, 7, 8, 20, -1, -12])
def test_a_file_that_is_cut_short_is_refused(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelFormatError, match=r"model\.safetensors is no usable safetensors file"):
        read_header(file)


def test_a_file_with_something_behind_its_tensors_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"extra")
    with pytest.raises(ModelFormatError, match="last 5 bytes belong to no tensor"):
        read_header(file)


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unknown dtype": (lambda header: header["a"].update(dtype="F7"), "unknown dtype, 'F7'"),
    "dtype of another kind": (lambda header: header["a"].update(dtype=["F32"]), "unknown dtype"),
    "negative size": (lambda header: header["a"].update(shape=[-2, 3]), "impossible shape"),
    "size that is no number": (lambda header: header["a"].update(shape=["2", 3]), "impossible shape"),
    "size that is a truth value": (lambda header: header["a"].update(shape=[True, 6]), "impossible shape"),
    "sizes that overflow": (lambda header: header["a"].update(shape=[2**40, 2**40]), "its offsets give 24"),
    "size beyond 64 bits": (lambda header: header["a"].update(shape=[2**70]), "impossible shape"),
    "offsets beyond the file": (lambda header: header["b"].update(shape=[400], data_offsets=[24, 824]), "cut short"),
    "offsets that overlap": (lambda header: header["b"].update(data_offsets=[20, 28]), "overlaps 'a'"),
    "a gap": (
        lambda header: header["b"].update(shape=[2], data_offsets=[28, 32]),
        "4 bytes before 'b' belong to no tensor",
    ),
    "offsets the wrong way round": (lambda header: header["a"].update(data_offsets=[24, 0]), "impossible offsets"),
    "one offset": (lambda header: header["a"].update(data_offsets=[0]), "impossible offsets"),
    "an entry that is a list": (lambda header: header.update(a=[1]), "lacks dtype, shape or data_offsets"),
    "an entry without a shape": (lambda header: header["a"].pop("shape"), "lacks dtype, shape or data_offsets"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_header_that_does_not_describe_the_file_is_refused(
    file: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    rewrite(file, change)
    with pytest.raises(ModelFormatError, match=message) as caught:
        read_header(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [b"[]", b"null", b'"text"', b"\xff\xfe{}", b"[" * 50_000, b'{"a":1,"a":2}', b"9" * 10_000, b'{"a":NaN}'],
    ids=["list", "null", "text", "bytes", "nested", "twice", "digits", "nan"],
)
def test_a_header_that_is_something_else_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)
    with pytest.raises(ModelFormatError, match="is no usable safetensors file"):
        read_header(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="cannot be read: Is a directory"):
        read_header(tmp_path)


@pytest.mark.parametrize("dtype", ["I32", "U8", "F8_E4M3"])
def test_weights_that_are_no_floating_point_numbers_are_named(dtype: str) -> None:
    with pytest.raises(ModelFormatError, match=f"h.0.weight of it is {dtype}.*quantised"):
        check_weights("it", [TensorEntry("h.0.weight", dtype, (2,), 0, 8)])
    check_weights("it", [TensorEntry("embeddings.position_ids", dtype, (2,), 0, 8)])


@pytest.fixture(scope="module")
def small_model(build_gpt2: Builder) -> tuple[Path, bytes, torch.Tensor]:
    """A GPT-2's folder, its file's content, and the logits it gives."""
    folder = build_gpt2("mutated", vocab_size=50257, n_embd=8, n_layer=1, n_head=2, n_positions=16)
    return folder, (folder / "model.safetensors").read_bytes(), logits_of(folder)


def logits_of(folder: Path) -> torch.Tensor:
    loaded = load_causal_folder(folder)
    return loaded.model.forward(torch.tensor([[1, 2, 3]]), loaded.model.new_cache())


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_header_with_random_bytes_is_refused_or_means_the_same(
    small_model: tuple[Path, bytes, torch.Tensor], data: st.DataObject
) -> None:
    folder, content, expected = small_model
    length = header_of(content)[0]
    mutated = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 8 + length - 1))
        mutated[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b'0123456789{}[],:"IUBF')))
    cut = data.draw(st.one_of(st.just(len(mutated)), st.integers(0, len(mutated))))
    (folder / "model.safetensors").write_bytes(mutated[:cut])
    message, found = "", expected
    try:
        check_weights("it", read_header(folder / "model.safetensors"))
        found = logits_of(folder)
    except ModelFormatError as error:
        message = str(error)
    assert "\n" not in message
    torch.testing.assert_close(found, expected)
