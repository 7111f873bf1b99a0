"""Every check of the project, in three tiers: `python -m tests --quick`, `python -m tests`, `python -m tests --all`.

`--quick` is for while one builds: the checks, the unit tests and a few of the interface. Without a word, everything but
the slowest tests runs; `--all` adds those, and runs the engine's tests once more as on a processor with AVX2 alone.
All checks run even when one fails; the last line says which passed, and the exit status is 1 if any failed.
Other arguments go to pytest (`python -m tests -k sampling`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

CHECKS: dict[str, list[str]] = {
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "ruff check": ["-m", "ruff", "check", "."],
    "import rules": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    "mypy": ["-m", "mypy"],
}
"""Arguments for this interpreter, by the name of the check."""

PYTEST = ["-m", "pytest", "--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal"]

QUICK = "(not app and not process and not slow) or smoke"
USUAL = "not slow"
"""Which tests a tier runs, as pytest's marker expressions; `--all` runs every one."""

LOWER_LEVEL = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Has torch and oneDNN compute as on a processor with AVX2 alone."""

LOWER_LEVEL_TESTS = ["tests/core/engine", "tests/tui/commands", "-m", USUAL]


def main(arguments: list[str]) -> int:
    """Run the checks of a tier from the repository's root; 0 when all passed."""
    tiers = [argument for argument in arguments if argument in ("--quick", "--all")]
    others = [argument for argument in arguments if argument not in tiers]
    began = time.perf_counter()
    passed = {name: _run(name, command) for name, command in CHECKS.items()}
    match tiers:
        case ["--quick"]:
            passed["pytest"] = _run("pytest", [*PYTEST, "-m", QUICK, *others])
        case ["--all"]:
            passed["pytest"] = _run("pytest", [*PYTEST, *others])
            lower = [*PYTEST, *LOWER_LEVEL_TESTS, *others]
            passed["pytest with AVX2"] = _run("pytest with AVX2", lower, LOWER_LEVEL)
        case []:
            passed["pytest"] = _run("pytest", [*PYTEST, "-m", USUAL, *others])
        case _:
            print("one tier at a time: --quick, --all, or neither", file=sys.stderr)
            return 2
    words = (f"{name} {'passed' if good else 'FAILED'}" for name, good in passed.items())
    print(f"checks: {', '.join(words)}; {time.perf_counter() - began:.0f} s in all")
    return 0 if all(passed.values()) else 1


def _run(name: str, arguments: list[str], environment: dict[str, str] | None = None) -> bool:
    """Run one check and say how long it took; whether it passed."""
    print(f"== {name}", flush=True)
    began = time.perf_counter()
    command = [sys.executable, *arguments]
    finished = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **(environment or {})}, check=False)
    is_good = finished.returncode == 0
    print(f"-- {name}: {'passed' if is_good else 'FAILED'} in {time.perf_counter() - began:.0f} s", flush=True)
    return is_good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
