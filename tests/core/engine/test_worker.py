"""The worker's side of the pipe: what goes to which stream, and when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from core.messages import protocol
from core.messages.codec import decode
from core.messages.protocol import Hello

REPOSITORY = Path(protocol.__file__).parents[2]


def run_python(code: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, env=environment, check=True)


def test_what_the_worker_prints_goes_to_stderr_and_only_events_to_stdout() -> None:
    code = (
        "import os\n"
        "from core.engine import worker\n"
        "emit = worker._protocol_output()\n"
        "print('printed', flush=True)\n"
        "os.system('echo from a child')\n"
        "emit(worker.Hello(0, 42))\n"
    )
    finished = run_python(code)
    assert [decode(line) for line in finished.stdout.splitlines()] == [Hello(0, 42)]
    assert finished.stderr.splitlines() == [b"printed", b"from a child"]


def test_the_worker_says_hello_before_anything_else_and_ends_when_stdin_closes() -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-P", "-m", "core.engine.worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert decode(worker.stdout.readline()) == Hello(0, worker.pid)
        worker.stdin.close()
        assert worker.wait(60) == 0
        assert worker.stdout.read() == b""
        assert worker.stderr.read() == b""
