"""`compare`: teacher and student on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.lab.records import Answer
from core.lab.students import HALF, CompareStudents, StudentsCompared, StudentSize
from core.precision import DTYPES
from core.text.visible import check_encodable, visible
from tui.commands import running
from tui.commands.options import add_text, count, number, read_text
from tui.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the models, the input, and how they are compared."""
    parser.add_argument("teacher", metavar="TEACHER", help="a masked language model or a classifier")
    parser.add_argument("student", metavar="STUDENT", help="another of the same task; half: every other layer of it")
    add_text(parser, "text")
    parser.add_argument("--second", default="", metavar="TEXT", help="the second text of a pair")
    parser.add_argument("--temperature", type=number, default=1.0, metavar="X", help="divides both's logits (1)")
    parser.add_argument("--top", type=count, default=5, metavar="N", help="entries of each distribution (5)")
    parser.add_argument("--dtype", default="auto", choices=("auto", *map(str, DTYPES)))
    parser.add_argument("--device", default="auto", help="auto, cuda, mps, xpu or cpu")
    parser.add_argument("--offline", action="store_true", help="open no connection; nothing does, so far")


def run(options: argparse.Namespace) -> int:
    """Print what both make of the input, and how big and quick they are."""
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
        running.target_of(options)  # both are looked for before any process is started
    options.model = options.teacher
    target = running.target_of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, StudentsCompared)
        running.print_json(asdict(answer)) if options.json else _print_comparison(answer)

    return running.ask(question, target, take, as_json=options.json)


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
    running.say(f"{answer.task}; latency: median of {answer.forwards} forwards here, one input, {answer.tokens} tokens")
    if not answer.by_name:
        running.say("note: the labels' names differ, so they are paired by number")


def _size_row(size: StudentSize) -> str:
    disk = f"{size.disk_bytes / 1e6:.1f} MB on disk" if size.disk_bytes else "in memory only"
    times = f"layers {1000 * size.encoder_s:.1f} ms, with the head {1000 * size.forward_s:.1f} ms"
    return f"{size.name}: {size.layers} layers, {size.parameters / 1e6:.1f} M parameters, {disk}, {times}"
