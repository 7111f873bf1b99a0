"""`replay`: recorded runs come out the same, and a record that was changed does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.engine import Engine
from core.history.run_lines import event_line, read_runs
from core.messages.protocol import Event, Generate, TokenGenerated
from core.messages.records import Target
from core.messages.sampling_params import SamplingParams, ScheduledParams
from core.text.visible import to_json
from tests.builders import Builder
from tests.cli.inside import use
from tests.cli.process import run

PROMPT = "Once upon a time"


def record(requests: list[Generate], file: Path) -> list[dict[str, Any]]:
    """Run requests in this process and write the log that the app would write."""
    lines: list[dict[str, Any]] = []

    def emit(event: Event) -> None:
        line = event_line(event)
        if line is not None:
            lines.append(line)

    engine = Engine(emit)
    for request in requests:
        engine.handle(request, lambda: False, lambda: None)
    write(lines, file)
    return lines


def write(lines: list[dict[str, Any]], file: Path) -> None:
    """Write a log."""
    file.write_text("".join(to_json(line) + "\n" for line in lines), encoding="utf-8")


def twenty(model: str) -> list[Generate]:
    """Plain runs, batches, a beam search, branches and runs with settings changed on the way."""
    short = SamplingParams(max_new_tokens=8, seed=1)
    plain = [
        short,
        short.changed(seed=2),
        short.changed(temperature=1.7, top_k=0),
        short.changed(typical_p=0.4),
        short.changed(min_p=0.1, top_p=1),
        short.changed(do_sample=False),
        short.changed(repetition_penalty=1.5),
        short.changed(no_repeat_ngram_size=2),
        short.changed(candidates=0),
        short.changed(stop_strings=("e",)),
    ]
    batches = [short.changed(num_return_sequences=count) for count in (2, 3, 4)]
    beams = [short.changed(num_beams=3)]
    requests = [Generate(Target(model), PROMPT, params, trace=True) for params in (*plain, *batches, *beams)]
    branches = [(7454, 2402, 257, 640, token) for token in (11, 257, 612)]
    requests += [Generate(Target(model), "", short, prompt_ids=ids, trace=True) for ids in branches]
    hot, cold = short.changed(temperature=2.5, top_k=0), short.changed(do_sample=False)
    schedules = [
        (ScheduledParams(3, hot),),
        (ScheduledParams(1, cold),),
        (ScheduledParams(2, hot), ScheduledParams(5, cold)),
    ]
    return requests + [Generate(Target(model), PROMPT, short, schedule=schedule, trace=True) for schedule in schedules]


@pytest.fixture(scope="module")
def log(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of twenty runs."""
    file = tmp_path_factory.mktemp("log") / "runs.jsonl"
    record(twenty(str(gpt2_folder)), file)
    return file


@pytest.mark.slow
def test_twenty_recorded_runs_come_out_identical(log: Path, tmp_path: Path) -> None:
    assert len(read_runs(log.read_text().split("\n"), "log")) == 20
    finished = run("replay", str(log), "--json", folder=tmp_path)
    assert [line["difference"] for line in finished.lines] == [""] * 20
    assert all(line["identical"] and line["same_weights"] for line in finished.lines)
    assert finished.code == 0


def runs_of(log: Path) -> list[list[dict[str, Any]]]:
    """The lines of each run of a log."""
    runs: list[list[dict[str, Any]]] = []
    for line in map(json.loads, log.read_text().splitlines()):
        if line["type"] == "run":
            runs.append([])
        runs[-1].append(line)
    return runs


def first_difference(recorded: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    """What `replay` must say: which token differs first, and what it was and is."""
    pairs = zip(*([line for line in run if line["type"] == "token"] for run in (recorded, now)), strict=False)
    places: dict[int, int] = {}
    for old, new in pairs:
        assert old["sequence"] == new["sequence"]
        place = places[old["sequence"]] = places.get(old["sequence"], 0) + 1
        where = f"token {place} of sequence {old['sequence'] + 1}"
        if old["id"] != new["id"]:
            was, is_ = (f"{one['text']!r} (id {one['id']}, logprob {one['logprob']:.4f})" for one in (old, new))
            return f"{where}: {was} recorded, {is_} now"
        for name, told in (("logprob", "logprob"), ("final_prob", "final probability")):
            if abs(old[name] - new[name]) > 1e-4:
                return f"{where}: {told} of {old['text']!r} is {old[name]:.6f} recorded, {new[name]:.6f} now"
    raise AssertionError("the runs are alike")


PLAIN, BATCH, BEAMS, BRANCH, RETUNED = 0, 11, 13, 14, 17
"""Where the kinds of runs stand among the twenty."""


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (PLAIN, {"temperature": 1.1}),
        (PLAIN, {"seed": 99}),
        (PLAIN, {"top_k": 3}),
        (PLAIN, {"repetition_penalty": 1.2}),
        (BATCH, {"seed": 99}),
        (BEAMS, {"repetition_penalty": 1.5}),
        (BRANCH, {"temperature": 0.3}),
        (RETUNED, {"seed": 99}),
    ],
)
def test_a_changed_setting_or_seed_is_found_at_its_first_token(
    log: Path, gpt2_folder: Path, tmp_path: Path, number: int, change: dict[str, float]
) -> None:
    recorded = runs_of(log)[number]
    request = twenty(str(gpt2_folder))[number]
    schedule = tuple(replace(one, params=one.params.changed(**_of_all(change))) for one in request.schedule)
    changed = replace(request, params=request.params.changed(**change), schedule=schedule)
    now = record([changed], tmp_path / "now.jsonl")
    for line in recorded:
        if line["type"] == "run":
            line["params"] |= change
        elif line["type"] == "retuned":
            line["params"] |= _of_all(change)
    write(recorded, tmp_path / "changed.jsonl")
    finished = use("replay", "changed.jsonl", folder=tmp_path)
    assert finished.code == 1
    assert finished.stdout == f"run 1: {first_difference(recorded, now)}\n"


def _of_all(change: dict[str, float]) -> dict[str, float]:
    """The part of a change that settings on the way share; a run draws from one seed to its end."""
    return {name: value for name, value in change.items() if name == "seed"}


def test_changed_weights_are_found_and_named(build_gpt2: Builder, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = build_gpt2("replayed")
    record(
        [Generate(Target(str(folder)), PROMPT, SamplingParams(max_new_tokens=6), trace=True)], tmp_path / "run.jsonl"
    )
    (recorded,) = runs_of(tmp_path / "run.jsonl")
    weights = load_file(folder / "model.safetensors")
    weights["transformer.h.1.mlp.c_fc.weight"] += 0.05 * torch.randn(32, 128)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    request = Generate(
        Target(str(folder)), PROMPT, SamplingParams(max_new_tokens=6, seed=recorded[0]["params"]["seed"])
    )
    now = record([request], tmp_path / "now.jsonl")
    finished = use("replay", "run.jsonl", folder=tmp_path)
    assert finished.code == 1
    assert finished.stdout == f"run 1: {first_difference(recorded, now)}\n"
    assert "weights" in finished.stderr


def test_other_files_and_programs_are_named_though_the_run_is_identical(log: Path, tmp_path: Path) -> None:
    recorded = runs_of(log)[PLAIN]
    done = recorded[-1]
    assert len(done["weights"]) == len(done["tokenizer"]) == 64
    done["tokenizer"], done["versions"] = "0" * 64, ["torch 0.1", *done["versions"]]
    write(recorded, tmp_path / "moved.jsonl")
    finished = use("replay", "moved.jsonl", "--json", folder=tmp_path)
    (told,) = finished.lines
    assert finished.code == 0
    assert (told["identical"], told["same_weights"], told["same_tokenizer"]) == (True, True, False)
    assert told["recorded_with"] == ["torch 0.1"]
    assert "tokenizer" in finished.stderr
    assert "recorded with torch 0.1" in finished.stderr


def test_a_record_without_hashes_is_not_called_the_same(log: Path, tmp_path: Path) -> None:
    recorded = runs_of(log)[PLAIN]
    for name in ("weights", "tokenizer", "versions"):
        del recorded[-1][name]
    write(recorded, tmp_path / "bare.jsonl")
    finished = use("replay", "bare.jsonl", "--json", folder=tmp_path)
    (told,) = finished.lines
    assert (told["identical"], told["same_weights"], told["same_tokenizer"]) == (True, None, None)


def test_a_run_cut_short_is_compared_as_far_as_it_went(log: Path, tmp_path: Path) -> None:
    lines = log.read_text().splitlines()
    half = [*lines[:4], lines[4][: len(lines[4]) // 2]]
    (tmp_path / "half.jsonl").write_text("\n".join(half))
    finished = use("replay", "half.jsonl", folder=tmp_path)
    assert finished.stdout == "run 1: identical (3 tokens)\n"
    assert finished.code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no run"),
        ("plain words\nmore\n", "line 1 of log.jsonl is no JSON object"),
        ('{"type":"token"}\n', "before any run"),
        ('{"type":"run","model":"m"}\n', "line 1 of log.jsonl lacks"),
        ("[1]\n", "line 1"),
    ],
)
def test_what_is_no_log_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    finished = use("replay", "log.jsonl", folder=tmp_path)
    assert finished.code == 2
    assert finished.stdout == ""
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_every_event_of_a_run_has_its_line(gpt2_folder: Path) -> None:
    events: list[Event] = []
    Engine(events.append).handle(twenty(str(gpt2_folder))[-1], lambda: False, lambda: None)
    kinds = [line["type"] for line in map(event_line, events) if line is not None]
    assert kinds.count("token") == sum(isinstance(event, TokenGenerated) for event in events)
    assert kinds.count("retuned") == 2
    assert (kinds[0], kinds[-1]) == ("run", "done")
