"""`distil`: a student learns from its teacher on the command line."""

from __future__ import annotations

import argparse

from core.lab.distillation import Distil, Distilled, DistilMeasured, DistilPaused, DistilStarted, DistilStep
from core.lab.records import Answer
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.commands import running
from tui.commands.options import add_text, count, number, read_text, share
from tui.commands.parser import Parser
from tui.lab import training_command

_TYPES = {
    DistilStarted: "started",
    DistilStep: "step",
    DistilMeasured: "measured",
    DistilPaused: "paused",
    Distilled: "done",
}


def add_arguments(parser: Parser) -> None:
    """Add the text, the teacher, and the settings of the training."""
    add_text(parser, "text to learn on")
    parser.add_argument("--teacher", default=DEFAULT_MASKED_LM, metavar="NAME", help=f"a BERT ({DEFAULT_MASKED_LM})")
    parser.add_argument("--steps", type=count, default=60, metavar="N", help="of 8 pieces of 64 tokens (60)")
    parser.add_argument("--learning-rate", type=share, default=2e-4, metavar="X", help="(2e-4)")
    parser.add_argument("--temperature", type=number, default=2.0, metavar="X", help="of the soft labels (2)")
    parser.add_argument("--seed", type=count, default=0, metavar="N", help="another draw (0)")
    parser.add_argument("--out", default="", metavar="FOLDER", help="save the student here")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was stopped last")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in FOLDER")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    parser.add_argument("--offline", action="store_true", help="open no connection; nothing does, so far")
    parser.set_defaults(dtype="float32")  # nothing else is learnt in


def run(options: argparse.Namespace) -> int:
    """Print the training as it goes."""
    has_text = options.text is not None or options.file is not None
    question = Distil(
        teacher=options.teacher,
        text=read_text(options, "text") if has_text else "",
        steps=options.steps,
        learning_rate=options.learning_rate,
        temperature=options.temperature,
        seed=options.seed,
        save_to=options.out,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    options.model, options.starter = options.teacher, DEFAULT_MASKED_LM
    return training_command.ask_training(question, options, _TYPES, _say)


def _say(answer: Answer) -> None:
    match answer:
        case DistilStarted():
            _say_start(answer)
        case DistilStep():
            training_command.show_step(_step_line(answer))
        case DistilMeasured():
            running.say(f"step {answer.step}: held-out KL {answer.kl:.3f} nats, agreement {answer.agreement:.1%}")
        case DistilPaused():
            training_command.say_stopped(answer.step, answer.steps, is_kept=bool(answer.checkpoint))
        case Distilled():
            _print_end(answer)


def _say_start(started: DistilStarted) -> None:
    layers = ", ".join(str(layer + 1) for layer in started.kept_layers)
    running.say(
        f"{started.teacher} on {started.device}: the student has its layers {layers} of {started.teacher_layers}"
    )
    running.say(
        f"{started.tokens:,} tokens: {started.blocks:,} pieces of {started.block_tokens} to learn from, "
        f"{started.held_out} held out"
    )
    training_command.say_going_on(started.step)


def _step_line(step: DistilStep) -> str:
    left = (step.steps - step.step) * step.seconds
    parts = f"soft {step.soft:.3f}, hard {step.hard:.3f}, cosine {step.cosine:.3f}"
    return f"step {step.step}/{step.steps}, loss {step.loss:.3f} ({parts}), about {left:.0f} s left"


def _print_end(done: Distilled) -> None:
    print(f"{'':<22} {'before':>8} {'after':>8}")
    print(f"{'held-out KL, nats':<22} {done.kl_before:>8.3f} {done.kl:>8.3f}")
    print(f"{'same first choice':<22} {done.agreement_before:>8.1%} {done.agreement:>8.1%}")
    share_kept = done.student_parameters / done.teacher_parameters
    print(f"{done.student_parameters:,} of {done.teacher_parameters:,} parameters ({share_kept:.0%})")
    print(f"{done.step:,} steps in {done.seconds:.0f} s")
    if done.folder:
        print(visible(f"saved in {done.folder}; try nlp-tui fill TEXT --model FOLDER"))
