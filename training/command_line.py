"""The options that every recipe has.

Builds parsers and reads nothing else. Invariant: the same option means the same in every recipe.
"""

import argparse
from pathlib import Path


def recipe_parser(module: str, description: str, *, minutes: str = "running time in all") -> argparse.ArgumentParser:
    """Return a parser with the options that all recipes share.

    Args:
        module: The recipe's module, such as training.gpt2.
        description: What it does.
        minutes: What --minutes counts.

    Returns:
        A parser that more options may be added to.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of corpora, glue and tokenizers")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and finished models")
    parser.add_argument("--minutes", type=float, required=True, help=minutes)
    parser.add_argument("--steps", type=int, default=0, help="steps at most (0: the clock alone decides)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and draws")
    parser.add_argument("--device", default="cpu", help="where to train: cpu, cuda or mps")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in OUT")
    return parser
