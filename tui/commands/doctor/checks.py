"""The doctor's checks that need no engine: versions, terminal, files, memory, network."""

from __future__ import annotations

import base64
import platform
import shutil
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from core.memory import free_bytes, total_bytes
from tui.commands.doctor.terminal_probe import between, colours, encoding, size, wide_cells
from tui.commands.locate import is_writable, nearest_folder, places

REQUIRED = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "textual", "huggingface_hub")
OPTIONAL = {"gguf": "to read gguf files", "accelerate": "to read gguf files"}

LEAST_COLUMNS, LEAST_ROWS = 80, 24
LEAST_DISK_BYTES = 2_000_000_000
"""Below this, a download of the course's models is likely to fail."""
LEAST_MEMORY_BYTES = 1_000_000_000
_PATIENCE_S = 5.0
"""How long the network may take."""

HUB = "https://huggingface.co"
_LEAST_PYTHON = (3, 11)


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    """It cannot be found out; that is no fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. Field order and names are part of the command-line contract."""

    area: str
    name: str
    verdict: Verdict
    detail: str
    hint: str = ""
    """What to do; empty when there is nothing to do."""
    value: float | None = None
    """The number behind it: an error in nats, or free bytes; None where there is none."""
    used: str = ""
    """Of a device and a precision that were tried, the precision that computes there; else empty."""


def check_versions() -> Iterator[Finding]:
    """Python, this program, and what it stands on."""
    enough = sys.version_info[:2] >= _LEAST_PYTHON
    least = ".".join(map(str, _LEAST_PYTHON))
    yield Finding(
        *("versions", "python", Verdict.OK if enough else Verdict.PROBLEM),
        f"{platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}",
        "" if enough else f"use Python {least} or later",
    )
    for package in ("nlp-tui", *REQUIRED):
        found = _version(package)
        hint = "" if found else "install it again: pip install nlp-tui"
        yield Finding("versions", package, Verdict.OK if found else Verdict.PROBLEM, found or "is not installed", hint)
    for package, purpose in OPTIONAL.items():
        found = _version(package)
        hint = "" if found else 'pip install "nlp-tui[gguf]"'
        yield Finding("versions", package, Verdict.OK, found or f"is not installed; needed {purpose}", hint)


def check_terminal(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What the terminal can show."""
    through = between(environment)
    name = environment.get("TERM_PROGRAM") or environment.get("TERM") or "not known"
    yield Finding("terminal", "kind", Verdict.OK, " through ".join([name, *through]))
    there = size()
    if there is None:
        yield Finding("terminal", "size", Verdict.UNKNOWN, "no terminal here: the commands work, the app needs one")
    else:
        fits = there[0] >= LEAST_COLUMNS and there[1] >= LEAST_ROWS
        hint = "" if fits else f"the app is made for {LEAST_COLUMNS}×{LEAST_ROWS} and more"
        detail = f"{there[0]}×{there[1]}"
        yield Finding("terminal", "size", Verdict.OK if fits else Verdict.WARNING, detail, hint)
    found = colours(environment)
    plain = found.startswith("none")
    hint = "shades and numbers say the same without" if plain else ""
    yield Finding("terminal", "colours", Verdict.WARNING if plain else Verdict.OK, found, hint)
    is_utf8 = encoding().replace("-", "") == "utf8"
    hint = "" if is_utf8 else "set a UTF-8 locale, such as LANG=C.UTF-8"
    yield Finding("terminal", "encoding", Verdict.OK if is_utf8 else Verdict.WARNING, encoding(), hint)
    yield _wide_characters(wide_cells())
    detail = "copying uses OSC 52, and a terminal does not tell whether it obeys"
    yield Finding("terminal", "clipboard", Verdict.UNKNOWN, detail, "copy something with y and paste it to find out")


def check_folders() -> Iterator[Finding]:
    """Each folder: is there room, and may it be written?"""
    for place in places():
        only_read = place.name == "starters"
        if not only_read and not is_writable(place.path):
            yield Finding(
                "files", place.name, Verdict.PROBLEM, f"{place.path} cannot be written", "check its permissions"
            )
            continue
        if only_read and not place.exists:
            yield Finding("files", place.name, Verdict.PROBLEM, f"{place.path} is missing", "install nlp-tui again")
            continue
        free = shutil.disk_usage(nearest_folder(place.path)).free
        is_little = free < LEAST_DISK_BYTES and not only_read
        room = "" if only_read else f", {free / 1e9:,.1f} GB free"
        hint = "free some space before you download a model" if is_little else ""
        verdict = Verdict.WARNING if is_little else Verdict.OK
        detail = f"{place.path}{room}{'' if place.exists else ', not there yet'}"
        yield Finding("files", place.name, verdict, detail, hint, None if only_read else free)


def check_memory() -> Iterator[Finding]:
    """How much there is for models."""
    total, free = total_bytes(), free_bytes()
    if not free:
        yield Finding("memory", "main memory", Verdict.UNKNOWN, "this system does not tell")
        return
    is_little = free < LEAST_MEMORY_BYTES
    hint = "only small models fit; close other programs" if is_little else ""
    detail = f"{free / 1e9:,.1f} GB free of {total / 1e9:,.1f} GB"
    yield Finding("memory", "main memory", Verdict.WARNING if is_little else Verdict.OK, detail, hint, free)


def check_network(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the hub, or the mirror in its place, answers; the only check that opens a connection."""
    endpoint = environment.get("HF_ENDPOINT", "").rstrip("/") or HUB
    proxies = sorted(set(urllib.request.getproxies()) & {"http", "https", "all"})
    yield Finding("network", "proxy", Verdict.OK, f"set for {', '.join(proxies)}" if proxies else "none is set")
    name, shown = "hub" if endpoint == HUB else "mirror", _without_secrets(endpoint)
    hint = "check the connection, the proxy variables and HF_ENDPOINT; everything bundled works without"
    try:
        request = urllib.request.Request(f"{shown}/api/models/gpt2", headers=_headers(endpoint))
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            yield Finding("network", name, Verdict.OK, f"{shown} answers ({answer.status})")
    except urllib.error.HTTPError as error:
        # It answers, if only to say no.
        known = error.code in (401, 403, 404, 429)
        verdict = Verdict.WARNING if known else Verdict.PROBLEM
        yield Finding("network", name, verdict, f"{shown} answers {error.code} {error.reason}", hint)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        late = isinstance(reason, TimeoutError | socket.timeout)
        said = f"no answer within {_PATIENCE_S:.0f} s" if late else str(reason)
        yield Finding("network", name, Verdict.PROBLEM, f"{shown} cannot be reached: {said}", hint)


def _without_secrets(address: str) -> str:
    """An address without the name and password that may stand in it."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:
        return "HF_ENDPOINT"  # it is no address
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _headers(address: str) -> dict[str, str]:
    """Of a request: who asks, and the name and password that the address holds."""
    name = {"User-Agent": "nlp-tui"}
    with suppress(ValueError):
        secret, at, _ = urllib.parse.urlsplit(address).netloc.rpartition("@")
        if at:
            token = base64.b64encode(urllib.parse.unquote(secret).encode()).decode()
            return name | {"Authorization": f"Basic {token}"}
    return name


def _wide_characters(cells: int | None) -> Finding:
    if cells is None:
        return Finding(
            "terminal", "wide characters", Verdict.UNKNOWN, "the terminal cannot be asked, or does not answer"
        )
    if cells == 2:
        return Finding("terminal", "wide characters", Verdict.OK, "two cells each, as Korean and emoji need")
    hint = "Korean and emoji will shift what stands beside them; set a UTF-8 locale, or use another terminal"
    return Finding("terminal", "wide characters", Verdict.WARNING, f"{cells} cells instead of two", hint)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
