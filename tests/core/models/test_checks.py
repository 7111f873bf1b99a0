"""What a model must be before it is loaded: its own files, no code, whole numbers of everything, one vocabulary."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.engine.networks.head import Head
from core.engine.networks.loading import ProgressCallback
from core.engine.shelf import Shelf
from core.errors import EngineError, ModelFormatError
from core.messages.records import Target
from core.models.checks import check_model
from core.models.registry import STARTERS, resolve
from tests.builders import EncoderBuilder
from tests.loaded import ignore_progress


def on_cpu(folder: Path) -> tuple[Target, ProgressCallback]:
    """What the shelf is asked for."""
    return Target(str(folder), "cpu", "float32"), ignore_progress


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a model's folder, so that a test may spoil it."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def load(folder: Path) -> None:
    """As the engine would: a causal model or an encoder."""
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    shelf = Shelf()
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        shelf.causal(*on_cpu(folder))
    else:
        shelf.encoder(Head.CLASSIFIER, *on_cpu(folder))


def refusal(folder: Path) -> str:
    """The one line that refuses a model."""
    with pytest.raises(ModelFormatError) as caught:
        load(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.hint
    return line


@pytest.fixture(params=["gpt2_folder", "llama_folder", "classifier_folder"])
def folder(request: pytest.FixtureRequest, copy: Callable[[Path], Path]) -> Path:
    """A model of each kind of loader, to be spoilt."""
    return copy(request.getfixturevalue(request.param))


@pytest.mark.parametrize("name", STARTERS)
def test_every_starter_passes(name: str) -> None:
    assert check_model(resolve(name))


def test_a_model_that_brings_code_is_refused_with_the_way_out(folder: Path) -> None:
    edit_json(folder / "config.json", auto_map={"AutoModelForCausalLM": "modeling_own.OwnModel"})
    (folder / "modeling_own.py").write_text("raise SystemExit('this must never run')")
    line = refusal(folder)
    assert "wants to run code of its own (modeling_own.OwnModel, trust_remote_code)" in line
    assert "take auto_map out" in line


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_a_model_of_pickles_is_refused_with_the_way_out(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"\x80\x04cos\nsystem\n")
    line = refusal(folder)
    assert f"has only {name}, a pickle, which can run code when opened" in line
    assert "save_pretrained" in line


def test_an_index_that_names_a_pickle_is_refused(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder / "pytorch_model.bin")
    index = {"weight_map": {"a": "pytorch_model.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names pytorch_model.bin, a pickle" in refusal(folder)


@pytest.mark.parametrize("target", ["../other/model.safetensors", "/etc/hostname"])
def test_an_index_that_points_outside_its_model_is_refused(folder: Path, target: str) -> None:
    other = folder.parent / "other"
    other.mkdir()
    shutil.move(folder / "model.safetensors", other / "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": target}}))
    assert "points outside it" in refusal(folder)


def test_an_index_that_points_outside_through_a_link_is_refused(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder.parent / "elsewhere.safetensors")
    (folder / "part.safetensors").symlink_to(folder.parent / "elsewhere.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    assert "points outside it" in refusal(folder)


def test_an_index_that_names_what_its_file_lacks_is_refused(folder: Path) -> None:
    index = {"weight_map": {"h.99.weight": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "says that h.99.weight is in model.safetensors, which lacks it" in refusal(folder)


def test_a_vocabulary_of_another_size_than_the_embedding_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit_json(folder / "config.json", vocab_size=config["vocab_size"] + 7)
    line = refusal(folder)
    assert f"says {config['vocab_size'] + 7:,} tokens, its embedding" in line
    assert f"has {config['vocab_size']:,}" in line


def test_a_tokenizer_with_more_entries_than_the_embedding_is_refused(folder: Path) -> None:
    rows = json.loads((folder / "config.json").read_text())["vocab_size"] - 100

    def shorten(weights: dict[str, torch.Tensor]) -> None:
        for name, weight in list(weights.items()):
            if weight.shape[0] == rows + 100:
                weights[name] = weight[:rows].clone()

    edit_weights(folder, shorten)
    edit_json(folder / "config.json", vocab_size=rows)
    assert f"entries, the model {rows}. hint: tokenizer and weights do not belong together" in refusal(folder)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_named(folder: Path, value: float) -> None:
    names: list[str] = []

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        names.append(max(name for name in weights if weights[name].dim() == 2))
        weights[names[0]].view(-1)[-1] = value

    edit_weights(folder, spoil)
    assert f"{names[0]} of {folder} holds numbers that are none (NaN or infinity)" in refusal(folder)


def test_the_largest_numbers_there_are_pass(folder: Path) -> None:
    def grow(weights: dict[str, torch.Tensor]) -> None:
        next(iter(weights.values())).fill_(torch.finfo(torch.float32).max)

    edit_weights(folder, grow)
    load(folder)


def test_a_weight_that_is_missing_is_named_and_not_made_up(folder: Path) -> None:
    names: list[str] = []

    def drop(weights: dict[str, torch.Tensor]) -> None:
        names.append(next(name for name in sorted(weights) if ".1." in name and name.endswith("weight")))
        del weights[names[0]]

    edit_weights(folder, drop)
    assert f"lack {names[0]}" in refusal(folder).replace("lack h.", "lack transformer.h.")


def test_weights_that_are_whole_numbers_are_named(folder: Path) -> None:
    names: list[str] = []

    def round_one(weights: dict[str, torch.Tensor]) -> None:
        names.append(max(name for name in weights if weights[name].dim() == 2))
        weights[names[0]] = weights[names[0]].to(torch.int8)

    edit_weights(folder, round_one)
    assert f"{names[0]} of {folder} is I8" in refusal(folder)


def test_half_of_a_teacher_is_checked_as_a_teacher_is(
    build_encoder: EncoderBuilder, copy: Callable[[Path], Path]
) -> None:
    folder = copy(build_encoder("bert", Head.MASKED_LM))
    edit_json(folder / "config.json", auto_map={"AutoModel": "own.Model"})
    with pytest.raises(ModelFormatError, match="code of its own"):
        Shelf().halved(Head.MASKED_LM, *on_cpu(folder))


def test_a_broken_model_does_not_cost_the_one_that_is_loaded(gpt2_folder: Path, folder: Path) -> None:
    shelf = Shelf()
    loaded, _ = shelf.causal(*on_cpu(gpt2_folder))
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(EngineError):
        shelf.causal(*on_cpu(folder))
    assert shelf.causal(*on_cpu(gpt2_folder)) == (loaded, False)
