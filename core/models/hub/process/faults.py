"""huggingface_hub's errors as the user's: which refusal each of them is. Part of the downloading process."""

from __future__ import annotations

from collections.abc import Iterable

from huggingface_hub import get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.errors import EngineError
from core.models.hub import refusals


def refusal(
    error: Exception, name: str, revision: str, cache: str, endpoint: str, others: Iterable[str]
) -> EngineError | None:
    """What an error means to the user, or None when it means nothing to them.

    Args:
        error: as huggingface_hub, the HTTP library or the disk raised it.
        name: of the model.
        revision: asked for.
        cache: where it should have gone.
        endpoint: the hub, or its mirror.
        others: names that may have been meant.
    """
    match error:
        case GatedRepoError():
            return refusals.gated(name, endpoint)
        case RepositoryNotFoundError():
            return refusals.not_found(name, endpoint, others)
        case RevisionNotFoundError():
            return refusals.no_revision(name, revision, endpoint)
        case HfHubHTTPError() if error.response.status_code == 404:
            return refusals.not_found(name, endpoint, others)
        case HfHubHTTPError():
            return refusals.refused(name, endpoint, error.response.status_code, logged_in=get_token() is not None)
        case OfflineModeIsEnabled():
            return refusals.offline()
        case HFValidationError():
            return refusals.no_name(name)
        case UnicodeEncodeError():  # HTTP's headers, of which the token is the only one from outside
            return refusals.unusable_token()
    if isinstance(error, HTTPError):
        return refusals.unreachable(endpoint, _reason(error))
    if isinstance(error, OSError) and error.errno is not None:
        return refusals.cannot_write(cache, error)
    if isinstance(error, ValueError | KeyError | TypeError):
        return refusals.no_hub(endpoint)
    return None


def without_token(text: str) -> str:
    """A text in which the user's token, should it be there, cannot be read."""
    token = get_token()
    return text.replace(token, "(token)") if token else text


def _reason(error: Exception) -> str:
    """Why nobody answers, in a few words; only texts that hold no header."""
    kind = type(error).__name__
    if "Timeout" in kind:
        return "no answer in time"
    if kind in ("ConnectError", "ProxyError"):
        return str(error).partition("\n")[0][:120] or kind
    return "the connection was lost" if kind in ("ReadError", "RemoteProtocolError", "WriteError") else kind
