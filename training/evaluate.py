"""Print the table of every figure of a set of models: `python -m training.evaluate --help`.

Measures packed folders on the held-out documents and dev sets that the recipes leave alone; trains
and writes nothing. Invariant: a figure is computed in the same way whichever models are given.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.bert_measures import (
    MILK,
    course_pair_scores,
    fill_mask,
    measure_classes,
    measure_masked_lm,
    measure_pretraining,
    similarity_spearman,
)
from training.corpora import Corpus, read_all
from training.glue import Task, TaskRows, read_tasks
from training.gpt2_pack import measure_gpt2
from training.measures import load_bert, load_classifier, load_masked_lm, load_tokenizer
from training.sentence_pairs import held_out_batches

TIMED_SENTENCE = "The film is a quiet story about two friends who learn to trust each other again."
TIMED_RUNS = 31
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    model: str
    """The model's folder."""
    name: str
    """What was measured."""
    value: str
    """What came out."""
    at_least: str = ""
    """What it should reach."""
    reach_for: str = ""
    """What it would best reach."""


@dataclass(frozen=True, slots=True)
class Material:
    """What models are measured on."""

    corpora: tuple[Corpus, ...]
    """Stories, books and articles."""
    tasks: Mapping[Task, TaskRows]
    """The sentence tasks."""
    gpt2_tokenizer: PreTrainedTokenizerBase
    """GPT-2's tokenizer."""
    bert_tokenizer: PreTrainedTokenizerBase
    """BERT's tokenizer."""

    @classmethod
    def read(cls, data: Path) -> "Material":
        """Read everything under a data folder."""
        return cls(
            read_all(data),
            read_tasks(data),
            load_tokenizer(data / "tokenizers" / "gpt2"),
            load_tokenizer(data / "tokenizers" / "bert-base-uncased"),
        )


def gpt2_figures(models: Path, material: Material) -> Iterator[Figure]:
    """Measure GPT-2."""
    goals = {"stories": ("≤ 12", "≤ 6"), "books": ("≤ 90", "≤ 45")}
    measured = measure_gpt2(models / "gpt2", material.corpora[:2], material.gpt2_tokenizer)
    for (corpus, window), value in measured.items():
        name = f"perplexity, held-out {corpus}, windows of {window}"
        yield Figure("gpt2", name, f"{value:.2f}", *goals[corpus])


def bert_figures(models: Path, material: Material) -> Iterator[Figure]:
    """Measure BERT's heads and its sentence vectors."""
    folder, tokenizer = models / "bert", material.bert_tokenizer
    model = load_bert(folder)
    figures = measure_pretraining(model, held_out_batches(material.corpora, tokenizer))
    spearman = similarity_spearman(model.bert, tokenizer, material.tasks[Task.STSB].dev)
    milk = ", ".join(fill_mask(load_masked_lm(folder), tokenizer, MILK))
    yield Figure("bert", "masked LM top 1, held-out text", f"{figures.top1:.3f}")
    yield Figure("bert", "masked LM top 5, held-out text", f"{figures.top5:.3f}", "0.58", "0.66")
    yield Figure("bert", "next sentence accuracy", f"{figures.next_sentence:.3f}", "0.93", "0.97")
    yield Figure("bert", "STS-B dev Spearman, mean-pooled", f"{spearman:.3f}", "0.85", "0.88")
    yield Figure("bert", MILK, milk, "store, market or shop")


def mrpc_figures(models: Path, material: Material) -> Iterator[Figure]:
    """Measure the paraphrase classifier."""
    model = load_classifier(models / "mrpc")
    tokenizer = material.bert_tokenizer
    figures = measure_classes(model, tokenizer, material.tasks[Task.MRPC].dev)
    scores = ", ".join(f"{score:.2f}" for score in course_pair_scores(model, tokenizer))
    yield Figure("mrpc", "dev accuracy", f"{figures.accuracy:.3f}", "0.80", "0.86")
    yield Figure("mrpc", "dev F1", f"{figures.f1:.3f}", "0.86", "0.90")
    yield Figure("mrpc", "the course's three pairs", scores, "high, low, low")


def sst2_figures(models: Path, material: Material) -> Iterator[Figure]:
    """Measure the sentiment classifier."""
    model = load_classifier(models / "sst2")
    figures = measure_classes(model, material.bert_tokenizer, material.tasks[Task.SST2].dev)
    yield Figure("sst2", "dev accuracy", f"{figures.accuracy:.3f}", "0.87", "0.91")


def student_figures(models: Path, material: Material) -> Iterator[Figure]:
    """Compare the student with its teachers: quality, then speed."""
    tokenizer, dev = material.bert_tokenizer, material.tasks[Task.SST2].dev
    batches = held_out_batches(material.corpora, tokenizer)
    student, teacher = load_classifier(models / "distilbert-sst2"), load_classifier(models / "sst2")
    qualities = {
        "SST-2 dev accuracy": [measure_classes(model, tokenizer, dev).accuracy for model in (student, teacher)],
        "masked LM top 5": [
            measure_masked_lm(load_masked_lm(models / name), batches)[1] for name in ("distilbert", "bert")
        ],
    }
    for name, (own, taught) in qualities.items():
        yield Figure("distilbert", name, f"{own:.3f}")
        yield Figure("distilbert", f"{name}, share of teacher's", f"{own / taught:.3f}", "0.95", "0.98")
    for size in (1, 32):
        yield Figure(
            "distilbert", f"speed-up at batch {size}", f"{speed_up(teacher, student, tokenizer, size):.2f}", "1.8", "2"
        )


@torch.no_grad()
def speed_up(
    teacher: PreTrainedModel, student: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int
) -> float:
    """Return how many times as fast the student answers: the median of forward passes taken in turns."""
    inputs = tokenizer([TIMED_SENTENCE] * batch_size, return_tensors="pt")
    known = {k: v for k, v in inputs.items() if k in ("input_ids", "attention_mask")}
    ratios = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        teacher(**known)
        between = time.perf_counter()
        student(**known)
        ratios.append((between - started) / (time.perf_counter() - between))
    return statistics.median(ratios)


def size_figures(models: Path) -> Iterator[Figure]:
    """Weigh the folders."""
    sizes = {
        folder.name: sum(file.stat().st_size for file in folder.iterdir()) / MEGABYTE
        for folder in sorted(models.iterdir())
        if (folder / "config.json").exists()
    }
    for name, megabytes in sizes.items():
        yield Figure(name, "size", f"{megabytes:.1f} MB")
    yield Figure("all", "size", f"{sum(sizes.values()):.1f} MB", "≤ 130 MB")


MEASURES: dict[str, Callable[[Path, Material], Iterator[Figure]]] = {
    "gpt2": gpt2_figures,
    "bert": bert_figures,
    "mrpc": mrpc_figures,
    "sst2": sst2_figures,
    "distilbert": student_figures,
}


def all_figures(models: Path, material: Material, names: Sequence[str]) -> Iterator[Figure]:
    """Measure the named models that are there, then weigh all."""
    for name in names:
        if (models / name).exists():
            yield from MEASURES[name](models, material)
    yield from size_figures(models)


def main() -> None:
    """Print the table from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of corpora, glue etc.")
    parser.add_argument("--models", type=Path, required=True, help="folder of the packed models")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    options = parser.parse_args()
    print("| model | figure | value | at least | reach for |", "|---|---|---|---|---|", sep="\n")
    for f in all_figures(options.models, Material.read(options.data), options.only):
        print(f"| {f.model} | {f.name} | {f.value} | {f.at_least} | {f.reach_for} |", flush=True)


if __name__ == "__main__":
    main()
