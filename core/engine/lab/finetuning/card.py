"""The model card of a fine-tuned model: what it is, what it learnt from, how well it does, how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from core.lab.finetuning import Finetune, Finetuned, FinetuneMeasured, FinetuneStarted, FinetuneTask, LabelCount

_NOT_SHOWN = ("path", "task", "out", "resume", "overwrite")


def command(question: Finetune) -> str:
    """The command that trains this model, with bare names of file and folder."""
    words = ["nlp-tui", "finetune", Path(question.path).name, "--task", question.task.value]
    words += ["--out", Path(question.out).name or question.out]
    for field in fields(Finetune):
        value = getattr(question, field.name)
        if field.name not in _NOT_SHOWN and value != field.default:
            shown = Path(value).name if field.name == "model" and Path(value).is_absolute() else str(value)
            words += [f"--{field.name.replace('_', '-')}", shown]
    return shlex.join(words)


def classifier_card(
    question: Finetune, started: FinetuneStarted, done: Finetuned, measured: Sequence[FinetuneMeasured], dtype: str
) -> str:
    """The README.md of a finished model.

    Args:
        question: what was asked for.
        started: what was found in the file.
        done: how it went.
        measured: every measurement, by step.
        dtype: as asked for on the command line.
    """
    use = "sentiment TEXT" if question.task is FinetuneTask.SENTIMENT else "similar A B"
    labels = ", ".join(map(_counted, started.labels))
    ended = "ended early" if done.stopped_early else "ran to its end"
    where = f"{started.device} in {'bfloat16 autocast' if started.precision == 'bfloat16' else 'float32'}"
    rows = "\n".join(
        f"| {one.step:,} | {one.loss:.4f} | {one.accuracy:.4f} | {one.f1:.4f} | {'kept' if kept else ''} |"
        for one in measured
        for kept in [one.step == done.best_step and one.step > 0]
    )
    again = command(question) + ("" if dtype in ("auto", started.precision) else f" --dtype {dtype}")
    kind = "one text a row" if question.task is FinetuneTask.SENTIMENT else "pairs of texts"
    return f"""\
---
pipeline_tag: text-classification
---
# {Path(done.folder).expanduser().resolve().name}

A classifier of {kind}, fine-tuned with nlp-tui from {_shown_model(question.model)}: a linear head on the encoder's
[CLS], and every weight of the encoder trained with it.

- Data: {Path(question.path).name}, {done.rows:,} rows, {done.held_out:,} of them held out; {started.truncated:,} were
  cut to their first tokens, {started.skipped_rows:,} more were unusable.
- Labels: {labels}.
- Training: {done.steps:,} of {started.steps:,} steps of {question.batch_size} rows, {done.seconds:.0f} s
  on {where}; it {ended}.
- Held-out rows: accuracy {done.held_out_accuracy:.4f}, F1 {done.held_out_f1:.4f}, loss {done.held_out_loss:.4f};
  always the commonest label: {done.majority_accuracy:.4f}. The state that did best on these very rows was kept, so
  measure on other rows with `nlp-tui eval {question.task.value} FILE --model FOLDER`.

| step | held-out loss | accuracy | F1 | |
|---:|---:|---:|---:|---|
{rows}

Made with

```console
{again}
```

and used with `nlp-tui {use} --model FOLDER`, or with transformers' `pipeline("text-classification", model=FOLDER)`.
"""


def _counted(label: LabelCount) -> str:
    written = "" if label.label == label.written else f", written {label.written}"
    return f"`{label.label}` ({label.rows:,} rows{written})"


def _shown_model(name: str) -> str:
    return Path(name).name if Path(name).is_absolute() else name
