"""What a request needs of a model's backend, and the one line that says that it is not there.

The interface asks before it sends; a backend asks of what it is sent nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from core.errors import InputError
from core.messages.protocol import Ask, Compare, Generate, Inspect, Load, Next, ScoreTokens, Work
from core.messages.records import Ability, ModelInfo, Target


def check_can(info: ModelInfo | None, *abilities: Ability) -> None:
    """Refuse what a model cannot do where it runs.

    Args:
        info: the model; None while it is not known, and then nothing is refused.
        abilities: all that is needed.

    Raises:
        InputError: one of them is missing.
    """
    for ability in abilities:
        if info is not None and ability not in info.can:
            raise InputError(f"the backend of {info.name} cannot {ability}", "the engine of this machine can")


def needs(request: Work) -> Iterator[Ability]:
    """Yield the abilities that a request needs."""
    if request.target != Target(request.target.model):
        yield Ability.PLACEMENT
    match request:
        case Load():
            pass
        case Generate():
            if request.prompt_ids or request.begun_ids:
                yield Ability.EXACT_TOKENS
            if request.schedule:
                yield Ability.RETUNING
        case Next() | Inspect():
            yield Ability.DISTRIBUTION
        case ScoreTokens():
            yield Ability.SCORES
        case Compare():
            yield Ability.COMPARISON
        case Ask():
            yield Ability.LAB
        case _:
            assert_never(request)
