"""The recipes at a size that takes seconds: a few steps of tiny models, one call for each."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from training import bert, distil, gpt2, tasks
from training.bert_trainer import BertSettings
from training.corpora import read_all, read_fiction
from training.distil_trainer import DistilSettings
from training.glue import Task, read_tasks
from training.gpt2_trainer import Gpt2Settings
from training.measures import load_tokenizer
from training.progress import Budget
from training.sources import Source, mrpc_sources
from training.tasks import TaskSettings

GPT2 = Gpt2Settings(
    width=16,
    layers=1,
    heads=2,
    positions=320,
    tokens_per_step=64,
    early_lengths=(16,),
    late_lengths=(16, 32),
    head_entries=64,
    sampled_entries=16,
)
BERT = BertSettings(frozen_layers=1, pairs_per_step=4, task_rows=2, head_entries=16, sampled_entries=8)
MINUTES = 60.0


def word_pieces(data: Path) -> PreTrainedTokenizerBase:
    """Return the WordPiece tokenizer of a data folder."""
    return load_tokenizer(data / "tokenizers" / "bert-base-uncased")


def train_gpt2(data: Path, out: Path, steps: int, *, resume: bool = False, initial: Path | None = None) -> Path:
    """Train GPT-2 up to a step and return its folder."""
    tokenizer = load_tokenizer(data / "tokenizers" / "gpt2")
    budget = Budget(MINUTES, steps)
    return gpt2.run(read_fiction(data), tokenizer, out, budget, GPT2, resume=resume, initial=initial)


def train_bert(data: Path, encoder: Path, out: Path, steps: int, *, resume: bool = False) -> None:
    """Train BERT and its task models up to a step."""
    budget = Budget(MINUTES, steps)
    bert.run(read_all(data), read_tasks(data), word_pieces(data), encoder, out, budget, BERT, resume=resume)


def train_task(
    data: Path,
    out: Path,
    task: Task,
    steps: int,
    *,
    resume: bool = False,
    own_layers: int = 2,
    encoder: Path | None = None,
    wordnet: Path | None = None,
) -> None:
    """Fine-tune one task's own layers up to a step, from an encoder and with what WordNet knows if both are given."""
    settings = TaskSettings(rows_per_step=8, own_layers=own_layers)
    rows = read_tasks(data)
    sources = [Source(1.0, rows[task].train)]
    if encoder is not None and wordnet is not None:
        sources = mrpc_sources(data, encoder, wordnet, rows, 0)
    budget = Budget(MINUTES, steps)
    dev, initial = rows[task].dev, [] if encoder is None else [encoder]
    tasks.run(task, sources, dev, word_pieces(data), out, budget, settings, initial=initial, resume=resume)


def distil_student(data: Path, out: Path, steps: int, *, resume: bool = False) -> None:
    """Distil the student up to a step."""
    settings = DistilSettings(pairs_per_step=3, task_rows=4)
    sentiment = read_tasks(data)[Task.SST2]
    budget = Budget(MINUTES, steps)
    distil.run(read_all(data), sentiment, word_pieces(data), out, budget, settings, resume=resume)
