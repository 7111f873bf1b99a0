"""Full-size models with random weights, built once into a folder, and prompts of an exact length.

`python -m benchmarks.models FOLDER` builds them; the benchmarks run it so that they never import torch themselves.
Random weights cost the same as trained ones. They have no end-of-text token, so that every run has its full length.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from core.models.registry import STARTER_FOLDER
from core.text.tokenization import TextTokenizer

DEFAULT_WORK = Path(tempfile.gettempdir()) / "nlp-tui-benchmarks"
GPT2_PARAMETERS = 124_439_808
GPT2_READ_PER_TOKEN = GPT2_PARAMETERS - 1024 * 768
"""Weights a token needs: all but the position embeddings, of which it takes one row."""

_COMMON_WORDS = (
    "the of and to in is that it was for on are as with his they at be this from have or by one had not but what all "
    "were when we there can an your which their said if do will each about how up out them then she many some so "
    "these would other into has more her two like him see time could no make than first been its who now people my"
)
_WORDS = tuple(_COMMON_WORDS.split())


def add_work_option(parser: argparse.ArgumentParser) -> None:
    """The option that says where built models are kept."""
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="keeps the models (default: %(default)s)")


def built(work: Path, name: str) -> Path:
    """The folder of `gpt2` or `bert`, built first when it is not there."""
    folder = work / name
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "benchmarks.models", str(folder)], check=True)
    return folder


def prompt(tokens: int, seed: int) -> tuple[str, list[int]]:
    """A prompt of exactly so many tokens and its ids; another seed begins differently, so that no cache has it."""
    tokenizer = TextTokenizer.from_folder("gpt2", STARTER_FOLDER / "gpt2")
    draw = random.Random(seed)
    text = f"{draw.choice(_WORDS).upper()} {' '.join(draw.choices(_WORDS, k=tokens))}"
    ids = tokenizer.ids(text)[:tokens]
    text = tokenizer.decode(ids)
    if tokenizer.ids(text) != ids:
        return prompt(tokens, seed + 10_000)
    return text, ids


def sentence_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of sentences of 5 to 25 words, the second a shuffled first with some words changed."""
    draw, pairs = random.Random(seed), []
    for _ in range(count):
        first = draw.choices(_WORDS, k=draw.randint(5, 25))
        second = [draw.choice(_WORDS) if draw.random() < 0.2 else word for word in first]
        pairs.append((" ".join(first), " ".join(draw.sample(second, len(second)))))
    return pairs


def _build_gpt2(folder: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel  # costs seconds; only the builder needs it

    config = GPT2Config(bos_token_id=None, eos_token_id=None, pad_token_id=None, architectures=["GPT2LMHeadModel"])
    GPT2LMHeadModel(config).save_pretrained(folder)
    _copy_tokenizer("gpt2", folder)


def _build_bert(folder: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification  # as above

    labels = {0: "not_equivalent", 1: "equivalent"}
    config = BertConfig(id2label=labels, label2id={name: number for number, name in labels.items()})
    BertForSequenceClassification(config).save_pretrained(folder)
    _copy_tokenizer("mrpc", folder)


def _copy_tokenizer(starter: str, folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(STARTER_FOLDER / starter / name, folder)


def main() -> None:
    """Build the model a folder is named after."""
    folder = Path(sys.argv[1])
    import torch  # as above

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    {"gpt2": _build_gpt2, "bert": _build_bert}[folder.name](folder)
    (folder / "done").touch()


if __name__ == "__main__":
    main()
