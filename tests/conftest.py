"""What every test shares: an empty Hugging Face cache, no network, and tiny models with random weights.

The models are built once a session with transformers' own `save_pretrained`, in temporary folders; their tokenizers
are the genuine ones that ship with the starters. Weights are drawn wide enough that the next token is rarely a tie.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

os.environ["HF_HUB_OFFLINE"] = "1"  # huggingface_hub reads it when it is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in the engine's process: no spinning on shared cores

import pytest
import torch
from hypothesis import settings

from core.engine.lab.desk import Desk
from core.engine.networks.encoder_models import Head, LoadedEncoder, load_encoder, two_labelled
from core.engine.networks.loading import LoadedCausal, load_causal
from core.engine.shelf import Shelf
from core.models.registry import STARTER_FOLDER, resolve
from core.text.tokenization import TextTokenizer

settings.register_profile("suite", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("suite")

torch.set_num_threads(1)  # tiny models gain nothing from a second core and lose much where it is busy

Builder = Callable[..., Path]
"""Builds a model folder from a name and whatever the model's config should differ in."""

SEED = 20


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


def copy_tokenizer(starter: str, folder: Path) -> None:
    """Give a model folder the tokenizer of a starter."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(STARTER_FOLDER / starter / name, folder / name)


@pytest.fixture(scope="session")
def build_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Builds a tiny random GPT-2; keyword arguments go to `GPT2Config`."""

    def build(name: str, **changes: Any) -> Path:
        from transformers import GPT2Config, GPT2LMHeadModel  # seconds, for the tests that need it

        shape = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
        torch.manual_seed(SEED)
        folder = tmp_path_factory.mktemp(name)
        GPT2LMHeadModel(GPT2Config(**(shape | changes))).save_pretrained(folder)
        copy_tokenizer("gpt2", folder)
        return folder

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
    from transformers import LlamaConfig, LlamaForCausalLM  # seconds, for the tests that need it

    config = LlamaConfig(
        vocab_size=50257,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
        bos_token_id=50256,
        eos_token_id=50256,
    )
    torch.manual_seed(SEED)
    folder = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(folder)
    copy_tokenizer("gpt2", folder)
    return folder


class EncoderBuilder(Protocol):
    """Builds a folder with a tiny random encoder under a head."""

    def __call__(self, family: str, head: Head, **changes: Any) -> Path:
        """`family` is one of `FAMILIES`; keyword arguments go to its config."""


FAMILIES = ("bert", "distilbert", "roberta", "albert")
"""The kinds of encoder that every task of the lab is tested with."""

_HEAD_CLASSES = {
    Head.MASKED_LM: "ForMaskedLM",
    Head.NEXT_SENTENCE: "ForNextSentencePrediction",
    Head.CLASSIFIER: "ForSequenceClassification",
    Head.ANSWERS: "ForQuestionAnswering",
    Head.STATES: "Model",
}


@pytest.fixture(scope="session")
def build_encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderBuilder:
    """Builds tiny random encoders; all speak BERT's uncased WordPiece."""

    def build(family: str, head: Head, **changes: Any) -> Path:
        import transformers  # seconds, for the tests that need it

        name = {"bert": "Bert", "distilbert": "DistilBert", "roberta": "Roberta", "albert": "Albert"}[family]
        shape: dict[str, Any] = {"initializer_range": 0.3, "pad_token_id": 0, "max_position_embeddings": 64}
        if family == "distilbert":
            shape |= {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4}
        else:
            shape |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        if family == "albert":
            shape |= {"embedding_size": 16}
        if family in ("albert", "roberta"):
            shape |= {"vocab_size": 30522}
        if family == "roberta":
            shape |= {"max_position_embeddings": 65}  # positions are counted from after the padding id
        torch.manual_seed(SEED)
        folder = tmp_path_factory.mktemp(f"{family}-{head.value}")
        config = getattr(transformers, f"{name}Config")(**(shape | changes))
        getattr(transformers, f"{name}{_HEAD_CLASSES[head]}")(config).save_pretrained(folder)
        copy_tokenizer("bert", folder)
        if family in ("distilbert", "roberta"):  # these read no sentence numbers
            settings_file = folder / "tokenizer_config.json"
            written = json.loads(settings_file.read_text()) | {"model_input_names": ["input_ids", "attention_mask"]}
            settings_file.write_text(json.dumps(written))
        return folder

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


def evaluated(model: Any) -> Any:
    """A transformers model without its dropout."""
    return model.eval()


def ignore_progress(stage: str, fraction: float) -> None:
    """A progress callback for those who do not care."""


def load_causal_folder(folder: Path) -> LoadedCausal:
    """A causal model on the cpu, in float32."""
    return load_causal(resolve(str(folder)), torch.device("cpu"), "float32", ignore_progress)


def load_classifier_folder(folder: Path) -> LoadedEncoder:
    """A sentence-pair classifier on the cpu, in float32."""
    return two_labelled(
        load_encoder(Head.CLASSIFIER, resolve(str(folder)), torch.device("cpu"), "float32", ignore_progress)
    )


@pytest.fixture(scope="session")
def loaded_gpt2(gpt2_folder: Path) -> LoadedCausal:
    """The tiny GPT-2, through our own forward."""
    return load_causal_folder(gpt2_folder)


@pytest.fixture(scope="session")
def loaded_llama(llama_folder: Path) -> LoadedCausal:
    """The tiny Llama, through transformers."""
    return load_causal_folder(llama_folder)


@pytest.fixture(scope="session")
def loaded_classifier(classifier_folder: Path) -> LoadedEncoder:
    """The tiny classifier."""
    return load_classifier_folder(classifier_folder)


def desk(**changes: Any) -> Desk:
    """A task's place in the engine, on the cpu, where nobody cancels or waits."""
    given: dict[str, Any] = {"shelf": Shelf(), "device_name": "cpu", "dtype": "float32", "progress": ignore_progress}
    return Desk(**(given | {"should_stop": lambda: False, "between": lambda: None} | changes))


@pytest.fixture(scope="session")
def reference_gpt2(gpt2_folder: Path) -> Any:
    """The tiny GPT-2 as transformers loads it."""
    from transformers import GPT2LMHeadModel  # seconds, for the tests that need it

    return evaluated(GPT2LMHeadModel.from_pretrained(gpt2_folder))


@pytest.fixture(scope="session")
def gpt2_tokenizer() -> TextTokenizer:
    """GPT-2's genuine tokenizer."""
    return TextTokenizer.from_folder("gpt2", STARTER_FOLDER / "gpt2")


@pytest.fixture(scope="session")
def bert_tokenizer() -> TextTokenizer:
    """BERT's genuine uncased tokenizer."""
    return TextTokenizer.from_folder("bert-base-uncased", STARTER_FOLDER / "bert")
