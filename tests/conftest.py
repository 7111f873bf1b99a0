"""What every test shares: an empty Hugging Face cache, no network, folders of its own, and tiny models on disk.

Nothing here imports torch: tests of the interface and of the light side of `core` do without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # huggingface_hub reads it when it is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in the engine's process: no spinning on shared cores

import pytest
from hypothesis import settings

from core.engine.networks.head import Head
from core.models.registry import STARTER_FOLDER
from core.text.tokenization import TextTokenizer
from tests import builders
from tests.builders import Builder, EncoderBuilder

HERE = Path(__file__).parent

settings.register_profile("suite", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


STARTS_THE_APP = {"launch", "snap_compare", "snap_pane"}
"""The fixtures by which a test starts the interface."""

STARTS_PROCESSES = (
    "cli",
    "hub",
    "training",
    "core/backends/test_process.py",
    "core/engine/lab",
    "core/engine/test_given_back.py",
    "core/engine/test_self_test.py",
    "core/engine/test_starters.py",
    "test_imports.py",
    "test_toy_sampler.py",
    "tui/models/test_model_download.py",
    "tui/test_kills.py",
    "tui/test_terminal.py",
)
"""The folders and files, below this one, whose tests start processes, or take as long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the first tier does without."""
    for item in items:
        where = item.path.relative_to(HERE).as_posix()
        if where.startswith("tui/lab") or STARTS_THE_APP & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.app)
        if where.startswith(STARTS_PROCESSES):
            item.add_marker(pytest.mark.process)


@pytest.fixture(scope="session", autouse=True)
def empty_hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty Hugging Face cache for this process and every one it starts."""
    cache = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(cache))
        yield cache


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The program's own files go to a temporary folder, in this process and every one it starts."""
    folder = tmp_path_factory.mktemp("xdg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        yield


@pytest.fixture(scope="session")
def build_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Builds a tiny random GPT-2; keyword arguments go to `GPT2Config`."""

    def build(name: str, **changes: Any) -> Path:
        return builders.build_gpt2(tmp_path_factory.mktemp(name), **changes)

    return build


@pytest.fixture(scope="session")
def gpt2_folder(build_gpt2: Builder) -> Path:
    """A GPT-2 of 2 layers, 32 wide, with 64 positions."""
    return build_gpt2("gpt2")


@pytest.fixture(scope="session")
def long_gpt2_folder(build_gpt2: Builder) -> Path:
    """The same with 4096 positions, for runs long enough to be interrupted."""
    return build_gpt2("long-gpt2", n_positions=4096)


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama, which goes through transformers."""
    return builders.build_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def build_encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderBuilder:
    """Builds tiny random encoders; all speak BERT's uncased WordPiece."""

    def build(family: str, head: Head, **changes: Any) -> Path:
        return builders.build_encoder(tmp_path_factory.mktemp(f"{family}-{head.value}"), family, head, **changes)

    return build


@pytest.fixture(scope="session")
def build_classifier(build_encoder: EncoderBuilder) -> Builder:
    """Builds a tiny random BERT classifier of pairs; keyword arguments go to `BertConfig`."""

    def build(name: str, **changes: Any) -> Path:
        names = {"id2label": {0: "not_equivalent", 1: "equivalent"}}
        return build_encoder("bert", Head.CLASSIFIER, **(names | changes))

    return build


@pytest.fixture(scope="session")
def classifier_folder(build_classifier: Builder) -> Path:
    """A BERT with two labels, 32 wide, with 64 positions."""
    return build_classifier("classifier")


@pytest.fixture(scope="session")
def gpt2_tokenizer() -> TextTokenizer:
    """GPT-2's genuine tokenizer."""
    return TextTokenizer.from_folder("gpt2", STARTER_FOLDER / "gpt2")


@pytest.fixture(scope="session")
def bert_tokenizer() -> TextTokenizer:
    """BERT's genuine uncased tokenizer."""
    return TextTokenizer.from_folder("bert-base-uncased", STARTER_FOLDER / "bert")
