"""`replay` takes a conversation's file: plain runs, branches, runs that write on, settings changed on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.engine import Engine
from core.history.conversation_file import ConversationFile, Place, run_line, saved_line
from core.messages.protocol import Event, Generate, RunStarted
from core.messages.records import Target
from core.messages.sampling_params import SamplingParams, ScheduledParams
from tests.cli.inside import use
from tests.cli.process import run


def save(folder: Path, model: str) -> Path:
    """Run a conversation in this process and save it as the app does."""
    params = SamplingParams(max_new_tokens=6, seed=5)
    cat = (7454, 2402, 257, 3797)
    runs = [
        (Generate(Target(model), "Once upon a time", params), Place(0)),
        (Generate(Target(model), "Once upon a time, it", params.changed(seed=9)), Place(0, True, "", 0, 0, 6)),
        (Generate(Target(model), "Once upon a cat", params, prompt_ids=cat), Place(1, False, "", 0, 0, -1)),
        (
            Generate(Target(model), "Stop", params, schedule=(ScheduledParams(3, params.changed(temperature=1.5)),)),
            Place(2),
        ),
        (Generate(Target(model), "Beams", params.changed(num_beams=3)), Place(3)),
    ]
    file = ConversationFile.create(folder, "Once")
    for request, place in runs:

        def keep(event: Event, place: Place = place) -> None:
            line = run_line(event, place) if isinstance(event, RunStarted) else saved_line(event)
            if line is not None:
                file.append(line)

        Engine(keep).handle(request, lambda: False, lambda: None)
    file.append({"type": "token", "sequence": 0, "id": 1, "text": "x", "logprob": 0.0, "final_prob": 0.5})
    file.close()
    return file.path


@pytest.mark.slow
def test_a_conversation_s_runs_come_out_identical(gpt2_folder: Path, tmp_path: Path) -> None:
    path = save(tmp_path, str(gpt2_folder))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    finished = run("replay", str(path), folder=tmp_path)
    assert finished.stdout.splitlines() == [f"run {number}: identical (6 tokens)" for number in range(1, 6)]
    assert finished.code == 0


@pytest.mark.slow
def test_a_token_that_the_model_does_not_write_is_found_in_a_conversation(gpt2_folder: Path, tmp_path: Path) -> None:
    path = save(tmp_path, str(gpt2_folder))
    finished = use("replay", str(path), "--json", folder=tmp_path)
    assert [line["identical"] for line in finished.lines] == [True, True, True, True, False]
    assert finished.code == 1
