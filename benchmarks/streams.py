"""Ways of running GPT-2 as child processes, and the arrival times of their tokens, stamped in this process.

All children are loaded once and then take turns; whoever has no turn is paused, so that no spinning thread of one
slows another.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import IO

from benchmarks import machine
from benchmarks.processes import end, send, tree
from benchmarks.ways.serve import Hello, Request


class WayError(Exception):
    """A way cannot be had here; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of running GPT-2."""

    name: str
    module: str
    """Of `benchmarks.ways`."""
    precision: str
    weight_bytes: float
    """A weight's size in memory in that precision."""
    packages: tuple[str, ...] = ()
    """The distributions it needs, the one whose version counts first."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One run as it arrived."""

    arrivals_s: tuple[float, ...]
    """When each token came, from the request on."""
    ids: tuple[int, ...]

    @property
    def ttft_s(self) -> float:
        """Request to first token."""
        return self.arrivals_s[0]

    @property
    def gaps_s(self) -> list[float]:
        """Between one token and the next."""
        return [late - early for early, late in pairwise(self.arrivals_s)]

    @property
    def tokens_per_s(self) -> float:
        """Decode speed: the tokens after the first over the time they took."""
        return (len(self.arrivals_s) - 1) / (self.arrivals_s[-1] - self.arrivals_s[0])


class Child:
    """A way that is loaded and waits for requests, paused between them."""

    def __init__(self, way: Way, model: Path, work: Path) -> None:
        """Start the process and wait until it is ready.

        Raises:
            WayError: it cannot be had.
        """
        self.way = way
        self._log = (work / f"{way.module}-{way.precision}.log").open("w+b")
        module = ("-m", f"benchmarks.ways.{way.module}")
        options = {"model": model, "precision": way.precision, "threads": machine.cores(), "work": work}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, *module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
        )
        self._members = [self._process.pid]
        self.note = self._greet().note
        self._members = tree(self._process.pid)  # an engine whose client died first must be found all the same

    def run(self, request: Request) -> Stream:
        """Run a request.

        Raises:
            WayError: the process ended.
        """
        send(self._process.pid, signal.SIGCONT)
        requests, lines = self._pipes()
        began = time.perf_counter()
        requests.write(json.dumps(asdict(request)).encode() + b"\n")
        arrivals, ids = [], []
        while (line := lines.readline()).strip():
            arrivals.append(time.perf_counter() - began)
            ids.append(int(line))
        if not line:
            raise WayError(self._last_words())
        if len(ids) != request.new_tokens:
            raise WayError(f"gave {len(ids)} of {request.new_tokens} tokens")
        send(self._process.pid, signal.SIGSTOP)
        return Stream(tuple(arrivals), tuple(ids))

    def close(self) -> None:
        """End the process and what it started."""
        end(*self._members)
        self._process.wait()
        self._log.close()

    def _greet(self) -> Hello:
        line = self._pipes()[1].readline()
        if not line:
            reason = self._last_words()
            self.close()
            raise WayError(reason)
        hello = Hello(**json.loads(line))
        if hello.missing:
            self.close()
            raise WayError(hello.missing)
        return hello

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:160] if lines else f"ended with status {self._process.poll()}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What several runs of one way come to."""

    tokens_per_s: float
    """Median of the runs."""
    ttft_s: float
    """Median of the runs."""
    itl_p50_s: float
    """Of all gaps of all runs."""
    itl_p99_s: float
    calm: bool
    """Whether every run was undisturbed."""

    @classmethod
    def of(cls, streams: list[Stream], *, calm: bool) -> Figures:
        """From the runs themselves."""
        gaps = sorted(gap for stream in streams for gap in stream.gaps_s)
        return cls(
            tokens_per_s=median(stream.tokens_per_s for stream in streams),
            ttft_s=median(stream.ttft_s for stream in streams),
            itl_p50_s=percentile(gaps, 0.5),
            itl_p99_s=percentile(gaps, 0.99),
            calm=calm,
        )


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` of a sorted list does not exceed (nearest rank)."""
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
