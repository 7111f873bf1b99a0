"""Every check of the project, in order: `python -m tests`.

All of them run even when one fails; the last line says which passed, and the exit status is 1 if any failed.
Arguments go to pytest (`python -m tests -m "not starter"` leaves the slower tests out).
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

CHECKS: dict[str, list[str]] = {
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "ruff check": ["-m", "ruff", "check", "."],
    "mypy": ["-m", "mypy"],
    "import rules": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    "pytest": ["-m", "pytest", "--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile"],
}
"""Arguments for this interpreter, by the name of the check."""


def main(pytest_arguments: list[str]) -> int:
    """Run every check from the repository's root; 0 when all passed."""
    passed: dict[str, bool] = {}
    for name, arguments in CHECKS.items():
        print(f"== {name}", flush=True)
        began = time.perf_counter()
        command = [sys.executable, *arguments, *(pytest_arguments if name == "pytest" else [])]
        passed[name] = subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0
        print(f"-- {name}: {'passed' if passed[name] else 'FAILED'} in {time.perf_counter() - began:.0f} s", flush=True)
    words = (f"{name} {'passed' if good else 'FAILED'}" for name, good in passed.items())
    print(f"checks: {', '.join(words)}")
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
