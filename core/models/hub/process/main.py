"""The downloading process, `python -P -m core.models.hub.process.main NAME REVISION CACHE`.

It writes a `DownloadPlan` on stdout, reads a line from stdin as the consent, then fetches and writes events as JSON
lines; the last one is `Fetched` or `Refused`. huggingface_hub asks the hub and transfers the bytes; the truth about a
file is the hash that the hub names for it. A part of a file lies in the cache as `blobs/HASH.incomplete`, whatever
ends this process, and the next one goes on from there. Invariant: a snapshot appears when all of it is verified.
"""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, ModelCardData, constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils import WeakFileLock

from core.errors import EngineError, ModelFormatError
from core.messages.codec import encode_record
from core.models.hub import refusals
from core.models.hub.cache import entry_name
from core.models.hub.hashes import content_hash
from core.models.hub.process.faults import refusal, without_token
from core.models.hub.process.files import choose_files
from core.models.hub.process.transfer import Emit, TransferTally, fetch_into, patiently
from core.models.hub.records import DownloadPlan, Fetched, FetchEvent, HubFile, Paused, Refused, Verifying
from core.models.registry import ResolvedModel, Source, cached_models, weight_files

_LOCK_PATIENCE_S = 0.2


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a model goes in the cache."""

    cache: Path
    name: str

    @property
    def entry(self) -> Path:
        return self.cache / entry_name(self.name)

    def blob(self, file: HubFile) -> Path:
        return self.entry / "blobs" / file.blob

    def part(self, file: HubFile) -> Path:
        """The beginning of a file that has not come whole yet."""
        return self.entry / "blobs" / f"{file.blob}.incomplete"

    def lock(self, file: HubFile) -> Path:
        return self.cache / ".locks" / self.entry.name / f"{file.blob}.lock"

    def here_bytes(self, file: HubFile) -> int:
        """How much of a file is in the cache."""
        if self.blob(file).exists():
            return file.size_bytes
        part = self.part(file)
        return min(part.stat().st_size, file.size_bytes) if part.exists() else 0


def main(arguments: list[str]) -> int:
    """Plan, wait for consent, fetch; 0 when everything is there."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no event

    def emit(event: FetchEvent) -> None:
        channel.write(encode_record(event))
        channel.flush()

    name, revision, cache = arguments
    try:
        place = _Place(Path(cache), name)
        plan = _make_plan(name, revision, place, emit)
        emit(plan)
        if sys.stdin.readline().strip() != "go":
            return 0
        emit(Fetched(plan.folder, _fetch(plan, place, emit)))
    except BrokenPipeError:
        return 1  # nobody listens any more
    except Exception as error:  # the boundary of this process: whatever happens is one line for the user
        refused = _explain(error, name, revision, cache)
        sys.stderr.write(without_token(traceback.format_exc()))
        with suppress(BrokenPipeError):
            emit(Refused(type(refused).__name__, without_token(refused.message), refused.hint))
        return 1
    return 0


def shown_endpoint() -> str:
    """The hub's address without a name and password in it."""
    parts = urlsplit(constants.ENDPOINT)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _make_plan(name: str, revision: str, place: _Place, emit: Emit) -> DownloadPlan:
    """Ask the hub what a model consists of.

    Raises:
        EngineError: it has no such model, does not give it away, or has nothing that is used here.
    """

    def ask() -> ModelInfo:
        timeout_s = constants.HF_HUB_ETAG_TIMEOUT
        return HfApi().model_info(name, revision=revision, files_metadata=True, timeout=timeout_s)

    if any(part in ("", ".", "..") for part in revision.split("/")):
        raise refusals.no_revision(name, revision, shown_endpoint())
    info = patiently(ask, emit, shown_endpoint(), name)
    siblings = info.siblings or []
    files = [
        HubFile(one.rfilename, one.size or 0, one.lfs.sha256 if one.lfs else "", one.blob_id or "") for one in siblings
    ]
    chosen = choose_files(name, shown_endpoint(), files)
    commit = info.sha or ""
    if len(commit) != 40 or not all(character in "0123456789abcdef" for character in commit):
        raise refusals.no_hub(shown_endpoint())
    config = info.config or {}
    return DownloadPlan(
        name=name,
        revision=revision,
        commit=commit,
        endpoint=shown_endpoint(),
        license=_license(info.card_data),
        task=info.pipeline_tag or "",
        architecture=str((config.get("architectures") or [""])[0]),
        parameters=info.safetensors.total if info.safetensors else 0,
        files=chosen,
        missing_bytes=sum(file.size_bytes - place.here_bytes(file) for file in chosen),
        free_bytes=shutil.disk_usage(_existing(place.cache)).free,
        folder=str(place.entry / "snapshots" / commit),
    )


def _license(card: ModelCardData | None) -> str:
    if card is None:
        return ""
    value = (card.license_name or "other") if card.license == "other" else card.license
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _fetch(plan: DownloadPlan, place: _Place, emit: Emit) -> int:
    """Fetch and verify every file, then let the snapshot appear; returns what came over the network."""
    (place.entry / "blobs").mkdir(parents=True, exist_ok=True)
    place.lock(plan.files[0]).parent.mkdir(parents=True, exist_ok=True)
    tally = TransferTally(plan.total_bytes, len(plan.files), emit)
    for file in plan.files:
        tally.begin(file, place.here_bytes(file))
        with _Lock(place.lock(file), emit):
            if not place.blob(file).exists():
                _fetch_file(plan, file, place, tally)
        tally.end(file)
    _publish(plan, place)
    try:
        weight_files(ResolvedModel(plan.name, Source.CACHE, Path(plan.folder)))
    except EngineError:  # an index names what is not there: such a model must not be listed
        shutil.rmtree(plan.folder)
        raise
    _refer(plan, place)
    return tally.fetched_bytes


class _Lock:
    """One process at a time fetches a file; another one waits, and says so."""

    def __init__(self, path: Path, emit: Emit) -> None:
        self._path, self._emit = str(path), emit

    def __enter__(self) -> None:
        try:
            self._lock = WeakFileLock(self._path, timeout=_LOCK_PATIENCE_S)
            self._lock.__enter__()
        except TimeoutError:
            self._emit(Paused("another program is downloading this file", 0))
            self._lock = WeakFileLock(self._path)
            self._lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(None, None, None)


def _fetch_file(plan: DownloadPlan, file: HubFile, place: _Place, tally: TransferTally) -> None:
    """Bring one file into the blobs of the cache, whole and verified."""
    part = place.part(file)
    if part.exists() and part.stat().st_size > file.size_bytes:
        part.unlink()
    try:
        fetch_into(part, file, plan, tally)
    except HfHubHTTPError as error:
        if error.response.status_code != 416:
            raise
    tally.emit(Verifying(file.name, tally.number, tally.count))
    if content_hash(part, file.blob) != file.blob:  # also what ended before its size: nothing more comes of it
        part.unlink()
        raise refusals.wrong_hash(plan.name, file.name, plan.endpoint)
    part.replace(place.blob(file))


def _publish(plan: DownloadPlan, place: _Place) -> None:
    """Make the folder of the commit, with links to the blobs: hard ones where there are no others."""
    folder = Path(plan.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file in plan.files:
        target = folder / file.name
        if target.exists():
            continue
        target.unlink(missing_ok=True)
        try:
            target.symlink_to(Path("..", "..", "blobs", file.blob))
        except OSError:
            target.hardlink_to(place.blob(file))


def _refer(plan: DownloadPlan, place: _Place) -> None:
    """Note which commit the revision stands at."""
    if plan.revision == plan.commit:
        return
    reference = place.entry / "refs" / plan.revision
    reference.parent.mkdir(parents=True, exist_ok=True)
    fresh = reference.with_name(f"{reference.name}.{os.getpid()}.tmp")
    fresh.write_text(plan.commit, encoding="utf-8")
    fresh.replace(reference)


def _explain(error: Exception, name: str, revision: str, cache: str) -> EngineError:
    """What to tell the user."""
    if isinstance(error, EngineError):
        return error
    others = []
    with suppress(EngineError):
        others = [model.name for model in cached_models()]
    return refusal(error, name, revision, cache, shown_endpoint(), others) or ModelFormatError(
        f"{name} cannot be fetched: {type(error).__name__}", "run it again with --debug to see where"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
