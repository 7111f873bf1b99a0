"""An evaluation's result as rows of text, for the command line and for the pane: aligned by terminal cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from core.lab.evaluation import (
    CalibrationBin,
    CausalEvaluation,
    ClassifierEvaluation,
    EvaluationRun,
    FillEvaluation,
    HardText,
    Mistake,
)
from core.text.visible import visible

_LABEL_CELLS = 16
_BAR_CELLS = 10
_CORNER = "right↓ said→"


def headline(run: EvaluationRun) -> str:
    """What was evaluated on what."""
    rows = f"{run.n:,} row{'s' * (run.n != 1)}"
    return visible(f"{run.model} on {Path(run.path).name}: {rows} in {run.seconds:.1f} s")


def remarks(run: EvaluationRun) -> Iterator[str]:
    """What the user should know of a run."""
    if run.columns:
        yield visible(f"columns {' | '.join(run.columns)}")
    if run.resumed:
        yield f"{run.resumed:,} answers were in the journal"
    if run.skipped:
        yield f"{run.skipped:,} row{'s' * (run.skipped != 1)} skipped"
    if run.truncated:
        yield f"{run.truncated:,} row{'s' * (run.truncated != 1)} cut to the model's positions"
    if run.note:
        yield visible(run.note)


def score_rows(answer: ClassifierEvaluation | FillEvaluation | CausalEvaluation) -> list[tuple[str, str]]:
    """Names and values of the scores."""
    match answer:
        case ClassifierEvaluation():
            of = visible(answer.positive) or "mean"
            return [
                ("accuracy", f"{answer.accuracy:.2%}"),
                (f"F1 ({of})", f"{answer.f1:.2%}"),
                ("precision", f"{answer.precision:.2%}"),
                ("recall", f"{answer.recall:.2%}"),
                ("loss", f"{answer.loss:.4f} nats"),
                ("calibration error", f"{answer.calibration_error:.2%}"),
            ]
        case FillEvaluation():
            return [
                ("accuracy@1", f"{answer.accuracy:.2%}"),
                ("accuracy@5", f"{answer.accuracy_at_5:.2%}"),
                ("loss", f"{answer.loss:.4f} nats a mask"),
                ("pseudo-perplexity", f"{answer.pseudo_perplexity:,.2f}"),
                ("masks", f"{answer.masks:,}: {answer.method}"),
            ]
        case CausalEvaluation():
            return [
                ("perplexity", f"{answer.perplexity:,.2f}"),
                ("loss", f"{answer.loss:.4f} nats a token"),
                ("bits per character", f"{answer.bits_per_character:.4f}"),
                ("bits per byte", f"{answer.bits_per_byte:.4f}"),
                ("ranked first", f"{answer.accuracy:.2%} of the tokens"),
                ("counted", f"{answer.tokens:,} tokens, {answer.characters:,} characters, {answer.bytes:,} bytes"),
                ("window", f"{answer.window:,}, stride {answer.stride:,}"),
            ]


def class_rows(answer: ClassifierEvaluation) -> list[str]:
    """A row for each label."""
    return [
        f"{cell('label', _LABEL_CELLS)} precision  recall      F1   rows",
        *(
            f"{cell(one.label, _LABEL_CELLS)} {one.precision:>9.2%} {one.recall:>7.2%} {one.f1:>7.2%} {one.support:>6,}"
            for one in answer.classes
        ),
    ]


def confusion_rows(answer: ClassifierEvaluation, cells: int = _LABEL_CELLS) -> list[str]:
    """The confusion matrix: a row for each right label, a column for each one that the model said."""
    labels = [one.label for one in answer.classes]
    width = [max(5, min(cell_len(visible(label)), cells)) for label in labels]
    names = max(len(_CORNER), *width)
    head = " ".join(right(label, size) for label, size in zip(labels, width, strict=True))
    rows = [
        f"{cell(label, names)} {' '.join(f'{n:>{size},}' for n, size in zip(row, width, strict=True))}"
        for label, row in zip(labels, answer.confusion, strict=True)
    ]
    return [f"{_CORNER:<{names}} {head}", *rows]


def bin_row(one: CalibrationBin, bar_cells: int) -> str:
    """One confidence: how many rows, and a bar as long as the share of them that is right."""
    span = f"{one.low:>4.0%}–{one.high:<4.0%}"
    if not one.n:
        return f"{span} {0:>5}"
    filled = round(one.accuracy * bar_cells)
    return f"{span} {one.n:>5,} {'█' * filled}{'░' * (bar_cells - filled)} {one.accuracy:>4.0%}"


def bin_rows(answer: ClassifierEvaluation, bar_cells: int = _BAR_CELLS) -> list[str]:
    """Calibration: the bins from the first that holds a row."""
    first = next(index for index, one in enumerate(answer.bins) if one.n)
    return ["confidence  rows right", *(bin_row(one, bar_cells) for one in answer.bins[first:])]


def mistake_head(mistake: Mistake) -> str:
    """What was right, what the model said, and how surely."""
    return visible(f"line {mistake.line}: said {mistake.predicted} {mistake.prob:.1%}, is {mistake.label}")


def hard_head(hard: HardText) -> str:
    """How surprised the model was."""
    return f"line {hard.line}: {hard.loss:.3f} nats a token over {hard.tokens:,} token{'s' * (hard.tokens != 1)}"


def worst(answer: ClassifierEvaluation | FillEvaluation | CausalEvaluation) -> list[tuple[str, tuple[str, ...]]]:
    """A headline and the texts of each of the worst rows."""
    if isinstance(answer, CausalEvaluation):
        return [(hard_head(hard), (visible(hard.text),)) for hard in answer.hardest]
    return [(mistake_head(one), tuple(map(visible, one.texts))) for one in answer.mistakes]


def cell(text: str, width: int) -> str:
    """A text made safe to show, exactly so many cells wide."""
    shown = visible(text)
    return set_cell_size(shown, width) if cell_len(shown) <= width else set_cell_size(shown, width - 1) + "…"


def right(text: str, width: int) -> str:
    """The same, at the right."""
    shown = visible(text)
    return " " * (width - cell_len(shown)) + shown if cell_len(shown) <= width else cell(text, width)
