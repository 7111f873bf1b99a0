"""Branches: which run left which and where, the tree that shows it, and two texts side by side."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from core.messages.protocol import Generate
from tests.tui.branching import OTHER, PROMPT, TEXTS, candidate, id_of, kept_run, script
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine
from tests.tui.pictures import SnapCompare
from tests.tui.test_snapshots import app, until
from tui.app import NlpTui
from tui.conversations.branch_tree import branch_tree, differing
from tui.conversations.branches_dialog import BranchesDialog
from tui.main.screen import MainScreen

__all__ = ["app"]


def test_a_branch_s_sum_counts_the_tokens_it_shares_and_the_one_it_took() -> None:
    parent = kept_run(TEXTS)
    branch = kept_run(OTHER, parent=0, branch_at=2, taken=candidate(" cat", 4, 0.5))
    nodes = branch_tree([parent, branch], 1)
    assert [node.label for node in nodes] == ["1", "2"]
    assert nodes[0].logprob == pytest.approx(-0.5 * len(TEXTS))
    assert nodes[1].logprob == pytest.approx(-0.5 * 2 + math.log(0.5) - 0.5 * len(OTHER))
    assert nodes[1].mean == pytest.approx(nodes[1].logprob / (2 + 1 + len(OTHER)))
    assert nodes[1].text == " a time cat" + "".join(OTHER)
    assert nodes[1].departs == "3: ·there → ·cat"


def test_a_branch_of_a_branch_keeps_the_whole_path() -> None:
    parent = kept_run(TEXTS)
    child = kept_run(OTHER, parent=0, branch_at=2, taken=candidate(" cat", 4))
    grandchild = kept_run((" end",), parent=1, branch_at=1, taken=candidate(" young", 6))
    node = branch_tree([parent, child, grandchild], 0)[2]
    assert node.text == " a time cat an young end"
    assert len(node.guide) > len(branch_tree([parent, child, grandchild], 0)[1].guide)


def test_samples_of_a_run_are_siblings_and_a_branch_hangs_under_its_own() -> None:
    parent = kept_run(TEXTS, OTHER, TEXTS)
    branch = kept_run((" x",), parent=0, parent_sequence=1, branch_at=1, taken=candidate(" new", 4))
    nodes = branch_tree([parent, branch], 0)
    assert [node.label for node in nodes] == ["1.1", "1.2", "2", "1.3"]
    assert nodes[2].text == " an new x"
    assert nodes[1].logprob == pytest.approx(-0.5 * len(OTHER))


def test_a_run_that_writes_on_and_one_that_leaves_inside_the_prompt() -> None:
    parent = kept_run(TEXTS)
    onward = kept_run((" more",), parent=0, branch_at=len(TEXTS))
    inside = kept_run((" deep",), parent=0, branch_at=-1, taken=candidate(" under", 8))
    nodes = branch_tree([parent, onward, inside], 0)
    assert nodes[1].departs == "writes on"
    assert nodes[1].text == "".join(TEXTS) + " more"
    assert nodes[2].departs == "prompt -1: → ·under"
    assert nodes[2].text == " under deep"


def test_a_token_that_was_not_recorded_is_found_in_the_parent_s_list_or_left_out_of_the_sum() -> None:
    parent = kept_run(TEXTS)
    listed = kept_run((" x",), parent=0, branch_at=1, prompt_ids=(1, 2, 97, 5))
    unknown = kept_run((" x",), parent=0, branch_at=1, prompt_ids=(1, 2, 97, 6))
    nodes = branch_tree([parent, listed, unknown], 0)
    assert nodes[1].text == " a other x"
    assert nodes[1].logprob == pytest.approx(-0.5 + math.log(0.25) - 0.5)
    assert nodes[2].departs == "2: ·time → #6"
    assert nodes[2].logprob == pytest.approx(-1.0)
    assert nodes[2].mean == pytest.approx(-0.5)


def test_other_prompts_are_other_trees() -> None:
    kept = [kept_run(TEXTS), kept_run(TEXTS, prompt="Else"), kept_run(OTHER), kept_run((" y",), parent=1, branch_at=9)]
    assert [node.label for node in branch_tree(kept, 0)] == ["1", "3"]
    assert [node.label for node in branch_tree(kept, 3)] == ["2", "4"]


def test_a_hundred_generations_stay_readable() -> None:
    kept = [kept_run(TEXTS)]
    kept += [kept_run((" x", " y"), parent=n, branch_at=1, taken=candidate(" z", 4)) for n in range(100)]
    nodes = branch_tree(kept, 0)
    assert len(nodes) == 101
    assert max(len(node.guide) for node in nodes) < 20


def test_what_differs_is_found_also_after_a_gap() -> None:
    assert differing([1, 2, 3, 4], [1, 9, 3, 4, 5]) == (
        [False, True, False, False],
        [False, True, False, False, True],
        1,
    )
    assert differing([1, 2], [1, 2]) == ([False] * 2, [False] * 2, 2)
    assert differing([], [1]) == ([], [True], 0)


@asynccontextmanager
async def branched(launch: Launch, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Running]:
    """The app with a run, a branch of it from its second token, and the X-ray open on the branch."""
    engine = FakeEngine()
    engine.script = script
    async with launch(size=size, engine=engine) as running:
        await walk_a_branch(running.pilot)
        yield running


async def walk_a_branch(pilot: Pilot[None]) -> None:
    """Run the prompt, and take another road at its second token."""
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    screen.prompt.text = PROMPT
    screen.prompt.focus()
    await pilot.press("enter")
    await until(pilot, lambda: screen.runs.kept and screen.runs.kept[0].ends and not screen.runs.is_busy)
    await pilot.press("f9", "right", "enter")
    await until(pilot, lambda: screen.candidates.rows.chosen_id == id_of(" time") and screen.candidates.rows.at_cursor)
    await pilot.press("down", "enter")
    await until(pilot, lambda: len(screen.runs.kept) == 2 and screen.runs.kept[1].ends and not screen.runs.is_busy)


def dialog(running: Running) -> BranchesDialog:
    """The open dialog."""
    top = running.app.screen
    assert isinstance(top, BranchesDialog)
    return top


def column(running: Running, side: str) -> str:
    """What a side says, its title first."""
    pane = dialog(running).query_one(f"#branch-{side}")
    return f"{pane.border_title}\n{pane.query_one(Static).content}"


def lines(running: Running) -> list[str]:
    """The rows of the tree."""
    rows = dialog(running).query_one(OptionList)
    return [str(rows.get_option_at_index(place).prompt) for place in range(rows.option_count)]


async def test_a_branch_in_the_x_ray_knows_where_it_left(launch: Launch) -> None:
    async with branched(launch) as running:
        first, second = running.screen.runs.kept
        assert (first.parent, second.parent, second.parent_sequence, second.branch_at) == (-1, 0, 0, 1)
        assert second.taken is not None
        assert second.taken.text == " the"
        assert second.prompt == PROMPT + " a the"


async def test_writing_on_and_running_again_are_told_apart(launch: Launch) -> None:
    async with branched(launch) as running:
        await running.pilot.press("ctrl+n")
        await running.until(lambda: len(running.screen.runs.kept) == 3 and not running.screen.runs.is_busy)
        await running.pilot.press("ctrl+r")
        await running.until(lambda: len(running.screen.runs.kept) == 4)
        onward, again = running.screen.runs.kept[2:]
        assert (onward.parent, onward.branch_at) == (1, len(OTHER))
        assert again.parent == -1


@pytest.mark.smoke
async def test_b_shows_the_tree_and_two_texts_with_marks_that_need_no_colour(launch: Launch) -> None:
    async with branched(launch) as running:
        await running.pilot.press("f9", "b")
        await running.until(lambda: isinstance(running.app.screen, BranchesDialog))
        await running.until(lambda: "run 1" in column(running, "B"))
        assert "2: ·time → ·the" in lines(running)[1]
        assert f"{-0.25 - 0.25 * len(TEXTS) + 0.25:.2f}" in lines(running)[0]
        assert column(running, "A") == "A · run 2 · -3.39\n a‹ the an old king› was‹ [/ here›."
        assert column(running, "B") == "B · run 1 · -2.25\n a‹ time there› was‹ [bold] 한국\n girl›."


async def test_space_marks_two_and_a_third_replaces_the_older(launch: Launch) -> None:
    async with branched(launch) as running:
        await running.pilot.press("ctrl+n")
        await running.until(lambda: len(running.screen.runs.kept) == 3 and not running.screen.runs.is_busy)
        await running.pilot.press("f9", "b")
        await running.until(lambda: isinstance(running.app.screen, BranchesDialog))
        await running.pilot.press("home")
        await running.until(lambda: column(running, "B").startswith("B · run 2"))
        await running.pilot.press("space", "down", "space")
        assert [line[0] for line in lines(running)] == ["A", "B", "·"]
        assert column(running, "A").startswith("A · run 1")
        assert column(running, "B").startswith("B · run 2")
        await running.pilot.press("down", "space")
        assert [line[0] for line in lines(running)] == ["·", "A", "B"]
        await running.pilot.press("space")
        assert [line[0] for line in lines(running)] == ["·", "A", "·"]


async def test_enter_puts_the_chosen_text_under_the_x_ray_and_escape_leaves(launch: Launch) -> None:
    async with branched(launch) as running:
        await running.pilot.press("f9", "b")
        await running.until(lambda: isinstance(running.app.screen, BranchesDialog))
        await running.pilot.press("up", "enter")
        await running.until(lambda: running.app.screen is running.screen)
        assert running.screen.xray.shown == (running.screen.runs.kept[0], 0)
        assert running.screen.ribbon.view.has_focus
        await running.pilot.press("b")
        await running.until(lambda: isinstance(running.app.screen, BranchesDialog))
        assert dialog(running).rows.highlighted == 0
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is running.screen)


async def test_samples_of_one_run_stand_side_by_side_with_their_sums(launch: Launch) -> None:
    engine = FakeEngine()
    engine.script = script
    async with launch(engine=engine, prompt=PROMPT) as running:
        running.screen.sampling.query_one("#setting-num_return_sequences", Input).value = "3"
        running.screen.prompt.focus()
        await running.pilot.press("enter")
        await running.until(lambda: running.engine.of(Generate))
        await running.until(lambda: running.screen.runs.kept and len(running.screen.runs.kept[0].ends) == 3)
        await running.pilot.press("f9", "b")
        await running.until(lambda: isinstance(running.app.screen, BranchesDialog))
        shown = lines(running)
        assert [line.split()[1] for line in shown] == ["1.1", "1.2", "1.3"]
        assert f"{-0.25 * len(TEXTS):.2f}" in shown[0]
        assert f"{-0.5 * len(OTHER):.2f}" in shown[1]
        await running.pilot.press("down", "down", "enter")
        await running.until(lambda: running.app.screen is running.screen)
        shown_run = running.screen.xray.shown
        assert shown_run is not None
        assert shown_run[1] == 2


async def test_a_text_alone_says_how_to_get_another(launch: Launch) -> None:
    engine = FakeEngine()
    engine.script = script
    async with launch(engine=engine, prompt=PROMPT) as running:
        running.screen.prompt.focus()
        await running.pilot.press("enter")
        await running.until(lambda: running.screen.runs.kept and running.screen.runs.kept[0].ends)
        await running.pilot.press("f9", "b")
        await running.until(lambda: isinstance(running.app.screen, BranchesDialog))
        await running.until(lambda: "ctrl+r" in column(running, "B"))
        assert column(running, "A") == f"A · run 1 · -2.25\n{''.join(TEXTS)}"


async def test_without_a_run_it_says_what_to_do(launch: Launch) -> None:
    async with launch() as running:
        running.app.action_show_branches()
        await running.until(lambda: any("run a prompt first" in one.message for one in running.app._notifications))
        assert running.app.screen is running.screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.slow
def test_the_branches(snap_compare: SnapCompare, app: NlpTui, size: tuple[int, int]) -> None:
    """You should see three rows of a tree with sums, and below it two texts side by side, differences in ‹ ›."""
    engine = app._engine
    assert isinstance(engine, FakeEngine)
    engine.script = script

    async def show(pilot: Pilot[None]) -> None:
        screen = pilot.app.screen
        assert isinstance(screen, MainScreen)
        await until(pilot, lambda: screen.query("#prompt") and screen.status.state == "ready")
        for field in screen.query(Input):
            field.cursor_blink = False
        screen.prompt.cursor_blink = False
        await walk_a_branch(pilot)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: len(screen.runs.kept) == 3 and screen.runs.kept[2].ends and not screen.runs.is_busy)
        await pilot.press("f9", "b")
        await until(pilot, lambda: isinstance(pilot.app.screen, BranchesDialog))
        await pilot.press("home", "space", "end", "up")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=show)
