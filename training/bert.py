"""Train the starter BERT and its task models together: `python -m training.bert --help`.

Writes OUT/bert.checkpoint.pt while it trains and the folders OUT/bert, OUT/mrpc and OUT/sst2 at the
end. Invariant: killed and started again with --resume, it ends up where it would have anyway.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from training.bert_cards import write_bert_card, write_task_card
from training.bert_model import build_family, freeze_bottom, has_heads, start_from_frequencies
from training.bert_pack import pack_family
from training.bert_trainer import BertSettings, BertTrainer
from training.cards import run_facts
from training.command_line import recipe_parser
from training.corpora import Corpus, read_all
from training.glue import Task, TaskRows, read_tasks
from training.loop import fit
from training.measures import load_tokenizer
from training.progress import Budget
from training.sentence_pairs import encode_pieces

NAME = "bert"
COMMAND = "python -m training.bert --data DIR --encoder DIR --out DIR"


def run(
    corpora: Sequence[Corpus],
    tasks: Mapping[Task, TaskRows],
    tokenizer: PreTrainedTokenizerBase,
    encoder: Path,
    out: Path,
    budget: Budget,
    settings: BertSettings,
    *,
    device: str = "cpu",
    resume: bool = False,
) -> None:
    """Train, or go on training, and pack the results.

    Args:
        corpora: Stories, books and articles.
        tasks: The sentence tasks' rows.
        tokenizer: The uncased WordPiece tokenizer.
        encoder: The BERT to start from; heads found in it are kept.
        out: Folder for the checkpoint and the finished models.
        budget: When to stop.
        settings: How to train.
        device: Where to train.
        resume: Go on from the checkpoint in `out`.
    """
    family = build_family(encoder, settings.own_layers, settings.seed)
    if settings.frozen_layers:
        freeze_bottom(family.pretraining.bert, settings.frozen_layers)
    family.module().to(device)
    pieces = [encode_pieces(corpus.train, tokenizer) for corpus in corpora]
    trainer = BertTrainer(family, pieces, tasks, tokenizer, settings)
    if not has_heads(encoder):
        start_from_frequencies(family.pretraining, trainer.vocabulary)
    checkpoint = out / f"{NAME}.checkpoint.pt"
    clock = fit(trainer, budget, checkpoint, name=NAME, resume=resume)
    folders = pack_family(family, tokenizer, out, settings.own_layers)
    facts = run_facts(COMMAND, budget, trainer.step, clock, device) | {
        "tokens seen by masked LM": f"{trainer.tokens_seen:,}",
        "optimizer": "AdamW",
        "every step": f"{settings.pairs_per_step} pairs of text, then a batch of one of the tasks",
    }
    write_bert_card(folders[NAME], corpora, tasks[Task.STSB].dev, tokenizer, facts)
    for task in family.tasks:
        write_task_card(folders[str(task)], task, tasks[task].dev, tokenizer, facts)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = recipe_parser("training.bert", __doc__)
    parser.add_argument("--encoder", type=Path, required=True, help="BERT folder to start from")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the recipe from the command line."""
    options = parse_arguments()
    run(
        read_all(options.data),
        read_tasks(options.data),
        load_tokenizer(options.data / "tokenizers" / "bert-base-uncased"),
        options.encoder,
        options.out,
        Budget(options.minutes, options.steps),
        BertSettings(seed=options.seed),
        device=options.device,
        resume=options.resume,
    )


if __name__ == "__main__":
    main()
