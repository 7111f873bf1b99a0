"""The table that follows the prompt, the knobs and the cursor: what is asked for, when, and what is shown of it."""

from __future__ import annotations

import pytest

from core.errors import EngineError
from core.messages.protocol import Inspect, Inspected
from core.messages.records import CandidateTable
from core.messages.sampling_params import PRESETS, SamplingParams
from tests.tui.fake_engine import FakeEngine
from tests.tui.fake_host import Sitting, settle
from tests.tui.main.test_candidates import entry
from tui.main.live_candidates import LiveCandidates, Subject
from tui.main.panes.candidates import WINDOW, CandidatesPane
from tui.main.panes.prompt import PromptPane
from tui.main.panes.sampling import SamplingPane
from tui.transcript.kept_run import Departure

TABLE = CandidateTable((entry(1, 1.0),), 0, 1, 5, 0.9, 2.5, 4)
GREEDY = PRESETS["greedy"]


class FakeCandidates(CandidatesPane):
    """Notes what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.notes = list[str](), list[str]()
        self.params: list[SamplingParams] = []
        self.chosen_id = -1

    def show(
        self,
        table: CandidateTable,
        params: SamplingParams,
        *,
        fresh: bool,
        same_context: bool,
        chosen_id: int = -1,
        place: str = "",
    ) -> None:
        self.places.append(place)
        self.params.append(params)
        self.chosen_id = chosen_id

    def show_note(self, text: str) -> None:
        self.notes.append(text)


class Looking:
    """The hand, the pane it fills, and what it asks."""

    def __init__(self, sitting: Sitting, prompt: str = "Once upon") -> None:
        self.sitting, self.host, self.engine = sitting, sitting.host, sitting.engine
        self.pane, self.prompt, self.sampling = FakeCandidates(), PromptPane(prompt), SamplingPane()
        panes = self.pane, self.prompt, self.sampling
        self.hand = LiveCandidates(self.host, self.engine, sitting.runs, *panes, pause_s=0)

    @property
    def asked(self) -> list[Inspect]:
        """Every question about candidates."""
        return [request for request in self.engine.requests if isinstance(request, Inspect)]

    def turn(self, params: SamplingParams) -> None:
        """Change the settings."""
        self.sampling.set_reactive(SamplingPane.params, params)
        self.hand.use_params()


@pytest.fixture
def looking(sit_down: type[Sitting]) -> Looking:
    """The hand, with an engine that answers at once."""
    engine = FakeEngine()
    engine.script = lambda request: [Inspected(request.id, TABLE)] if isinstance(request, Inspect) else []
    return Looking(sit_down(engine))


async def test_the_table_follows_typing_after_a_pause(looking: Looking) -> None:
    looking.hand.begin()
    await settle()
    looking.hand.follow_prompt("Once upon a")
    looking.hand.follow_prompt("Once upon a t")
    looking.hand.follow_prompt("Once upon a t")
    await settle()
    assert [request.prompt for request in looking.asked] == ["Once upon", "Once upon a t"]
    assert looking.pane.places == ["", ""]


async def test_nothing_is_asked_while_the_pane_is_hidden_or_no_model_is_loaded(looking: Looking) -> None:
    looking.pane.display = False
    looking.hand.begin()
    looking.pane.display, looking.host.model = True, None
    looking.hand.begin()
    await settle()
    assert looking.asked == []


async def test_without_a_prompt_it_says_what_to_do(sit_down: type[Sitting]) -> None:
    looking = Looking(sit_down(), prompt="")
    looking.hand.begin()
    await settle()
    assert looking.asked == []
    assert looking.pane.notes == ["type a prompt: what may come next is shown here"]


async def test_a_search_and_a_window_of_it_are_asked_for(looking: Looking) -> None:
    looking.hand.begin()
    looking.hand.search("the")
    await settle()
    looking.hand.window(200)
    looking.hand.window(300)
    await settle()
    told = [(request.search, request.offset, request.limit) for request in looking.asked]
    assert told == [("the", 0, WINDOW), ("the", 200, WINDOW), ("the", 300, WINDOW)]


async def test_an_answer_to_an_older_question_is_not_shown(looking: Looking) -> None:
    looking.engine.script = None
    looking.hand.begin()
    looking.hand.window(100)
    await settle()
    looking.hand.follow_prompt("Once upon a")
    await settle()
    for request in looking.asked:
        looking.engine.replies[request.id].put(Inspected(request.id, TABLE))
    await settle()
    assert len(looking.asked) == 3
    assert len(looking.pane.places) == 1


async def test_an_error_stands_in_the_pane(looking: Looking) -> None:
    looking.engine.script = None
    looking.hand.begin()
    await settle()
    looking.engine.replies[1].fail(EngineError("out of memory"))
    await settle()
    assert looking.pane.notes == ["out of memory"]


async def test_a_recorded_step_is_seen_as_it_was_run_until_a_knob_is_turned(looking: Looking) -> None:
    first = Subject("Once upon a", (1, 2, 100), 101, "new token 2", Departure(0, 0, 1))
    second = Subject("Once upon a time", (1, 2, 100, 101), 102, "new token 3", Departure(0, 0, 2))
    other = Subject("Once upon", (1, 2), 100, "new token 1", Departure(1, 0, 0))
    for subject in (first, first, second):
        looking.hand.look_at(subject, GREEDY)
        await settle()
    creative = PRESETS["creative"]
    looking.turn(creative)
    await settle()
    looking.hand.look_at(first, GREEDY)
    await settle()
    looking.hand.look_at(other, GREEDY)
    await settle()
    ran, what_if = "as it was run", "what if, by the settings of F4"
    ways = [("2", ran), ("3", ran), ("3", what_if), ("2", what_if), ("1", ran)]
    assert looking.pane.places == [f"new token {number} · {way}" for number, way in ways]
    assert looking.pane.params == [GREEDY, GREEDY, creative, creative, GREEDY]
    assert [request.context_ids for request in looking.asked][-1] == (1, 2)
    assert looking.pane.chosen_id == 100
    looking.hand.begin()  # the pane comes into view again: it stays where it was
    await settle()
    assert looking.asked[-1].context_ids == (1, 2)


async def test_a_knob_re_ranks_the_prompts_table(looking: Looking) -> None:
    looking.hand.begin()
    await settle()
    looking.turn(GREEDY)
    await settle()
    assert looking.pane.params == [SamplingParams(), GREEDY]
    assert looking.pane.places == ["", ""]


async def test_a_branch_leaves_the_run_where_the_table_stands(looking: Looking) -> None:
    await looking.sitting.run("Once upon", " a", " time")
    looking.hand.look_at(Subject("Once upon a", (1, 2, 1), 101, "new token 2", Departure(0, 0, 1)), GREEDY)
    looking.hand.branch(entry(3, 1.0))
    await settle()
    request, _ = looking.engine.last_run()
    assert (request.prompt, request.prompt_ids) == ("Once upon a 한국", (1, 2, 1, 3))
