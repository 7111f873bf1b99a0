"""What is said between the downloading process and the one that started it: a plan first, then events, as JSON lines.

An event is a frozen dataclass whose class name travels as `"type"`, as `core.messages.codec` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, get_args


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a hub model."""

    name: str
    size_bytes: int
    sha256: str
    """What the hub says its content has; empty for small files, which git keeps itself."""
    git_sha1: str
    """Git's hash of it; for files with a `sha256`, that of a pointer to it."""

    @property
    def blob(self) -> str:
        """The hash of its content, which is its name among the cache's blobs."""
        return self.sha256 or self.git_sha1


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What a download would bring; nothing of it is fetched yet."""

    name: str
    revision: str
    """As asked for: a branch, a tag or a commit."""
    commit: str
    """What the revision stands at."""
    endpoint: str
    """The hub, or its mirror."""
    license: str
    """As the model's card says; empty when it says nothing."""
    task: str
    """As the hub calls it (`text-generation`); may be empty."""
    architecture: str
    parameters: int
    """0 when the hub does not know."""
    files: tuple[HubFile, ...]
    missing_bytes: int
    """What is not in the cache yet, parts of unfinished downloads taken off."""
    free_bytes: int
    """On the disk of the cache."""
    folder: str
    """Where the files will be, as an ordinary model folder."""

    @property
    def total_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Fetching:
    """A file is on its way."""

    file: str
    number: int
    """Of the file, from 1 up."""
    count: int
    done_bytes: int
    """Of all files, what was there before included."""
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The download waits, and goes on by itself."""

    reason: str
    wait_s: float
    """0 when nobody knows for how long."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """A file is there, and its hash is compared with the hub's."""

    file: str
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Everything is there and has the hub's hashes; the last event."""

    folder: str
    fetched_bytes: int
    """What came over the network."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The download failed; the last event."""

    kind: str
    """The name of an error class (`core.errors.ERROR_KINDS`)."""
    message: str
    hint: str


FetchEvent: TypeAlias = DownloadPlan | Fetching | Paused | Verifying | Fetched | Refused

FETCH_EVENTS = {kind.__name__: kind for kind in get_args(FetchEvent)}
"""By the names under which they travel."""
