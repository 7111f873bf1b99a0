"""A model hub in a thread: the part of the hub's HTTP that huggingface_hub uses to ask for and fetch a model.

The API and small files come from `127.0.0.1`; large ones are redirected to `localhost`, which stands for the CDN on
another host. Faults are ordered by a part of the path and wear out; every answer is noted.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

PATIENCE_S = 60
"""Turns a forgotten gate into a failure."""

_BLOCK_BYTES = 2**15


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A model of this hub, at one commit."""

    files: dict[str, bytes]
    pipeline_tag: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    revisions: tuple[str, ...] = ("main",)

    @property
    def commit(self) -> str:
        """A hash of everything in it."""
        parts = (name.encode() + content for name, content in sorted(self.files.items()))
        return hashlib.sha1(b"".join(parts)).hexdigest()


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next requests."""

    path: str
    """A part of their path."""
    times: int = 1
    method: str = ""
    """Empty for any."""
    status: int = 0
    """Answer with this instead."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the answer with that status, or beside those of the right one."""
    body: bytes = b""
    cut_after: int | None = None
    """Close the connection after so many bytes of the content."""
    hold_after: int | None = None
    """Wait for the gate after so many bytes."""
    gate: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    """Set once it waits."""
    alter: Callable[[bytes], bytes] | None = None
    """Hand out another content."""
    ignore_range: bool = False
    """Answer the whole file to a question for the rest of it."""
    size: int | None = None
    """In the API, claim this size for every file."""


@dataclass(frozen=True, slots=True)
class Served:
    """An answer."""

    method: str
    path: str
    host: str
    authorization: str
    range: str
    status: int
    sent_bytes: int
    """Of the content."""


class LocalHub:
    """The server: repositories, faults, and what was served."""

    def __init__(self) -> None:
        self.repositories: dict[str, HubRepository] = {}
        self.aliases: dict[str, str] = {}
        """Old names, which are redirected before any fault."""
        self.faults: list[Fault] = []
        self.served: list[Served] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop answering; what is held goes on."""
        for fault in self.faults:
            fault.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def order(self, path: str, **what: Any) -> Fault:
        """Order a fault."""
        fault = Fault(path, **what)
        self.faults.append(fault)
        return fault

    def sent_bytes(self, part: str = "/") -> int:
        """What was sent of contents whose path has this part."""
        return sum(one.sent_bytes for one in self.served if part in one.path)

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The fault that meets a request, if one does."""
        for fault in self.faults:
            if fault.times > 0 and fault.path in path and fault.method in ("", method):
                fault.times -= 1
                return fault
        return None


def sha256(content: bytes) -> str:
    """As the hub names large files."""
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    """As git names a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(name: str) -> bool:
    """Whether the hub keeps a file outside git."""
    return name.endswith((".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".gguf"))


def _sibling(name: str, content: bytes, size: int | None) -> dict[str, Any]:
    length = len(content) if size is None else size
    row: dict[str, Any] = {"rfilename": name, "size": length, "blobId": git_sha1(content)}
    if is_large(name):
        row["lfs"] = {"sha256": sha256(content), "size": length, "pointerSize": 130}
    return row


def _handler(hub: LocalHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def log_message(self, *_: Any) -> None:
            """Say nothing; `hub.served` has it."""

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            name = path.removeprefix("/api/models/").removeprefix("/").partition("/re")[0]
            if name in hub.aliases:
                self._send(307, b"", {"Location": self.path.replace(name, hub.aliases[name], 1)})
                return
            fault = hub.take_fault(self.command, path)
            if fault is not None and fault.status:
                self._send(fault.status, fault.body, fault.headers)
            elif path.startswith("/api/models/"):
                self._api(path.removeprefix("/api/models/"), fault)
            elif path.startswith("/cdn/"):
                self._cdn(path.removeprefix("/cdn/"), fault)
            elif "/resolve/" in path:
                name, _, rest = path.removeprefix("/").partition("/resolve/")
                self._resolve(name, rest, fault)
            else:
                self._not_found("Entry")

        def _find(self, name: str, revision: str) -> HubRepository | None:
            """A repository at a revision; says what is missing."""
            repository = hub.repositories.get(name)
            if repository is None:
                self._not_found("Repo")
            elif revision not in (*repository.revisions, repository.commit):
                self._not_found("Revision")
            else:
                return repository
            return None

        def _api(self, rest: str, fault: Fault | None) -> None:
            name, _, revision = rest.partition("/revision/")
            if (repository := self._find(name, revision or "main")) is None:
                return
            size = fault.size if fault is not None else None
            config = json.loads(repository.files.get("config.json", b"{}"))
            answer = {
                "id": name,
                "sha": repository.commit,
                "tags": [],
                "pipeline_tag": repository.pipeline_tag or None,
                "cardData": repository.card,
                "config": {"architectures": config.get("architectures", [])},
                "siblings": [_sibling(file, content, size) for file, content in repository.files.items()],
            }
            self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        def _resolve(self, name: str, rest: str, fault: Fault | None) -> None:
            revision, _, file = rest.partition("/")
            if (repository := self._find(name, revision)) is None:
                return
            if file not in repository.files:
                self._not_found("Entry")
                return
            content = repository.files[file]
            headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{git_sha1(content)}"'}
            if is_large(file):
                digest = sha256(content)
                location = f"http://localhost:{hub.port}/cdn/{digest}?signature=secret"
                headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content)), "Location": location}
                self._send(302, b"", headers | (fault.headers if fault is not None else {}))
            else:
                self._content(content, headers, fault)

        def _cdn(self, digest: str, fault: Fault | None) -> None:
            contents = (one for repository in hub.repositories.values() for one in repository.files.values())
            content = next((one for one in contents if sha256(one) == digest), None)
            if content is None:
                self._not_found("Entry")
                return
            self._content(content, {"ETag": f'"{digest}"'}, fault)

        def _content(self, content: bytes, headers: dict[str, str], fault: Fault | None) -> None:
            """A file or the rest of it, with what the fault does to it."""
            fault = fault or Fault("")
            content = fault.alter(content) if fault.alter is not None else content
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in self.headers else 0
            if start and not fault.ignore_range:
                if start >= len(content):
                    self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                    return
                headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                self._send(206, content[start:], headers | fault.headers, fault)
            else:
                self._send(200, content, headers | fault.headers, fault)

        def _not_found(self, what: str) -> None:
            """As the hub says it: with a code, and 401 to strangers who ask for a repository."""
            status = 401 if what == "Repo" and "Authorization" not in self.headers else 404
            self._send(status, b'{"error":"not found"}', {"X-Error-Code": f"{what}NotFound"})

        def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            sent = 0 if self.command == "HEAD" else self._send_body(body, fault)
            hub.served.append(
                Served(
                    method=self.command,
                    path=self.path,
                    host=self.headers["Host"],
                    authorization=self.headers.get("Authorization", ""),
                    range=self.headers.get("Range", ""),
                    status=status,
                    sent_bytes=sent,
                )
            )

        def _send_body(self, body: bytes, fault: Fault | None) -> int:
            """Send a body in blocks, up to where the fault stops it."""
            stop = fault.cut_after if fault is not None and fault.cut_after is not None else len(body)
            hold = fault.hold_after if fault is not None else None
            sent = 0
            try:
                while sent < min(stop, len(body)):
                    end = min(sent + _BLOCK_BYTES, stop, len(body))
                    if fault is not None and hold is not None and sent < hold:
                        end = min(end, hold)
                    elif fault is not None and hold is not None and not fault.gate.is_set():
                        self.wfile.flush()
                        fault.held.set()
                        fault.gate.wait(PATIENCE_S)
                    self.wfile.write(body[sent:end])
                    sent = end
                self.wfile.flush()
            except OSError:
                self.close_connection = True  # the other side is gone
            if stop < len(body):
                self.close_connection = True
            return sent

    return Handler
