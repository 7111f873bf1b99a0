"""Distil a DistilBERT from the starter BERT: `python -m training.distil --help`.

Reads OUT/bert and OUT/sst2, writes OUT/distilbert.checkpoint.pt while it trains and the folders
OUT/distilbert and OUT/distilbert-sst2 at the end. Invariant: killed and started again with --resume,
it ends up where it would have anyway.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from training.bert_measures import MILK, fill_mask, measure_classes, measure_masked_lm
from training.cards import ModelCard, run_facts, table
from training.command_line import recipe_parser
from training.corpora import Corpus, read_all
from training.distil_model import MASKED_LM, SENTIMENT, build_student, pack_student
from training.distil_trainer import DistilSettings, DistilTrainer, Teachers
from training.glue import Task, TaskRows, read_tasks
from training.loop import fit
from training.measures import load_bert, load_classifier, load_masked_lm, load_tokenizer
from training.progress import Budget
from training.sentence_pairs import encode_pieces, held_out_batches

COMMAND = "python -m training.distil --data DIR --out DIR"

SUMMARIES = {
    MASKED_LM: """\
A DistilBERT of 3 layers and 384 dimensions, distilled from the 6 layers of the starter BERT as in
Sanh et al. 2019, so that what distillation keeps and saves can be measured. It fills masks; its word
embeddings are the teacher's own, so it needs the folder `bert` beside it. The teacher's encoder
started from all-MiniLM-L6-v2 (Apache-2.0).""",
    SENTIMENT: """\
The starter DistilBERT with a classifier that says whether a sentence speaks well of something
(`NEGATIVE`, `POSITIVE`), distilled from the starter sst2. One encoder fills masks and judges
sentences: it lies in the folder `distilbert`, its word embeddings in `bert`, both beside this one.""",
}

DATA = """\
The text that the starter BERT was trained on (TinyStories, CDLA-Sharing-1.0; public-domain
children's books; English Wikipedia, CC BY-SA 3.0), the same documents held out, and the SST-2 train
set (Socher et al. 2013). Held-out text and dev set were never trained on and picked no
checkpoint."""


def run(
    corpora: Sequence[Corpus],
    sentiment: TaskRows,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    budget: Budget,
    settings: DistilSettings,
    *,
    device: str = "cpu",
    resume: bool = False,
) -> None:
    """Distil, or go on distilling, and pack the result.

    Args:
        corpora: Stories, books and articles.
        sentiment: The SST-2 rows.
        tokenizer: The uncased WordPiece tokenizer.
        out: Folder of the teachers, for the checkpoint and the finished model.
        budget: When to stop.
        settings: How to train.
        device: Where to train.
        resume: Go on from the checkpoint in `out`.
    """
    teachers = Teachers(load_bert(out / "bert"), load_classifier(out / "sst2"))
    student = build_student(teachers.masked_lm, settings.seed)
    torch.nn.ModuleList([teachers.masked_lm, teachers.sentiment, student.module()]).to(device)
    documents = [d for c in corpora for d in encode_pieces(c.train, tokenizer)]
    trainer = DistilTrainer(student, teachers, documents, sentiment.train, tokenizer, settings)
    clock = fit(trainer, budget, out / f"{MASKED_LM}.checkpoint.pt", name=MASKED_LM, resume=resume)
    pack_student(student, tokenizer, out)
    facts = run_facts(COMMAND, budget, trainer.step, clock, device) | {
        "temperature": f"{settings.temperature:g}",
        "weights of soft labels, masked LM, cosine": (
            f"{settings.soft_weight:g}, {settings.masked_lm_weight:g}, {settings.cosine_weight:g}"
        ),
    }
    write_cards(out, corpora, sentiment, tokenizer, facts)


def write_cards(
    out: Path,
    corpora: Sequence[Corpus],
    sentiment: TaskRows,
    tokenizer: PreTrainedTokenizerBase,
    training_facts: Mapping[str, str],
) -> None:
    """Measure the packed student with either head and describe it."""
    masked_lm = load_masked_lm(out / MASKED_LM)
    top1, top5 = measure_masked_lm(masked_lm, held_out_batches(corpora, tokenizer))
    classes = measure_classes(load_classifier(out / SENTIMENT), tokenizer, sentiment.dev)
    figures = {
        MASKED_LM: {
            "masked LM, held-out text, top 1": f"{top1:.3f}",
            "masked LM, held-out text, top 5": f"{top5:.3f}",
            f'"{MILK}"': ", ".join(fill_mask(masked_lm, tokenizer, MILK)),
        },
        SENTIMENT: {"dev accuracy": f"{classes.accuracy:.3f}", "dev F1": f"{classes.f1:.3f}"},
    }
    for name, rows in figures.items():
        ModelCard(
            title=f"Starter {name}",
            licence="apache-2.0",
            summary=SUMMARIES[name],
            sections={
                "Data": DATA,
                "Training": table("fact", "value", training_facts),
                "Figures": table("figure", "value", rows),
            },
        ).write(out / name)


def main() -> None:
    """Run the recipe from the command line."""
    options = recipe_parser("training.distil", __doc__).parse_args()
    run(
        read_all(options.data),
        read_tasks(options.data)[Task.SST2],
        load_tokenizer(options.data / "tokenizers" / "bert-base-uncased"),
        options.out,
        Budget(options.minutes, options.steps),
        DistilSettings(seed=options.seed),
        device=options.device,
        resume=options.resume,
    )


if __name__ == "__main__":
    main()
