"""The model card of a distilled student: what it is, how far it came, how to make it again."""

from __future__ import annotations

import shlex
from pathlib import Path

from core.lab.distillation import Distil, Distilled


def student_card(question: Distil, done: Distilled) -> str:
    """The README.md of a finished student.

    Args:
        question: what was asked for.
        done: how it went.
    """
    teacher = Path(done.teacher).name if Path(done.teacher).is_absolute() else done.teacher
    text = "text of the user's" if question.text.strip() else "the stories that come with nlp-tui"
    command = [
        *("nlp-tui", "distil", "--teacher", teacher, "--steps", str(done.step)),
        *("--learning-rate", f"{question.learning_rate:g}", "--temperature", f"{question.temperature:g}"),
        *("--seed", str(question.seed), "--out", Path(done.folder).name),
    ]
    source = " --file TEXT" if question.text.strip() else ""
    return f"""\
---
pipeline_tag: fill-mask
---
# {Path(done.folder).name}

A DistilBERT of {done.student_parameters:,} parameters, made of every other layer of {teacher}
({done.teacher_parameters:,} parameters) and distilled from it with nlp-tui as in Sanh et al. 2019. Its weights follow
the licence of its teacher.

- Training: {done.step:,} steps of 8 pieces of {text}, {done.seconds:.0f} s; soft labels at temperature
  {question.temperature:g}, masked LM and cosine of the last hidden states, weighted 5 : 2 : 1.
- Held-out pieces of the same text, hidden tokens: KL from the teacher {done.kl_before:.4f} nats before, {done.kl:.4f}
  after; the same first word as the teacher {done.agreement_before:.1%} before, {done.agreement:.1%} after.

Made with

```console
{shlex.join(command)}{source}
```

and used with `nlp-tui fill TEXT --model FOLDER`, or with transformers' `pipeline("fill-mask", model=FOLDER)`.
"""
