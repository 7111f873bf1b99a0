"""The runs of one prompt as a tree: which left which, at which token, and how likely each text is as a whole.

Every node is one sequence of a run. Its path holds all tokens after the tree's prompt: those it shares with the run
it left, the token that was taken there, and its own; so the sums of two nodes can be compared. A run that left
inside the prompt shares none of them: its path begins with the token that was taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from core.text.visible import token_label
from tui.transcript.kept_run import KeptRun

_GUIDES_SHOWN = 8
"""A deeper level is not indented further: the text beside it must stay readable."""


@dataclass(frozen=True, slots=True)
class PathToken:
    """One token after the prompt."""

    id: int
    text: str
    logprob: float | None
    """Natural log of the model's own probability; None when it was not recorded."""


@dataclass(frozen=True, slots=True)
class Node:
    """One text of the tree."""

    run: int
    """Index in `History.kept`."""
    sequence: int
    label: str
    """What the user calls it: the run's number, and the sequence's where there are several."""
    guide: str
    """The lines of the tree before its label."""
    departs: str
    """Where it left the run above it, and with which token."""
    tokens: tuple[PathToken, ...]
    own: int
    """How many of them, at the end, are its own."""

    @property
    def logprob(self) -> float:
        """Sum of the log-probabilities of its tokens, nats."""
        return sum(token.logprob for token in self.tokens if token.logprob is not None)

    @property
    def mean(self) -> float:
        """The same a token; 0 without tokens."""
        known = sum(token.logprob is not None for token in self.tokens)
        return self.logprob / known if known else 0.0

    @property
    def text(self) -> str:
        """All it says after the prompt."""
        return "".join(token.text for token in self.tokens)


def branch_tree(kept: Sequence[KeptRun], run: int) -> list[Node]:
    """The tree that a run belongs to: every run that began with the same prompt, and what left those, depth first.

    Args:
        kept: all runs; a parent comes before its children. Those of the tree must have their tokens.
        run: index of one of them.
    """
    members = tree_members(kept, run)
    return list(_grow(kept, [place for place in members if parent_of(kept, place) < 0], "", top=True))


def tree_members(kept: Sequence[KeptRun], run: int) -> list[int]:
    """The indices of all runs of a run's tree; what was recorded of them is not looked at."""
    roots: list[int] = []
    for place in range(len(kept)):
        parent = parent_of(kept, place)
        roots.append(place if parent < 0 else roots[parent])
    prompt = kept[roots[run]].prompt
    return [place for place, root in enumerate(roots) if kept[root].prompt == prompt]


def differing(ids: Sequence[int], others: Sequence[int]) -> tuple[list[bool], list[bool], int]:
    """Which tokens of two texts have no counterpart in the other.

    Returns:
        A flag for each token of the first, of the second, and how many they have in common at the start.
    """
    shared = next(
        (at for at, (one, other) in enumerate(zip(ids, others, strict=False)) if one != other),
        min(len(ids), len(others)),
    )
    flags = [False] * shared + [True] * (len(ids) - shared), [False] * shared + [True] * (len(others) - shared)
    matcher = SequenceMatcher(None, ids[shared:], others[shared:], autojunk=False)
    for block in matcher.get_matching_blocks():
        for side, start in zip(flags, (block.a, block.b), strict=True):
            side[shared + start : shared + start + block.size] = [False] * block.size
    return *flags, shared


def reading_order(kept: Sequence[KeptRun]) -> list[tuple[int, int]]:
    """Every run where a reader expects it: after a run what leaves it, then what writes on after it.

    Args:
        kept: all runs; a parent comes before its children. Those with children must have their tokens.

    Returns:
        The index of each run, and how many roads it is away from its prompt; writing on is the same road.
    """
    children: dict[int, list[int]] = {}
    for place in range(len(kept)):
        children.setdefault(parent_of(kept, place), []).append(place)
    order: list[tuple[int, int]] = []
    waiting = [(root, 0) for root in reversed(children.get(-1, []))]
    while waiting:
        place, depth = waiting.pop()
        order.append((place, depth))
        nexts = [(child, depth if writes_on(kept, child) else depth + 1) for child in children.get(place, ())]
        waiting += sorted(nexts, key=lambda one: (one[1], -one[0]))  # the last one is read first
    return order


def parent_of(kept: Sequence[KeptRun], place: int) -> int:
    """The run that one leaves or writes on after; −1 where there is none."""
    parent = kept[place].parent
    return parent if parent < place else -1


def _grow(kept: Sequence[KeptRun], places: Sequence[int], indent: str, *, top: bool = False) -> Iterator[Node]:
    """The nodes of some siblings, each followed by what left it."""
    siblings = [(place, sequence) for place in places for sequence in range(len(kept[place].steps))]
    for number, (place, sequence) in enumerate(siblings, start=1):
        last = number == len(siblings)
        guide = "" if top else indent + ("└ " if last else "├ ")
        yield _node(kept, place, sequence, guide)
        children = [
            child
            for child in range(place + 1, len(kept))
            if (kept[child].parent, kept[child].parent_sequence) == (place, sequence)
        ]
        below = indent if top or len(indent) >= 2 * _GUIDES_SHOWN else indent + ("  " if last else "│ ")
        yield from _grow(kept, children, below)


def _node(kept: Sequence[KeptRun], place: int, sequence: int, guide: str) -> Node:
    run = kept[place]
    label = f"{place + 1}.{sequence + 1}" if len(run.steps) > 1 else f"{place + 1}"
    tokens = _path(kept, place, sequence)
    return Node(place, sequence, label, guide, _departure(kept, place), tokens, len(run.steps[sequence]))


def _path(kept: Sequence[KeptRun], place: int, sequence: int) -> tuple[PathToken, ...]:
    """All tokens of a sequence after the prompt of its tree."""
    run = kept[place]
    own = tuple(PathToken(step.id, step.text, step.logprob) for step in run.steps[sequence])
    if parent_of(kept, place) < 0:
        return own
    before = _path(kept, run.parent, run.parent_sequence)
    if writes_on(kept, place):
        return before + own
    shared = len(before) - len(kept[run.parent].steps[run.parent_sequence]) + run.branch_at
    return (*(before[:shared] if run.branch_at >= 0 else ()), taken_token(kept, place), *own)


def writes_on(kept: Sequence[KeptRun], place: int) -> bool:
    """Whether a run with a parent goes on after its last token, instead of leaving it."""
    run = kept[place]
    return run.taken is None and run.branch_at >= len(kept[run.parent].steps[run.parent_sequence])


def taken_token(kept: Sequence[KeptRun], place: int) -> PathToken:
    """The token a run that leaves another went on with, as far as it is known."""
    run = kept[place]
    id_ = run.taken.id if run.taken is not None else run.prompt_ids[-1]
    steps = kept[run.parent].steps[run.parent_sequence]
    listed = steps[run.branch_at].candidates if 0 <= run.branch_at < len(steps) else ()
    known = run.taken or next((candidate for candidate in listed if candidate.id == id_), None)
    if known is None:
        return PathToken(id_, f"#{id_}", None)
    return PathToken(id_, known.text, math.log(known.prob) if known.prob > 0 else None)


def _departure(kept: Sequence[KeptRun], place: int) -> str:
    """Where a run left its parent, in a few words."""
    if parent_of(kept, place) < 0:
        return ""
    run = kept[place]
    if writes_on(kept, place):
        return "writes on"
    new = token_label(taken_token(kept, place).text)
    if run.branch_at < 0:
        return f"prompt {run.branch_at}: → {new}"
    return (
        f"{run.branch_at + 1}: {token_label(kept[run.parent].steps[run.parent_sequence][run.branch_at].text)} → {new}"
    )
