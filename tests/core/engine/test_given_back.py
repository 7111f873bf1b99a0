"""Memory is given back when models are switched: measured in an engine of its own, as the program starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.backends.process import worker_environment
from core.engine.engine import Engine
from core.messages.protocol import Generate, Inspect
from core.messages.records import Target
from core.messages.sampling_params import SamplingParams
from tests.builders import Builder, copy_tokenizer
from tests.cli.process import PATIENCE_S, REPOSITORY

ROUNDS = 10
LARGEST_GROWTH = 0.1
"""Of resident memory, after the first round."""

SWITCHING = """
import json, sys
from core.engine.engine import Engine
from core.memory import resident_bytes
from core.messages.protocol import Compare, Generate, Inspect
from core.messages.records import Target
from core.messages.sampling_params import SamplingParams

engine = Engine(lambda event: None)
*causal, classifier = json.loads(sys.argv[1])
params = SamplingParams(max_new_tokens=3, seed=1)
for _ in range(int(sys.argv[2])):
    for model in causal:
        target = Target(model, "cpu", "float32")
        for request in (Generate(target, "Once upon a time", params), Inspect(target, "Once upon", params)):
            engine.handle(request, lambda: False, lambda: None)
    engine.handle(Compare(Target(classifier, "cpu", "float32"), "One", "Two"), lambda: False, lambda: None)
    print(resident_bytes(), flush=True)
"""


@pytest.fixture(scope="module")
def models(build_gpt2: Builder, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two GPT-2s, a Llama and a BERT of 60 to 80 MB each."""
    # seconds, for the tests that need it
    from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM

    shape = {"n_embd": 256, "initializer_range": 0.02}
    folders = [build_gpt2(f"switched-{layers}", n_layer=layers, **shape) for layers in (6, 10)]
    llama = LlamaConfig(
        vocab_size=50257,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    bert = BertConfig(hidden_size=384, intermediate_size=768, num_hidden_layers=4, num_attention_heads=4)
    for model, starter in ((LlamaForCausalLM(llama), "gpt2"), (BertForSequenceClassification(bert), "bert")):
        folder = tmp_path_factory.mktemp("switched")
        model.save_pretrained(folder)
        copy_tokenizer(starter, folder)
        folders.append(folder)
    return folders


@pytest.mark.starter
@pytest.mark.slow
def test_ten_rounds_of_four_models_end_where_the_first_one_did(models: list[Path], tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-P", "-c", SWITCHING, json.dumps([str(model) for model in models]), str(ROUNDS)],
        env={**worker_environment(), "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    levels = [int(line) for line in finished.stdout.split()]
    assert len(levels) == ROUNDS
    assert levels[-1] <= (1 + LARGEST_GROWTH) * levels[0], [round(level / 1e6) for level in levels]


def test_what_was_read_with_a_model_goes_with_it(gpt2_folder: Path, llama_folder: Path) -> None:
    engine = Engine(lambda event: None)
    params = SamplingParams(max_new_tokens=2, seed=1)
    for folder in (gpt2_folder, llama_folder, gpt2_folder):
        for request in (
            Generate(Target(str(folder), "cpu", "float32"), "Once upon", params),
            Inspect(Target(str(folder), "cpu", "float32"), "Once upon", params),
        ):
            engine.handle(request, lambda: False, lambda: None)
        first_weights = engine._shelf.causal(Target(str(folder), "cpu", "float32"), lambda stage, fraction: None)[0]
        assert engine._inspector is not None
        assert engine._inspector._loaded is first_weights
    engine._shelf.causal(Target(str(llama_folder), "cpu", "float32"), lambda stage, fraction: None)
    assert (engine._inspector, engine._prefix) == (None, None)
