"""What the hub's refusals and the disk's mean, in one line each, with what to do.

Takes plain values and never the text of an answer, so no token and no signed address can get into a message.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches

from core.errors import DownloadError, EngineError, ModelFormatError, ModelNotFoundError
from core.models.hub.records import DownloadPlan
from core.models.registry import COURSE_MODELS, STARTERS

RESUMES = "what has come so far is kept"

_FULL = (errno.ENOSPC, errno.EDQUOT)


def size_text(count: int) -> str:
    """A size for people, as the hub counts: 548.1 MB is 548,100,000 bytes."""
    if count >= 1e9:
        return f"{count / 1e9:,.2f} GB"
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def offline() -> DownloadError:
    """No connection may be opened."""
    return DownloadError(
        "nothing is downloaded offline", "leave --offline out, and unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE"
    )


def unreachable(endpoint: str, reason: str) -> DownloadError:
    """Nobody answers.

    Args:
        endpoint: the hub, or its mirror.
        reason: the cause, short.
    """
    return DownloadError(
        f"{endpoint} cannot be reached ({reason})",
        f"check the network, the proxy and HF_ENDPOINT, then run it again: {RESUMES}; the starters need no network",
    )


def no_hub(endpoint: str) -> DownloadError:
    """Somebody answers, but not a hub."""
    return DownloadError(
        f"what answers at {endpoint} is no model hub",
        "a login page of the network may stand between: open a page in a browser; or HF_ENDPOINT is wrong",
    )


def no_name(name: str) -> ModelNotFoundError:
    """Nothing on a hub can be called so."""
    return ModelNotFoundError(f"{name!r} is no name of a hub model", "names are like gpt2 or org/name")


def not_found(name: str, endpoint: str, others: Iterable[str]) -> ModelNotFoundError:
    """There is no such model, or it is hidden.

    Args:
        name: as asked for.
        endpoint: the hub, or its mirror.
        others: names that may have been meant, beside the starters' and the course's.
    """
    known = {*STARTERS, *COURSE_MODELS, *others} - {name}
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    hint = "check its name; if it is private: hf auth login"
    if near:
        hint = f"did you mean {near[0]}? If it is private: hf auth login"
    return ModelNotFoundError(f"{endpoint} has no model {name!r}, or hides it", hint)


def no_revision(name: str, revision: str, endpoint: str) -> ModelNotFoundError:
    """The model has no such branch, tag or commit."""
    return ModelNotFoundError(f"{name} has no revision {revision!r}", f"see {endpoint}/{name}/commits/main")


def gated(name: str, endpoint: str) -> DownloadError:
    """Its owners decide who may have it."""
    return DownloadError(
        f"{name} is gated: its owners decide who may download it",
        f"ask for access at {endpoint}/{name}, then log in with: hf auth login",
    )


def refused(name: str, endpoint: str, status: int, *, logged_in: bool) -> EngineError:
    """Any other answer that is no success.

    Args:
        name: of the model.
        endpoint: the hub, or its mirror.
        status: of HTTP.
        logged_in: whether a token was sent.
    """
    if status == 401 and not logged_in:
        return DownloadError(f"{endpoint} gives {name} only to who is logged in (401)", "log in with: hf auth login")
    if status == 401:
        return DownloadError(f"{endpoint} does not accept your token (401)", "log in again with: hf auth login")
    if status == 403:
        return DownloadError(
            f"{endpoint} forbids you to download {name} (403)", f"see {endpoint}/{name}, and log in: hf auth login"
        )
    if status >= 500:
        return DownloadError(f"{endpoint} has a fault of its own ({status})", f"try again later: {RESUMES}")
    return DownloadError(f"{endpoint} answers {status} to the download of {name}", "try again later")


def unusable_token() -> DownloadError:
    """The token has characters that no token has."""
    return DownloadError("your token cannot be sent: it has a strange character", "log in again with: hf auth login")


def rate_limited(endpoint: str, wait_s: float) -> DownloadError:
    """Too many requests, and the wait is long.

    Args:
        endpoint: the hub, or its mirror.
        wait_s: as it says; 0 when it does not say.
    """
    wait = f"asks to wait {wait_s:,.0f} s" if wait_s else "asks to wait"
    return DownloadError(
        f"{endpoint} {wait}: too many requests (429)",
        f"run it again then: {RESUMES}; who is logged in (hf auth login) may ask more often",
    )


def wrong_hash(name: str, file: str, endpoint: str) -> ModelFormatError:
    """What came is not what the hub names."""
    return ModelFormatError(
        f"{file} of {name} does not have the hash that the hub names, so it was removed",
        f"run it again; if it stays so, {endpoint} or a proxy hands out a changed copy",
    )


def too_large(plan: DownloadPlan, trash_bytes: int) -> DownloadError:
    """The disk has no room.

    Args:
        plan: what would come.
        trash_bytes: what emptying the trash would free.
    """
    trash = f"nlp-tui models rm --empty frees {size_text(trash_bytes)}; " if trash_bytes else ""
    return DownloadError(
        f"{plan.name} needs {size_text(plan.missing_bytes)}, the disk of {plan.folder.partition('/models--')[0]} has "
        f"{size_text(plan.free_bytes)} free",
        f"{trash}free some space, or set HF_HOME to a folder on another disk",
    )


def cannot_write(cache: str, error: OSError) -> DownloadError:
    """The disk does not take it."""
    if error.errno in _FULL:
        return DownloadError(f"the disk of {cache} is full", f"free some space and run it again: {RESUMES}")
    return DownloadError(
        f"the cache {cache} cannot be written: {error.strerror or error}", "set HF_HOME to a folder of yours"
    )
