"""A prompt as the ids that a model reads: plain, or a turn of a chat after the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.engine.networks.loading import LoadedCausal
from core.errors import InputError
from core.messages.records import ChatMode, Exchange


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model reads before it writes."""

    ids: list[int]
    is_chat: bool = False
    """Whether its template was used."""
    earlier_read: int = 0
    """How many earlier turns are in it."""


def read_in(
    loaded: LoadedCausal,
    prompt: str,
    mode: ChatMode = ChatMode.AUTO,
    earlier: Sequence[Exchange] = (),
    new_tokens: int = 1,
) -> Reading:
    """Tokenise a prompt.

    The oldest turns of a chat are left out as long as there would be no room for an answer: for the new tokens, or for
    half of what the model can read when these are more.

    Args:
        loaded: the model.
        prompt: what is said, or to be continued.
        mode: whether it is a turn of a chat.
        earlier: the turns before it, oldest first.
        new_tokens: how many shall follow.

    Raises:
        InputError: a chat is wanted with a model that has no template for it.
        ModelFormatError: its template cannot be used.
    """
    template = loaded.template
    if mode is ChatMode.ON and template is None:
        raise InputError(
            f"{loaded.info.name} has no chat template: it continues text", "leave out --chat, or use an instruct model"
        )
    if template is None or mode is ChatMode.OFF:
        return Reading(loaded.tokenizer.ids(prompt))
    room = loaded.info.n_positions - min(new_tokens, loaded.info.n_positions // 2)
    turns = list(earlier)
    while True:
        ids = loaded.tokenizer.ids(template.render(turns, prompt), framed=False)
        if len(ids) <= room or not turns:
            return Reading(ids, True, len(turns))
        del turns[0]
