"""The course's names: fetched from a hub in the shape they have there, they run without a network, as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.models.registry import COURSE_MODELS, resolve
from tests.cli.process import Finished, run
from tests.hub.conftest import MRPC, SST2
from tests.hub.server import HubRepository, LocalHub

pytestmark = pytest.mark.slow


@pytest.fixture
def course_hub(
    hub: LocalHub,
    cache: Path,
    bert_files: dict[str, bytes],
    mrpc_files: dict[str, bytes],
    sst2_files: dict[str, bytes],
) -> LocalHub:
    """The hub with all four, under the organisations that keep them there."""
    organisations = {"bert-base-uncased": "google-bert", MRPC: "google-bert", SST2: "distilbert"}
    for name, files in {"bert-base-uncased": bert_files, MRPC: mrpc_files, SST2: sst2_files}.items():
        hub.aliases[name] = f"{organisations[name]}/{name}"
        hub.repositories[hub.aliases[name]] = HubRepository(files)
    return hub


def fetch(name: str, hub: LocalHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pull a model, then cut the line."""
    finished = run("models", "pull", name, "--yes", folder=folder)
    assert finished.code == 0, finished.stderr
    assert finished.stdout == f"{resolve(name).folder}\n"
    hub.close()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def answer(*arguments: str, folder: Path) -> Finished:
    """Run a command that must succeed offline."""
    finished = run(*arguments, "--json", "--offline", folder=folder)
    assert finished.code == 0, finished.stderr
    return finished


@pytest.mark.parametrize("name", COURSE_MODELS)
def test_a_course_name_that_is_not_here_says_how_to_get_it_and_what_to_use_meanwhile(
    name: str, hub: LocalHub, tmp_path: Path
) -> None:
    finished = run("generate", "a", "--model", name, folder=tmp_path)
    way_out = f"fetch it with: nlp-tui models pull {name}, or use the bundled {COURSE_MODELS[name]}"
    assert (finished.code, finished.stderr.count("\n")) == (1, 1)
    assert finished.stderr.endswith(f"hint: {way_out}\n")
    assert not hub.served


def test_gpt2_generates(course_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("gpt2", course_hub, tmp_path, monkeypatch)
    options = ("--model", "gpt2", "--max-new-tokens", "3", "--greedy")
    first, *_, done = answer("generate", "Once upon a time", *options, folder=tmp_path).lines
    assert (first["model"], first["prompt_ids"]) == ("gpt2", [7454, 2402, 257, 640])
    assert len(done["ids"]) == 3


def test_bert_base_uncased_fills(course_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("bert-base-uncased", course_hub, tmp_path, monkeypatch)
    rows = answer("fill", "The cat [MASK].", "--model", "bert-base-uncased", folder=tmp_path).lines
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def test_the_old_names_of_its_norms_are_read(
    course_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import AutoModelForMaskedLM

    files = course_hub.repositories["google-bert/bert-base-uncased"].files
    fetch("bert-base-uncased", course_hub, tmp_path, monkeypatch)
    assert b"LayerNorm.gamma" in files["model.safetensors"]
    model = AutoModelForMaskedLM.from_pretrained(resolve("bert-base-uncased").folder)
    with torch.inference_mode():
        logits = model.eval()(torch.tensor([[101, 1996, 4937, 103, 102]])).logits[0, 3]
    rows = answer("fill", "The cat [MASK]", "--model", "bert-base-uncased", folder=tmp_path).lines
    assert [row["id"] for row in rows[:3]] == logits.topk(3).indices.tolist()
    assert rows[0]["prob"] == pytest.approx(float(logits.softmax(-1).max()), abs=1e-5)


def test_the_cased_mrpc_model_compares_and_tells_capitals_apart(
    course_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(MRPC, course_hub, tmp_path, monkeypatch)
    assert not (resolve(MRPC).folder / "tokenizer.json").exists()
    (upper,) = answer("similar", "The cat sat", "Paris", "--model", MRPC, folder=tmp_path).lines
    (lower,) = answer("similar", "The cat sat", "paris", "--model", MRPC, folder=tmp_path).lines
    assert upper["model"] == MRPC
    assert upper["similar"] + upper["not_similar"] == pytest.approx(1)
    assert upper["a_to_b"] != lower["a_to_b"]


def test_the_sst2_model_judges_with_its_own_labels(
    course_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(SST2, course_hub, tmp_path, monkeypatch)
    (row,) = answer("sentiment", "I love it", "--model", SST2, folder=tmp_path).lines
    assert set(row["scores"]) == {"NEGATIVE", "POSITIVE"}
    assert row["label"] in row["scores"]


def test_a_pickle_only_model_is_not_here_afterwards(hub: LocalHub, tmp_path: Path) -> None:
    finished = run("models", "pull", "org/pickle", "--yes", folder=tmp_path)
    assert finished.code == 1
    assert finished.stderr.startswith("error: org/pickle has only pytorch_model.bin, a pickle")
    assert "save_pretrained" in finished.stderr
    assert run("models", "path", "org/pickle", folder=tmp_path).code == 1
