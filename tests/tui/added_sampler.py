"""What a program with `tests.toy.sampler` in it does; `tests/test_toy_sampler.py` runs this in a copy that has it."""

from __future__ import annotations

from pathlib import Path

import torch
from textual.widgets import Input, Label
from transformers import EpsilonLogitsWarper

from core.history.as_python import as_python
from tests.cli.inside import EngineInside, use
from tests.tui.conftest import Launch, Running
from tui.export.actions import Thing, take

PROMPT = "Once upon a time"
ALONE = ("--temperature", "1", "--top-k", "0", "--top-p", "1")


def test_the_option_is_there_and_refuses_what_is_out_of_range(tmp_path: Path) -> None:
    shown = use("generate", "--help", folder=tmp_path)
    assert (shown.code, shown.stdout.count("--epsilon-cutoff X")) == (0, 2)
    assert "keep tokens at least this likely; 0 is off (0)" in " ".join(shown.stdout.split())
    for value, said in (("1.5", "must be in [0, 1], got 1.5"), ("x", "must be a number, got 'x'")):
        refused = use("generate", PROMPT, "--epsilon-cutoff", value, folder=tmp_path)
        assert refused.code == 2
        assert f"epsilon_cutoff {said}" in refused.stderr


def test_the_distribution_is_that_of_transformers_and_names_what_cut(tmp_path: Path) -> None:
    epsilon = 0.01
    finished = use("next", PROMPT, "--json", "--top", "0", *ALONE, "--epsilon-cutoff", f"{epsilon}", folder=tmp_path)
    logits = torch.tensor([[line["logit"] for line in finished.lines]])
    theirs = EpsilonLogitsWarper(epsilon)(torch.zeros(1, 0, dtype=torch.long), logits).softmax(-1)[0]
    ours = torch.tensor([line["final_prob"] for line in finished.lines])
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    kept = theirs > 0
    assert 1 < kept.sum() < 100
    assert [line["cut_by"] for line in finished.lines] == ["" if one else "epsilon_cutoff" for one in kept]


def order(running: Running) -> str:
    """The line over the candidates."""
    return str(running.screen.candidates.query_one("#candidate-order").render())


async def test_the_panes_have_its_knob_and_the_exports_its_value(launch: Launch) -> None:
    async with launch(engine=EngineInside(), prompt="The") as running:
        screen, rows = running.screen, running.screen.candidates.rows
        await running.pilot.press("f7")
        await running.until(lambda: rows.at_cursor)
        await running.pilot.press(*["right_square_bracket"] * 5, *["plus"] * 5)
        await running.until(lambda: order(running).endswith("→ top_p 0.95 → ‹epsilon 0.05›"))
        await running.until(lambda: any("✗epsilon" in rows.render_line(y).text for y in range(rows.size.height)))
        field = screen.sampling.query_one("#setting-epsilon_cutoff", Input)
        hint = screen.sampling.query_one("#hint-epsilon_cutoff", Label)
        assert (field.value, str(hint.content)) == ("0.05", "0 off")
        assert "typical_p, epsilon_cutoff. What" in screen.sampling.HELP

        screen.prompt.focus()
        await running.pilot.press("enter")
        await running.until(lambda: screen.runs.kept and screen.runs.kept[0].ends)
        run = screen.runs.kept[0]
        take(screen, Thing.COMMAND)
        await running.until(lambda: "--epsilon-cutoff 0.05" in running.app.clipboard)
        assert "epsilon_cutoff=0.05" in as_python(run.info, "The", run.params)

        screen.sampling.use_preset("greedy")
        await running.pilot.pause()
        assert (field.value, str(hint.content)) == ("0", "greedy: no effect")
