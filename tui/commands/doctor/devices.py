"""The doctor's self-test: the bundled GPT-2 on every device in every precision, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from core.backends.process import worker_environment
from tui.commands.doctor.checks import Finding, Verdict

SELF_TEST_PATIENCE_S = 180.0
"""How long everything may take; a device that hangs is a finding, too."""

AREA = "devices"


def check_devices(command: tuple[str, ...] = ("-P", "-m", "core.engine.self_test")) -> Iterator[Finding]:
    """Try every device; what the process did not come to is a problem of the one it died or hung at.

    Args:
        command: arguments of this Python, which print as `core.engine.self_test` does.
    """
    try:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=worker_environment(),
            text=True,
            encoding="utf-8",
        )
    except OSError as error:
        yield Finding(AREA, "self-test", Verdict.PROBLEM, f"it cannot be started: {error.strerror}")
        return
    timer = threading.Timer(SELF_TEST_PATIENCE_S, process.kill)
    timer.start()
    todo: list[tuple[str, str]] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            value: dict[str, Any] = json.loads(line)
            if "todo" in value:
                todo = [(device, dtype) for device, dtype in value["todo"]]
                yield Finding(AREA, "torch", Verdict.OK, f"{value['torch']}, {value['threads']} threads")
            else:
                todo = [one for one in todo if one != (value["device"], value["dtype"])]
                yield judge(value)
        status = process.wait()
    finally:
        is_late = not timer.is_alive()
        timer.cancel()
        process.kill()
        process.wait()
    if status or todo:
        where = " ".join(todo[0]) if todo else "self-test"
        yield Finding(AREA, where, Verdict.PROBLEM, _how_it_ended(status, is_late), "use another --device or --dtype")


def judge(value: dict[str, Any]) -> Finding:
    """The verdict on one result of the self-test."""
    name = f"{value['device']} {value['dtype']}"
    if value["problem"]:
        return Finding(AREA, name, Verdict.PROBLEM, value["problem"], "use another --device or --dtype")
    if value["missing"]:
        return Finding(AREA, name, Verdict.OK, "not on this processor; float32 is used", used="float32")
    numbers = f"error {value['error']:.1e} nats (up to {value['tolerance']:g} is fine), {value['seconds']:.1f} s"
    if value["stale"]:
        hint = "the golden values are of other weights: python -m training.golden writes them anew"
        detail = "it runs; whether it computes rightly cannot be told"
        return Finding(AREA, name, Verdict.WARNING, detail, hint, used=value["used"])
    if not value["same_best"] or not value["error"] <= value["tolerance"]:
        wrong = "" if value["same_best"] else ", another token is the most likely"
        detail = f"it computes wrongly: {numbers}{wrong}"
        return Finding(AREA, name, Verdict.PROBLEM, detail, "use another --device", value["error"], value["used"])
    return Finding(AREA, name, Verdict.OK, numbers, value=value["error"], used=value["used"])


def _how_it_ended(status: int, is_late: bool) -> str:
    if is_late:
        return f"it hangs: nothing came for {SELF_TEST_PATIENCE_S:.0f} s"
    if status < 0:
        with_name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        return f"it crashes ({with_name})"
    return f"the self-test ended early, with exit status {status}"
