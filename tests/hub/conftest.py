"""The local hub, its repositories, a cache of each test's own, and downloads into it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.engine.networks.head import Head
from core.errors import EngineError
from core.models.hub.download import Download, DownloadEvent
from core.models.hub.records import DownloadPlan
from core.models.registry import STARTER_FOLDER, resolve
from tests.builders import EncoderBuilder
from tests.hub.server import HubRepository, LocalHub, sha256

GPT2 = "openai-community/gpt2"
MRPC, SST2 = "bert-base-cased-finetuned-mrpc", "distilbert-base-uncased-finetuned-sst-2-english"

CASED_WORDS = ("The", "the", "cat", "Cat", "sat", "on", "a", "mat", "is", "Paris", "paris", ".", "##s")
"""With capitals, and with the same words without."""

_DECOYS = {
    "pytorch_model.bin": b"\x80\x02.",
    "tf_model.h5": b"h5",
    "flax_model.msgpack": b"flax",
    "onnx/model.onnx": b"onnx",
    "modeling_evil.py": b"raise SystemExit",
    ".gitattributes": b"*.bin filter=lfs",
}
"""What the hub's folders hold beside what is needed."""


@pytest.fixture(scope="session")
def gpt2_files(gpt2_folder: Path) -> dict[str, bytes]:
    """A GPT-2 in the shape of the hub's: no prefix in the names of its weights, and the masks of old checkpoints."""
    import torch
    from safetensors.torch import load_file, save

    weights = load_file(gpt2_folder / "model.safetensors")
    renamed = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
    masks = {f"h.{layer}.attn.bias": torch.ones(1, 1, 64, 64).tril() for layer in range(2)}
    files = {path.name: path.read_bytes() for path in gpt2_folder.iterdir()}
    files["model.safetensors"] = save(renamed | masks, {"format": "pt"})
    files["README.md"] = b"---\nlicense: mit\nlanguage: en\n---\n# GPT-2\n"
    return files | _DECOYS


@pytest.fixture(scope="session")
def bert_files(build_encoder: EncoderBuilder) -> dict[str, bytes]:
    """An uncased BERT in the shape of the hub's: gamma and beta for the norms, and a head for next sentences."""
    import torch
    from safetensors.torch import load_file, save

    folder = build_encoder("bert", Head.MASKED_LM)
    weights = load_file(folder / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in weights.items()
    }
    old |= {"cls.seq_relationship.weight": torch.ones(2, 32), "cls.seq_relationship.bias": torch.zeros(2)}
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files["model.safetensors"] = save(old, {"format": "pt"})
    files["README.md"] = b"---\nlicense: apache-2.0\n---\n"
    return files | _DECOYS


@pytest.fixture(scope="session")
def mrpc_files(build_encoder: EncoderBuilder) -> dict[str, bytes]:
    """A cased BERT of pairs in the shape of the hub's: no names of labels, and a vocabulary without tokenizer.json."""
    vocabulary = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CASED_WORDS)
    folder = build_encoder("bert", Head.CLASSIFIER, vocab_size=len(vocabulary))
    settings: dict[str, Any] = {"do_lower_case": False, "model_max_length": 64, "tokenizer_class": "BertTokenizer"}
    return {
        "config.json": (folder / "config.json").read_bytes(),
        "model.safetensors": (folder / "model.safetensors").read_bytes(),
        "vocab.txt": "\n".join(vocabulary).encode() + b"\n",
        "tokenizer_config.json": json.dumps(settings).encode(),
    } | _DECOYS


@pytest.fixture(scope="session")
def sst2_files(build_encoder: EncoderBuilder, bert_vocabulary: bytes) -> dict[str, bytes]:
    """A DistilBERT of sentences in the shape of the hub's: labels, and a vocabulary without tokenizer.json."""
    labels = {"id2label": {0: "NEGATIVE", 1: "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}
    folder = build_encoder("distilbert", Head.CLASSIFIER, **labels)
    return {
        "config.json": (folder / "config.json").read_bytes(),
        "model.safetensors": (folder / "model.safetensors").read_bytes(),
        "vocab.txt": bert_vocabulary,
        "tokenizer_config.json": b'{"model_max_length": 64, "do_lower_case": true}',
        "README.md": b"---\nlanguage: en\nlicense: apache-2.0\n---\n",
    } | _DECOYS


@pytest.fixture(scope="session")
def bert_vocabulary() -> bytes:
    """BERT's genuine uncased vocabulary as vocab.txt."""
    tokenizer = json.loads((STARTER_FOLDER / "bert" / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    return "\n".join(sorted(vocabulary, key=lambda token: vocabulary[token])).encode() + b"\n"


@pytest.fixture(scope="session")
def sharded_files(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tiny GPT-2 in several files with an index."""
    from transformers import GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("sharded")
    GPT2LMHeadModel.from_pretrained(gpt2_folder).save_pretrained(folder, max_shard_size="100KB")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sum(name.endswith(".safetensors") for name in files) > 1
    return files | {name: (gpt2_folder / name).read_bytes() for name in ("tokenizer.json", "tokenizer_config.json")}


@pytest.fixture
def hub(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpt2_files: dict[str, bytes],
    sharded_files: dict[str, bytes],
) -> Iterator[LocalHub]:
    """A hub with a GPT-2, one in shards and one that is a pickle; downloads of the test use it, without a token."""
    started = LocalHub()
    card = {"license": "mit"}
    started.repositories = {
        GPT2: HubRepository(gpt2_files, "text-generation", card, ("main", "v1", "refs/pr/1")),
        "org/sharded": HubRepository(sharded_files, "text-generation"),
        "org/pickle": HubRepository({"config.json": b"{}", "pytorch_model.bin": b"\x80\x02."}),
    }
    started.aliases = {"gpt2": GPT2}
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", started.endpoint)
    yield started
    started.close()


@pytest.fixture
def cache(hub: LocalHub, tmp_path: Path) -> Path:
    """The cache of this test."""
    return tmp_path / "cache"


@asynccontextmanager
async def download(name: str, revision: str = "") -> AsyncIterator[Download]:
    """A download that is over when the test is."""
    started = Download(name, revision)
    try:
        yield started
    finally:
        await started.close()


async def pull(name: str, revision: str = "") -> tuple[DownloadPlan, list[DownloadEvent]]:
    """Download a model to the end."""
    async with download(name, revision) as started:
        plan = await started.plan()
        return plan, [event async for event in started.events()]


async def until(condition: Callable[[], object]) -> None:
    """Let everything run until something is true."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("never came true")


async def drain(started: Download) -> list[DownloadEvent]:
    """Every event of a download."""
    return [event async for event in started.events()]


def size_of(path: Path) -> int:
    """Bytes of a file; 0 when it is not there."""
    return path.stat().st_size if path.exists() else 0


def parts_in(cache: Path) -> list[Path]:
    """Files that have not come whole."""
    return list(cache.rglob("*.incomplete"))


async def refusal(name: str = "gpt2", revision: str = "") -> EngineError:
    """The error that a download ends with; one line, with a way out."""
    with pytest.raises(EngineError) as caught:
        await pull(name, revision)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


def weights_of(hub: LocalHub) -> bytes:
    """The GPT-2's weights."""
    return hub.repositories[GPT2].files["model.safetensors"]


def part_of(cache: Path, hub: LocalHub) -> Path:
    """Where the beginning of the GPT-2's weights lies."""
    return cache / "models--gpt2" / "blobs" / f"{sha256(weights_of(hub))}.incomplete"


def is_whole(hub: LocalHub) -> bool:
    """Whether the GPT-2 is there, byte by byte."""
    return (resolve("gpt2").folder / "model.safetensors").read_bytes() == weights_of(hub)


def use_gpt2_with(hub: LocalHub, **files: bytes) -> None:
    """Change files of the hub's GPT-2."""
    old = hub.repositories[GPT2]
    hub.repositories[GPT2] = replace(old, files=old.files | files)
