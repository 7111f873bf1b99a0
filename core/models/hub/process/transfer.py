"""Bytes from the hub into a file, through huggingface_hub's session: watched, resumed, and patient within limits.

Part of the downloading process (`main`). What is on disk counts: each attempt goes on from the end of the
file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_stream_backoff, parse_ratelimit_headers

from core.models.hub import refusals
from core.models.hub.records import DownloadPlan, FetchEvent, Fetching, HubFile, Paused

LONGEST_WAIT_S = 60.0
"""A hub that asks for more patience than this is not waited for."""

PAUSES_S = (0.5, 2.0)
"""Before each new attempt after a fault of the hub's, or a 429 that does not say how long."""

CHUNK_BYTES = 2**16
"""What a kill or a cut can lose of what has come."""

_REPORT_EVERY_S = 0.1

_CUTS = (
    *("ConnectError", "ReadError", "WriteError", "CloseError", "RemoteProtocolError"),
    *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"),
)
"""The HTTP library's errors that may be over in a moment, by name: huggingface_hub is built on one of its versions."""

_MOST_CUTS = 5
"""So often in a row nothing may come between two of them."""

_CUT_PAUSE_S = 1.0

Emit: TypeAlias = Callable[[FetchEvent], None]
"""Takes an event to whoever waits for it."""

Result = TypeVar("Result")


class BusyError(Exception):
    """The hub answers 429 or 5xx."""

    def __init__(self, status: int, wait_s: float | None) -> None:
        super().__init__(status)
        self.status = status
        """Of HTTP."""
        self.wait_s = wait_s
        """What it asks for; None when it does not say."""


def patiently(call: Callable[[], Result], emit: Emit, endpoint: str, name: str) -> Result:
    """What a call to the hub returns, waiting and asking again while the hub is busy and says so.

    Args:
        call: uses huggingface_hub's session.
        emit: told of every wait.
        endpoint: the hub, for the error.
        name: of the model, for the error.

    Raises:
        DownloadError: it stays busy, or asks for a long wait.
    """
    for pause_s in (*PAUSES_S, None):
        _watch_answers()
        try:
            return call()
        except BusyError as busy:
            wait_s = pause_s if busy.wait_s is None else busy.wait_s
            if wait_s is None or wait_s > LONGEST_WAIT_S or pause_s is None:
                if busy.status == 429:
                    raise refusals.rate_limited(endpoint, busy.wait_s or 0.0) from None
                raise refusals.refused(name, endpoint, busy.status, logged_in=False) from None
            fault = "too many requests (429)" if busy.status == 429 else f"a fault of the hub ({busy.status})"
            emit(Paused(fault, wait_s))
            time.sleep(wait_s)
    raise AssertionError("the last attempt returns or raises")


def _watch_answers() -> None:
    """Have the session raise `BusyError`: the library itself would wait in silence, for as long as the hub says."""
    hooks = get_session().event_hooks["response"]
    if _check_answer not in hooks:
        hooks.append(_check_answer)


def _check_answer(response: Any) -> None:
    if response.status_code == 429 or response.status_code >= 500:
        raise BusyError(response.status_code, asked_wait_s(response.headers))


def asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` (a number or a date) or the hub's `ratelimit`."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        limit = parse_ratelimit_headers(headers)
        return float(limit.reset_in_seconds) if limit is not None and limit.remaining == 0 else None


class TransferTally:
    """How much of a download is there; reports it a few times a second."""

    def __init__(self, total_bytes: int, count: int, emit: Emit) -> None:
        self.emit = emit
        self.count = count
        """How many files."""
        self.number = 0
        """The file under way, from 1 up."""
        self.fetched_bytes = 0
        """What came over the network."""
        self._total_bytes = total_bytes
        self._before_bytes = 0
        self._file = ""
        self._reported_s = 0.0

    def begin(self, file: HubFile, here_bytes: int) -> None:
        """A file's turn; so much of it is there."""
        self.number, self._file = self.number + 1, file.name
        self._report(here_bytes)

    def came(self, count: int, here_bytes: int) -> None:
        """So much came, and so much of the file is there now."""
        self.fetched_bytes += count
        if time.monotonic() - self._reported_s >= _REPORT_EVERY_S:
            self._report(here_bytes)

    def end(self, file: HubFile) -> None:
        """All of the file is there."""
        self._report(file.size_bytes)
        self._before_bytes += file.size_bytes

    def _report(self, here_bytes: int) -> None:
        self._reported_s = time.monotonic()
        done_bytes = self._before_bytes + here_bytes
        self.emit(Fetching(self._file, self.number, self.count, done_bytes, self._total_bytes))


def fetch_into(part_path: Path, file: HubFile, plan: DownloadPlan, tally: TransferTally) -> None:
    """Bring the rest of a file; all that the hub has of it, which may not be what was announced.

    Args:
        part_path: what is there of it; made when there is nothing.
        file: what to fetch.
        plan: the download it belongs to.
        tally: told of every piece.

    Raises:
        DownloadError: the hub stays busy.
        Exception: anything else, as huggingface_hub raises it.
    """
    url = hf_hub_url(plan.name, file.name, revision=plan.commit)
    cuts = 0
    with part_path.open("ab") as part:
        while (before := part.tell()) < file.size_bytes:
            try:
                patiently(lambda: _append(part, url, tally), tally.emit, plan.endpoint, plan.name)
            except HTTPError as error:
                cuts = cuts + 1 if part.tell() == before else 0
                if type(error).__name__ not in _CUTS or cuts > _MOST_CUTS:
                    raise
                tally.emit(Paused("the connection was cut; going on from there", _CUT_PAUSE_S))
                time.sleep(_CUT_PAUSE_S)
            else:
                if part.tell() == before:  # the content ends before its size
                    return


def _append(part: BinaryIO, url: str, tally: TransferTally) -> None:
    """Ask for what a file lacks, and write each piece to the disk as it comes."""
    here = part.tell()
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}  # what is counted and resumed is the file itself
    if here:
        headers["Range"] = f"bytes={here}-"
    timeout_s = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with http_stream_backoff(
        "GET", url, headers=headers, timeout=timeout_s, retry_on_exceptions=(), retry_on_status_codes=408
    ) as answer:
        hf_raise_for_status(answer)
        if answer.status_code == 200:  # all of it, whatever was asked for
            part.truncate(part.seek(0))
        for chunk in answer.iter_bytes(CHUNK_BYTES):
            part.write(chunk)
            part.flush()
            tally.came(len(chunk), part.tell())
