"""Runs that an earlier version wrote come out the same: plain, sampled, several at once, branched, retuned, beams."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.process import run

SAVED = sorted((Path(__file__).parents[1] / "saved_before").glob("*.jsonl"))
"""As version 0.1.0 wrote them, with the bundled GPT-2."""

FIRST = "conversation-branches"
"""Repeated in the usual tier; the others in the third."""


@pytest.mark.starter
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[] if path.stem == FIRST else pytest.mark.slow) for path in SAVED],
)
def test_a_run_saved_by_an_earlier_version_comes_out_identical(path: Path, tmp_path: Path) -> None:
    finished = run("replay", str(path), "--json", folder=tmp_path)
    assert finished.lines
    assert [line["identical"] for line in finished.lines] == [True] * len(finished.lines)
    assert finished.code == 0
