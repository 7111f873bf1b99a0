"""What is known of a model from its files: beside what the loaded model itself says."""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.engine.networks.encoder_models import load_encoder
from core.engine.networks.head import Head
from core.models.facts import model_facts
from core.models.registry import STARTERS, resolve
from tests.builders import EncoderBuilder
from tests.core.gguf_files import GgufFile, Tensor, text
from tests.loaded import ignore_progress, load_causal_folder

CARDS: dict[str, tuple[str, str]] = {
    "plain": ("---\nlicense: apache-2.0\n---\n# A", "apache-2.0"),
    "quoted": ('---\ntags:\n- a\nlicense: "mit"\n---\n', "mit"),
    "a list": ("---\nlicense:\n- mit\n- apache-2.0\nlanguage: en\n---\n", "mit, apache-2.0"),
    "another list": ("---\nlicense: [mit, gpl-3.0]\n---\n", "mit, gpl-3.0"),
    "its own": ("---\nlicense: other\nlicense_name: my-licence\n---\n", "my-licence"),
    "other": ("---\nlicense: other\n---\n", "other"),
    "Windows": ("---\r\nlicense: mit\r\n---\r\n", "mit"),
    "in the text": ("# A\nlicense: mit\n", ""),
    "after the front": ("---\nlanguage: ko\n---\nlicense: mit\n", ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("card", "expected"), CARDS.values(), ids=CARDS.keys())
def test_the_licence_is_that_of_the_cards_front(card: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert model_facts(resolve(str(tmp_path))).license == expected


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_has_a_licence_a_task_and_a_size(name: str) -> None:
    facts = model_facts(resolve(name))
    assert facts.task == STARTERS[name].task.value
    assert facts.license
    assert facts.dtype == "F16"
    assert facts.memory_bytes["float32"] == 4 * facts.parameters > facts.size_bytes > facts.parameters


def test_what_a_starter_shares_with_another_is_told_apart() -> None:
    shared = model_facts(resolve("starter/bert")).size_bytes
    mrpc, bert = (model_facts(resolve(f"starter/{name}")) for name in ("mrpc", "bert"))
    assert bert.shared_bytes == 0
    assert 0 < mrpc.shared_bytes < min(mrpc.size_bytes, shared)


def test_the_parameters_are_those_of_the_loaded_gpt2(gpt2_folder: Path) -> None:
    facts = model_facts(resolve(str(gpt2_folder)))
    assert facts.parameters == load_causal_folder(gpt2_folder).info.parameters
    assert "int8" in facts.memory_bytes


@pytest.mark.parametrize(
    ("head", "task"),
    [
        (Head.CLASSIFIER, "text classification"),
        (Head.MASKED_LM, "masked language model"),
        (Head.ANSWERS, "question answering"),
    ],
)
def test_the_parameters_are_those_of_the_loaded_encoder(head: Head, task: str, build_encoder: EncoderBuilder) -> None:
    resolved = resolve(str(build_encoder("bert", head)))
    facts = model_facts(resolved)
    loaded = load_encoder(head, resolved, torch.device("cpu"), "float32", ignore_progress)
    assert facts.parameters == loaded.info.parameters
    assert (facts.task, facts.source) == (task, "folder")
    assert "int8" not in facts.memory_bytes


def test_a_model_without_weights_says_so_and_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"]}')
    facts = model_facts(resolve(str(tmp_path)))
    assert (facts.task, facts.parameters, facts.memory_bytes) == ("text generation", 0, {})
    assert "has no weights" in facts.summary


def test_a_broken_header_says_so_and_is_not_an_error(tmp_path: Path, gpt2_folder: Path) -> None:
    (tmp_path / "config.json").write_bytes((gpt2_folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    facts = model_facts(resolve(str(tmp_path)))
    assert facts.parameters == 0
    assert "no usable safetensors file" in facts.summary


@pytest.mark.parametrize("architectures", ["[]", "{}", "null", '"GPT2LMHeadModel"', "[null]"])
def test_an_odd_config_is_not_an_error(architectures: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"architectures": {architectures}}}')
    model = resolve(str(tmp_path))
    assert model_facts(model).task == model_facts(replace(model, name="x")).task == ""


def test_an_index_that_names_what_its_file_lacks_says_so_and_is_not_an_error(tmp_path: Path, gpt2_folder: Path) -> None:
    folder = Path(shutil.copytree(gpt2_folder, tmp_path / "copy"))
    index = {"weight_map": {"h.99.weight": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    facts = model_facts(resolve(str(folder)))
    assert "says that h.99.weight is in model.safetensors, which lacks it" in facts.summary
    assert facts.parameters == 0


def test_a_gguf_file_that_is_not_converted_is_known_by_its_own_header(tmp_path: Path) -> None:
    license_ = text("general.license") + struct.pack("<I", 8) + text("apache-2.0")
    tensors = (Tensor(), Tensor("blk.0.attn_q.weight", (32, 4), 1, 256))
    file = GgufFile(more=license_, more_count=1, tensors=tensors, data_bytes=512).write(tmp_path / "a.gguf")
    facts = model_facts(resolve(str(file)))
    assert (facts.task, facts.architecture, facts.license) == ("text generation", "llama", "apache-2.0")
    assert (facts.parameters, facts.size_bytes) == (256, file.stat().st_size)
    assert facts.memory_bytes == {"float32": 1024, "float16": 512, "bfloat16": 512}
    assert "converted into an ordinary folder" in facts.summary


def test_a_broken_gguf_file_says_so_and_is_not_an_error(tmp_path: Path) -> None:
    file = GgufFile(magic=b"GGML").write(tmp_path / "a.gguf")
    facts = model_facts(resolve(str(file)))
    assert (facts.parameters, facts.memory_bytes) == (0, {})
    assert "does not begin with GGUF" in facts.summary
