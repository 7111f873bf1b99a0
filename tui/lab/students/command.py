"""`compare` and `distil`: teacher and student on the command line."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import check_encodable, visible
from tui.commands.options import Commands, Parser, add_command, add_text, count, read_text, share

if TYPE_CHECKING:
    from core.lab.catalogue import Answer
    from core.lab.distillation import Distilled, DistilStarted, DistilStep
    from core.lab.students import StudentsCompared, StudentSize


def add_commands(commands: Commands) -> None:
    """Add `compare` and `distil`."""
    compare = add_command(commands, "compare", "teacher and student on the same input", _run_compare)
    compare.add_argument("teacher", metavar="TEACHER", help="a masked language model or a classifier")
    compare.add_argument("student", metavar="STUDENT", help="another of the same task; half: every other layer of it")
    add_text(compare, "text")
    compare.add_argument("--second", default="", metavar="TEXT", help="the second text of a pair")
    compare.add_argument("--temperature", type=_positive, default=1.0, metavar="X", help="divides both's logits (1)")
    compare.add_argument("--top", type=count, default=5, metavar="N", help="entries of each distribution (5)")
    compare.add_argument("--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16"))
    _add_place(compare)

    distil = add_command(commands, "distil", "let half of a BERT learn from the whole", _run_distil)
    add_text(distil, "text to learn on")
    distil.add_argument("--teacher", default=DEFAULT_MASKED_LM, metavar="NAME", help=f"a BERT ({DEFAULT_MASKED_LM})")
    distil.add_argument("--steps", type=count, default=60, metavar="N", help="of 8 pieces of 64 tokens (60)")
    distil.add_argument("--learning-rate", type=share, default=2e-4, metavar="X", help="(2e-4)")
    distil.add_argument("--temperature", type=_positive, default=2.0, metavar="X", help="of the soft labels (2)")
    distil.add_argument("--seed", type=count, default=0, metavar="N", help="another draw (0)")
    distil.add_argument("--out", default="", metavar="FOLDER", help="save the student here")
    distil.add_argument("--resume", action="store_true", help="go on with the run that was stopped last")
    distil.add_argument("--overwrite", action="store_true", help="replace what is in FOLDER")
    _add_place(distil)
    distil.set_defaults(dtype="float32")  # nothing else is learnt in


def _add_place(command: Parser) -> None:
    command.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    command.add_argument("--offline", action="store_true", help="open no connection; nothing does, so far")


def _positive(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def _run_compare(options: argparse.Namespace) -> int:
    from core.lab.students import HALF, CompareStudents, StudentsCompared  # records that other commands do without
    from tui.commands import running  # asyncio and the engine client are not needed by --version and --help

    question = CompareStudents(
        options.teacher,
        options.student,
        read_text(options, "text"),
        check_encodable(options.second, "the second text"),
        options.temperature,
        options.top,
    )
    for model in {options.teacher, options.student} - {HALF}:
        options.model = model
        running.Target.of(options)  # both are looked for before any process is started
    options.model = options.teacher
    target = running.Target.of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, StudentsCompared)
        running.print_json(asdict(answer)) if target.json else _print_comparison(answer)

    return running.ask(question, target, take)


def _print_comparison(answer: StudentsCompared) -> None:
    several = len({entry.mask for entry in answer.entries}) > 1
    print(f"{'':<18} {'teacher':>8} {'rank':>6}   {'student':>8} {'rank':>6}")
    for entry in answer.entries:
        label = f"{entry.mask + 1}: {entry.label}" if several else entry.label
        teacher = f"{entry.teacher_prob:>8.2%} {entry.teacher_rank:>6}"
        print(visible(f"{label:<18} {teacher}   {entry.student_prob:>8.2%} {entry.student_rank:>6}"))
    print(f"KL(teacher ‖ student) {answer.kl:.4f} nats at temperature {answer.temperature:g}")
    print(f"same first choice {answer.agreement:.0%}")
    for role, size in (("teacher", answer.teacher), ("student", answer.student)):
        print(visible(f"{role}  {_size_row(size)}"))
    encoder, whole = (
        a / b
        for a, b in (
            (answer.teacher.encoder_s, answer.student.encoder_s),
            (answer.teacher.forward_s, answer.student.forward_s),
        )
    )
    print(f"the student's layers are {encoder:.2f}× as fast, with the head {whole:.2f}×")
    from tui.commands import running  # see _run_compare

    running.say(f"{answer.task}; latency: median of {answer.forwards} forwards here, one input, {answer.tokens} tokens")
    if not answer.by_name:
        running.say("note: the labels' names differ, so they are paired by number")


def _size_row(size: StudentSize) -> str:
    disk = f"{size.disk_bytes / 1e6:.1f} MB on disk" if size.disk_bytes else "in memory only"
    times = f"layers {1000 * size.encoder_s:.1f} ms, with the head {1000 * size.forward_s:.1f} ms"
    return f"{size.name}: {size.layers} layers, {size.parameters / 1e6:.1f} M parameters, {disk}, {times}"


def _run_distil(options: argparse.Namespace) -> int:
    from core.lab.distillation import Distil  # see _run_compare
    from tui.commands import running  # see _run_compare

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
    target = running.Target.of(options)
    return running.ask(question, target, _print_json if target.json else _say)


def _print_json(answer: Answer) -> None:
    from core.lab import distillation as lab  # see _run_compare
    from tui.commands import running  # see _run_compare

    types = {
        lab.DistilStarted: "started",
        lab.DistilStep: "step",
        lab.DistilMeasured: "measured",
        lab.DistilPaused: "paused",
        lab.Distilled: "done",
    }
    running.print_typed(answer, types)


def _say(answer: Answer) -> None:
    from core.lab.distillation import Distilled, DistilMeasured, DistilPaused, DistilStarted, DistilStep
    from tui.commands import running  # see _run_compare

    live = sys.stderr.isatty()
    if live:
        sys.stderr.write("\r\x1b[K")
    match answer:
        case DistilStarted():
            _say_start(answer)
        case DistilStep() if live:
            sys.stderr.write(_step_line(answer))
            sys.stderr.flush()
        case DistilMeasured():
            running.say(f"step {answer.step}: held-out KL {answer.kl:.3f} nats, agreement {answer.agreement:.1%}")
        case DistilPaused():
            kept = "the same command with --resume goes on from there" if answer.checkpoint else "nothing was kept"
            running.say(f"stopped at step {answer.step} of {answer.steps}; {kept}")
        case Distilled():
            _print_end(answer)


def _say_start(started: DistilStarted) -> None:
    from tui.commands import running  # see _run_compare

    layers = ", ".join(str(layer + 1) for layer in started.kept_layers)
    running.say(
        f"{started.teacher} on {started.device}: the student has its layers {layers} of {started.teacher_layers}"
    )
    running.say(
        f"{started.tokens:,} tokens: {started.blocks:,} pieces of {started.block_tokens} to learn from, "
        f"{started.held_out} held out"
    )
    if started.step:
        running.say(f"going on after step {started.step}")


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
