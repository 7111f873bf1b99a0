"""A run as a script: run by Python, it writes what the app wrote and prints the candidates that were recorded."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.engine import Engine
from core.history.as_python import as_python
from core.messages.protocol import Event, Generate, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import ModelInfo, StepRecord, Target
from core.messages.sampling_params import SamplingParams, ScheduledParams

PROMPT = 'Once upon a "time", 한국'
INFO = ModelInfo("gpt2", "cache", "/models/gpt2", "GPT2LMHeadModel", 10, 64, 50257, "cpu", "float32", 0.1)
GREEDY = SamplingParams(max_new_tokens=12, do_sample=False)


@dataclass(slots=True)
class Run:
    """What a run gave."""

    started: RunStarted
    steps: list[StepRecord]
    ends: list[SequenceDone]


def engine_run(
    model: str,
    params: SamplingParams,
    prompt_ids: tuple[int, ...] = (),
    schedule: tuple[ScheduledParams, ...] = (),
) -> Run:
    """Run the engine in this process."""
    events: list[Event] = []
    request = Generate(Target(model), PROMPT, params, prompt_ids=prompt_ids, schedule=schedule)
    Engine(events.append).handle(request, lambda: False, lambda: None)
    started = next(event for event in events if isinstance(event, RunStarted))
    steps = [event.step for event in events if isinstance(event, TokenGenerated)]
    return Run(started, steps, [event for event in events if isinstance(event, SequenceDone)])


def python_run(script: str, folder: Path) -> list[str]:
    """Run a script as a process of its own; its lines, errors shown."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-X", "utf8", "script.py"],
        cwd=folder,
        env={**os.environ, "TRANSFORMERS_VERBOSITY": "error"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split("\n")[:-1]


def run_here(script: str) -> list[str]:
    """Run a script in this process, which has transformers already; its lines."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "script.py", "exec"), {})
    return printed.getvalue().split("\n")[:-1]


def as_decoded(text: str) -> str:
    """A text in which bytes that are no whole character stand as transformers writes them."""
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())
    return raw.decode("utf-8", "replace")


def combined(runs: list[tuple[Run, tuple[int, ...]]]) -> str:
    """The scripts of several runs as one, so that transformers is imported once; a line of dashes between them."""
    scripts = [
        as_python(run.started.info, run.started.prompt, run.started.params, prompt_ids) for run, prompt_ids in runs
    ]
    return 'print("-----")\n'.join(scripts)


def parts(lines: list[str]) -> list[tuple[list[str], list[list[str]]]]:
    """Of each script: the lines of its texts, and the columns of its table."""
    blocks = "\n".join(lines).split("\n-----\n")
    return [(block.split("\n")[:-10], [row.split(maxsplit=3) for row in block.split("\n")[-10:]]) for block in blocks]


@pytest.mark.slow
def test_the_script_writes_the_greedy_text_and_prints_the_recorded_candidates(
    gpt2_folder: Path, tmp_path: Path
) -> None:
    model = str(gpt2_folder)
    settings = [
        GREEDY,
        GREEDY.changed(temperature=0, do_sample=True, num_return_sequences=2),
        GREEDY.changed(repetition_penalty=1.7, no_repeat_ngram_size=2),
        GREEDY.changed(num_beams=3, num_return_sequences=2),
        GREEDY.changed(max_length=20),
        GREEDY.changed(max_new_tokens=500),
    ]
    runs: list[tuple[Run, tuple[int, ...]]] = [(engine_run(model, params), ()) for params in settings]
    ids = (7454, 2402, 257, 640, 11)
    runs.append((engine_run(model, GREEDY, ids), ids))
    stop = runs[0][0].steps[4].text
    runs.append((engine_run(model, GREEDY.changed(stop_strings=(stop,))), ()))
    printed = parts(python_run(combined(runs), tmp_path))
    for (run, prompt_ids), (lines, table) in zip(runs, printed, strict=True):
        before = "Once upon a time," if prompt_ids else PROMPT
        texts = [before + end.text for end in run.ends]
        if run.started.params.num_beams == 1:
            texts = texts[:1]
        assert "\n".join(lines) == as_decoded("\n".join(texts))
        candidates = run.steps[0].candidates
        if run.started.params.num_beams == 1:
            assert [int(row[1]) for row in table] == [candidate.id for candidate in candidates]
            for row, candidate in zip(table, candidates, strict=True):
                assert float(row[2]) == pytest.approx(candidate.prob, abs=1e-5)


@pytest.mark.slow
def test_settings_changed_on_the_way_change_at_the_same_tokens(gpt2_folder: Path) -> None:
    model = str(gpt2_folder)
    plain = engine_run(model, GREEDY)
    stop = plain.steps[2].text  # of the last token under the settings that look for it
    schedules = [
        (ScheduledParams(3, GREEDY.changed(repetition_penalty=1.9)), ScheduledParams(7, GREEDY)),
        (ScheduledParams(2, GREEDY.changed(no_repeat_ngram_size=1, max_new_tokens=5)),),
        (ScheduledParams(4, GREEDY.changed(max_new_tokens=2)),),
        (ScheduledParams(4, GREEDY.changed(max_length=19)),),
        (ScheduledParams(1, GREEDY.changed(stop_strings=(stop,))), ScheduledParams(3, GREEDY)),
    ]
    runs = [engine_run(model, GREEDY, schedule=schedule) for schedule in schedules]
    assert len({run.ends[0].text for run in [plain, *runs]}) == 6
    scripts = [
        as_python(run.started.info, PROMPT, GREEDY, (), [(one.index, one.params) for one in schedule])
        for run, schedule in zip(runs, schedules, strict=True)
    ]
    assert scripts[0].startswith("# Settings were changed at new token 4: repetition_penalty 1 → 1.9.\n# Settings")
    params = SamplingParams(max_new_tokens=6, num_return_sequences=2, seed=2)
    drawn = as_python(runs[0].started.info, PROMPT, params, (), [(2, params.changed(temperature=1.9, top_k=0))])
    printed = parts(run_here('print("-----")\n'.join([*scripts, drawn])))
    for run, (lines, _) in zip(runs, printed[:-1], strict=True):
        assert "\n".join(lines) == as_decoded(PROMPT + run.ends[0].text)
    assert "\n".join(printed[-1][0]).count(PROMPT) == 2


@pytest.mark.slow
def test_a_drawn_run_s_script_runs_with_every_setting_on(gpt2_folder: Path, tmp_path: Path) -> None:
    params = SamplingParams(
        max_new_tokens=5, temperature=1.3, top_k=40, top_p=0.9, min_p=0.01, typical_p=0.8, repetition_penalty=1.1,
        no_repeat_ngram_size=3, num_return_sequences=2, seed=11, stop_strings=("'\"\n", "\\"),
    )  # fmt: skip
    run = engine_run(str(gpt2_folder), params)
    script = as_python(run.started.info, run.started.prompt, params)
    assert "torch.multinomial" in script
    [(lines, table)] = parts(python_run(script, tmp_path))
    assert "\n".join(lines).count(PROMPT) == 2
    assert float(table[0][2]) == pytest.approx(run.steps[0].candidates[0].prob, abs=1e-5)


def test_only_the_settings_that_are_on_stand_in_the_call() -> None:
    script = as_python(INFO, "a", SamplingParams(temperature=1, top_k=0, top_p=1, seed=4))
    assert "set_seed(4)" in script
    assert "top_k=0" in script
    for name in ("temperature", "top_p", "min_p", "typical_p", "num_beams", "num_return", "repetition", "stop_str"):
        assert f"{name}" not in script.split("generate(")[1].split(")\n")[0]
    greedy = as_python(INFO, "a", GREEDY)
    assert "do_sample=False" in greedy
    for name in ("set_seed", "top_k", "multinomial"):
        assert name not in greedy


def test_starters_and_folders_are_given_by_their_path_and_hub_models_by_name() -> None:
    assert "name = 'gpt2'\n" in as_python(INFO, "a", GREEDY)
    for source in ("starter", "folder"):
        assert "name = '/models/gpt2'\n" in as_python(replace(INFO, source=source), "a", GREEDY)


def test_another_precision_or_device_is_in_the_script() -> None:
    script = as_python(replace(INFO, dtype="bfloat16", device="cuda"), "a", GREEDY)
    assert "dtype=torch.bfloat16).to('cuda')" in script
    assert "input_ids.to('cuda')" in script
    assert "dtype=torch.float32" in as_python(replace(INFO, dtype="int8"), "a", GREEDY)


@given(st.text(), st.lists(st.text(min_size=1), max_size=2), st.text(), st.booleans())
def test_no_text_of_the_user_s_can_break_out_of_its_quotes(
    prompt: str, stops: list[str], name: str, with_ids: bool
) -> None:
    params = SamplingParams(stop_strings=tuple(stops))
    retunes = [(1, params.changed(seed=5))] * with_ids
    script = as_python(replace(INFO, name=name), prompt, params, (1, 2) if with_ids else (), retunes)
    tree = ast.parse(script)
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {name, *stops} <= constants
    assert with_ids or prompt in constants
    plain_params = SamplingParams(stop_strings=tuple("s" for _ in stops))
    plain_retunes = [(1, plain_params.changed(seed=5))] * with_ids
    plain = as_python(replace(INFO, name="n"), "p", plain_params, (1, 2) if with_ids else (), plain_retunes)
    assert [type(node) for node in ast.walk(tree)] == [type(node) for node in ast.walk(ast.parse(plain))]
