"""The journal of unfinished work: it survives a kill at any byte, and never stops the work itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.engine.lab.evaluation.journal import KEPT_S, Journal, digest

VALUES = [[0.1, 1 / 3], [2.0]]


def test_what_was_added_is_there_again_to_the_last_bit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "a.jsonl")
    journal.add(0, VALUES)
    journal.add(3, [])
    assert Journal(journal.path).batches == {0: VALUES, 3: []}  # nothing waits for the file to be closed


@pytest.mark.parametrize("lost", range(1, 20))
def test_a_half_written_last_line_is_cut_off(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "a.jsonl"
    journal = Journal(path)
    journal.add(0, VALUES)
    journal.add(1, VALUES)
    journal.close()
    path.write_bytes(path.read_bytes()[:-lost])
    again = Journal(path)
    assert again.batches == {0: VALUES}
    again.add(2, VALUES)
    again.close()
    assert Journal(path).batches == {0: VALUES, 2: VALUES}


def test_damaged_lines_cost_only_their_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xff\xfe\n{"batch": 1}\n[]\n{"batch": 2, "values": [[1]]}\n')
    assert Journal(path).batches == {2: [[1.0]]}


def test_a_fresh_start_forgets_and_the_end_removes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    Journal(path).add(0, VALUES)
    journal = Journal(path, fresh=True)
    assert journal.batches == {}
    journal.add(1, VALUES)
    assert Journal(path).batches == {1: VALUES}
    journal.remove()
    assert not path.exists()


def test_a_journal_that_cannot_be_kept_says_so_and_takes_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "a.jsonl")
    assert "no journal" in journal.problem
    journal.add(0, VALUES)
    journal.remove()


def test_old_journals_go(tmp_path: Path) -> None:
    old, young = tmp_path / "old.jsonl", tmp_path / "young.jsonl"
    for path in (old, young):
        path.write_text("")
    os.utime(old, (0, young.stat().st_mtime - KEPT_S - 60))
    Journal(tmp_path / "new.jsonl")
    assert (old.exists(), young.exists()) == (False, True)


def test_a_digest_tells_parts_apart() -> None:
    assert digest("a", "bc") != digest("ab", "c")
