"""A child process of this Python that talks in lines: started, read, written to and ended, its last stderr kept."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping

_STDERR_KEPT = 4096
_LINE_LIMIT = 64 * 2**20


class ChildProcess:
    """One process, from its start to its end."""

    def __init__(self, process: Process) -> None:
        """Take a process that runs; `start` makes one."""
        self._process = process
        self._output = b""
        self._stderr_reader = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(cls, module: str, *arguments: str, environment: Mapping[str, str]) -> ChildProcess:
        """Start a module, in a session of its own.

        Raises:
            OSError: it cannot be started.
            ValueError: an argument has a NUL in it.
        """
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", module, *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,
                env=environment,
            )
        )

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self.status is None else None

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.returncode

    def write(self, line: bytes) -> None:
        """Write to its stdin, unless that is closed."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(line)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield what it writes to stdout, as it comes."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            yield line

    async def ended(self) -> int:
        """Wait for its end, and return its exit status."""
        status = await self._process.wait()
        await asyncio.gather(self._stderr_reader, return_exceptions=True)
        return status

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.status is None:
            self._process.kill()

    def keep(self, output: bytes) -> None:
        """Keep the end of what it said that nobody understands."""
        self._output = (self._output + output)[-_STDERR_KEPT:]

    def cause(self) -> RuntimeError | None:
        """Return the end of what it said on stderr as the cause of an error; None when it said nothing."""
        output = self._output.decode("utf-8", "replace").strip()
        return RuntimeError(output) if output else None

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(_STDERR_KEPT):
            self.keep(chunk)
