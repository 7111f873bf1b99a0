"""A kept run as text to take away: its output, its tokens as a table, Markdown, and JSON lines that `replay` takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields

from core.history.run_lines import event_line
from core.messages.protocol import Retuned, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import ModelInfo, StepRecord, describe_precision
from core.messages.sampling_params import SamplingParams
from core.text.visible import to_json, visible
from tui.transcript.kept_run import KeptRun
from tui.transcript.run_numbers import choice_line, loop_line, speed_line

_COLUMNS = ("index", "id", "token", "prob", "rank", "entropy_bits", "drawn_with", "kept")


def output_text(run: KeptRun, sequence: int) -> str:
    """What a run wrote in one of its sequences, as far as it went."""
    ended = next((end.text for end in run.ends if end.sequence == sequence), None)
    return "".join(step.text for step in run.steps[sequence]) if ended is None else ended


def token_table(run: KeptRun, sequence: int) -> str:
    """The new tokens with their numbers: tab-separated, a heading over them, one token a line."""
    rows = ["\t".join(_COLUMNS)]
    for step in run.steps[sequence]:
        numbers = f"{step.prob:.6g}\t{step.rank}\t{step.entropy:.4f}\t{step.final_prob:.6g}\t{step.kept}"
        rows.append(f"{step.index + 1}\t{step.id}\t{visible(step.text)}\t{numbers}")
    return "\n".join(rows) + "\n"


def markdown(run: KeptRun, number: int) -> str:
    """A run as a Markdown document: prompt, settings, and for each sequence its output and a table of its tokens.

    Args:
        run: the run.
        number: how the heading calls it.
    """
    parts = [
        f"# nlp-tui, run {number}",
        model_line(run.info),
        "## Prompt",
        block(run.prompt),
        "## Settings",
        settings_list(run.params),
    ]
    for index, params in run.retunes:
        parts += [f"From new token {index + 1} on:", settings_list(params)]
    several = len(run.steps) > 1
    for sequence, steps in enumerate(run.steps):
        name = f" {sequence + 1}" if several else ""
        parts += [f"## Output{name}", block(output_text(run, sequence))]
        parts += [numbers for numbers in (numbers_list(run, sequence),) if numbers]
        parts += [f"## Tokens{name}", _table(steps)]
    return "\n\n".join(parts) + "\n"


def model_line(info: ModelInfo) -> str:
    """Which model wrote, where and how."""
    return f"Model: {code(info.name)} ({info.source}) on {info.device}, {describe_precision(info)}"


def json_lines(run: KeptRun) -> str:
    """A run as `nlp-tui generate --json` prints one."""
    lines = (event_line(event) for event in events(run))
    return "".join(f"{to_json(line)}\n" for line in lines if line is not None)


def events(run: KeptRun) -> Iterator[RunStarted | TokenGenerated | Retuned | SequenceDone]:
    """The events that a run was recorded from, in an order in which they may have come."""
    yield RunStarted(0, run.info, run.prompt, run.prompt_ids, run.params, run.chat)
    ends = {end.sequence: end for end in run.ends}
    for index in range(max(map(len, run.steps))):
        for start, params in run.retunes:
            if start == index:
                yield Retuned(0, start, params)
        for sequence, steps in enumerate(run.steps):
            if index < len(steps):
                yield TokenGenerated(0, steps[index])
            if index == len(steps) - 1 and sequence in ends:
                yield ends.pop(sequence)
    yield from ends.values()  # of sequences without a token


def settings_list(params: SamplingParams) -> str:
    """The settings as a list: those that differ from the defaults, and the seed."""
    defaults = SamplingParams()
    names = [one.name for one in fields(SamplingParams)]
    told = {name: getattr(params, name) for name in names if getattr(params, name) != getattr(defaults, name)}
    rest = "" if len(told) == len(names) else "\n- everything else: the defaults of nlp-tui"
    return "\n".join(f"- {name}: {code(repr(value))}" for name, value in {**told, "seed": params.seed}.items()) + rest


def numbers_list(run: KeptRun, sequence: int) -> str:
    """The numbers of a sequence as a list; empty where nothing came."""
    steps = run.steps[sequence]
    ends = [end for end in run.ends if end.sequence == sequence]
    lines = [f"Ended by {end.finish_reason}" for end in ends] + [speed_line(end.stats) for end in ends]
    if steps:
        params = run.params_at(len(steps) - 1)
        lines += [choice_line(steps, params), loop_line([step.id for step in steps], params)]
    return "\n".join(f"- {line}" for line in lines if line)


def _table(steps: list[StepRecord]) -> str:
    rows = ["| # | token | id | prob | rank | entropy, bits |", "|--:|---|--:|--:|--:|--:|"]
    for step in steps:
        token = code(step.text.replace(" ", "·").replace("\n", "↵") or "∅").replace("|", "\\|")
        rows.append(f"| {step.index + 1} | {token} | {step.id} | {step.prob:.4g} | {step.rank} | {step.entropy:.2f} |")
    return "\n".join(rows)


def code(text: str) -> str:
    """A text as a code span, whatever it holds."""
    shown = visible(text)
    fence = "`" * (_longest_backticks(shown) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def block(text: str) -> str:
    """A text as a fenced block, whatever it holds."""
    shown = visible(text, layout=True)
    fence = "`" * max(3, _longest_backticks(shown) + 1)
    return f"{fence}text\n{shown}\n{fence}"


def _longest_backticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
