"""A chat among the kept runs: which turns came before, and how a run is taken up again by its tokens.

A chat is a thread: a prompt follows the answer that was on screen when it was sent, and a branch has the same turns
before it as the run it leaves. Runs of models that continue text are no part of one.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.messages.records import Exchange, FinishReason
from tui.transcript.kept_run import KeptRun

BREAK = "\n"
"""Stands between what is said and the answer, on screen alone."""


def root_of(kept: Sequence[KeptRun], place: int) -> int:
    """The run whose prompt the user wrote: this one, or that which it, or its parent, leaves.

    Args:
        kept: every run.
        place: one of them.
    """
    while kept[place].parent >= 0:
        place = kept[place].parent
    return place


def thread(kept: Sequence[KeptRun], place: int) -> tuple[Exchange, ...]:
    """The turns of a chat up to a run, this one's included, oldest first; none where it is no chat.

    Args:
        kept: every run.
        place: the last one; below 0 for none.
    """
    turns: list[Exchange] = []
    while place >= 0:
        root = kept[root_of(kept, place)]
        turn = kept[place].turn
        if not (root.chat and turn.is_attached and turn.text.startswith(root.prompt)):
            break
        answer = turn.text[len(root.prompt) :].removeprefix(BREAK)
        if answer.strip():
            turns.append(Exchange(root.prompt, answer))
        place = root.after
    return tuple(reversed(turns))


def text_before(kept: Sequence[KeptRun], parent: int, prompt: str) -> str:
    """The text of a branch as its turn shows it: in a chat, the answer stands below what was said.

    Args:
        kept: every run.
        parent: the run it leaves; below 0 for none.
        prompt: what was said and the answer's beginning, as one text.
    """
    if parent < 0 or not (root := kept[root_of(kept, parent)]).chat or not prompt.startswith(root.prompt):
        return prompt
    return root.prompt + BREAK + prompt[len(root.prompt) :].removeprefix(BREAK)


def ids_to_go_on(run: KeptRun) -> tuple[int, ...]:
    """Everything that a run read and wrote first, without the token that ended it."""
    steps = run.steps[0]
    ended = any(end.sequence == 0 and end.finish_reason is FinishReason.EOS for end in run.ends)
    return run.context_ids(0, len(steps) - ended)
