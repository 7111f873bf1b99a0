"""Train the starter GPT-2 on stories and children's books: `python -m training.gpt2 --help`.

Writes OUT/gpt2.checkpoint.pt while it trains and the folder OUT/gpt2 at the end. Invariant: killed
and started again with --resume, it ends up where it would have anyway.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

from training.borrowed_embeddings import borrow_embeddings
from training.cards import run_facts
from training.command_line import recipe_parser
from training.corpora import Corpus, read_fiction
from training.gpt2_pack import pack_gpt2, write_gpt2_card
from training.gpt2_trainer import Gpt2Settings, Gpt2Trainer, build_model
from training.loop import fit
from training.measures import encode_documents, load_gpt2, load_tokenizer
from training.progress import Budget
from training.token_stream import TokenStream
from training.vocabulary import CompactVocabulary

NAME = "gpt2"
COMMAND = "python -m training.gpt2 --data DIR --encoder DIR --out DIR"


def load_initial_weights(model: GPT2LMHeadModel, folder: Path, vocabulary: CompactVocabulary) -> None:
    """Start from a packed model of the same shape instead of from scratch."""
    weights = load_gpt2(folder).state_dict()
    for name in ("transformer.wte.weight", "lm_head.weight"):
        weights[name] = weights[name][vocabulary.entries]
    model.load_state_dict(weights)


def run(
    corpora: Sequence[Corpus],
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    budget: Budget,
    settings: Gpt2Settings,
    *,
    initial: Path | None = None,
    encoder: Path | None = None,
    device: str = "cpu",
    resume: bool = False,
) -> Path:
    """Train, or go on training, and pack the result.

    Args:
        corpora: Stories, then books.
        tokenizer: The GPT-2 tokenizer.
        out: Folder for the checkpoint and the finished model.
        budget: When to stop.
        settings: What to train and how.
        initial: A packed model to start from, or None for random weights.
        encoder: A BERT whose word embeddings to start from, or None for random ones.
        device: Where to train.
        resume: Go on from the checkpoint in `out`.

    Returns:
        The finished folder.
    """
    encoded = [encode_documents(corpus.train, tokenizer) for corpus in corpora]
    vocabulary = CompactVocabulary.count([t for ds in encoded for t in ds], len(tokenizer))
    streams = [
        TokenStream([vocabulary.compact(document) for document in documents], settings.seed + index)
        for index, documents in enumerate(encoded)
    ]
    model = build_model(settings, len(vocabulary.entries))
    if encoder is not None and not resume:
        borrow_embeddings(model, vocabulary.entries, tokenizer, encoder)
    if initial is not None and not resume:
        load_initial_weights(model, initial, vocabulary)
    model.to(device)  # type: ignore[arg-type]
    trainer = Gpt2Trainer(model, streams, settings)
    clock = fit(trainer, budget, out / f"{NAME}.checkpoint.pt", name=NAME, resume=resume)
    folder = out / NAME
    pack_gpt2(trainer.model, vocabulary, tokenizer, folder)
    facts = run_facts(COMMAND, budget, trainer.step, clock, device) | {
        "tokens seen": f"{trainer.tokens_seen:,}",
        "optimizers": "Muon for the blocks' matrices, AdamW for the rest",
        "loss": "sampled softmax: the most frequent entries, the targets and a draw of the rest",
    }
    write_gpt2_card(folder, corpora, tokenizer, facts)
    return folder


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = recipe_parser("training.gpt2", __doc__)
    parser.add_argument("--layers", type=int, default=Gpt2Settings().layers, help="transformer blocks")
    parser.add_argument("--init", type=Path, help="packed gpt2 folder to start from")
    parser.add_argument("--rate-factor", type=float, default=1.0, help="on the peak learning rates (%(default)g)")
    parser.add_argument("--encoder", type=Path, help="BERT folder to take word embeddings from")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the recipe from the command line."""
    options = parse_arguments()
    run(
        read_fiction(options.data),
        load_tokenizer(options.data / "tokenizers" / "gpt2"),
        options.out,
        Budget(options.minutes, options.steps),
        Gpt2Settings(layers=options.layers, seed=options.seed).at_rate(options.rate_factor),
        initial=options.init,
        encoder=options.encoder,
        device=options.device,
        resume=options.resume,
    )


if __name__ == "__main__":
    main()
