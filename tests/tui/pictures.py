"""Pictures of the app as it runs, in the dark theme and in the light one, compared with those on record.

Starting the app costs most of a picture's time, so one start serves both themes, and several states where a test
names them. `--snapshot-update` records them anew; what differs is told, and shown in `snapshot_report.html`.
"""

from __future__ import annotations

import pickle
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
from pytest_textual_snapshot import PseudoApp, PseudoConsole, SVGImageExtension, node_to_report_path
from syrupy.assertion import SnapshotAssertion
from textual.app import App
from textual.pilot import Pilot

DARK, LIGHT = "textual-dark", "textual-light"
SMALL, WIDE = (80, 24), (120, 40)
"""Columns and rows of a terminal in which panes fold, and of one in which they do not."""

Show = Callable[[Pilot[None]], Awaitable[object]]
"""Brings the app into the state that is pictured."""


class SnapCompare(Protocol):
    """Tells whether an app looks as it did, in both themes."""

    def __call__(
        self,
        app: App[None],
        *,
        terminal_size: tuple[int, int],
        run_before: Show | Mapping[str, Show],
        also_wide: bool = False,
    ) -> bool:
        """Run the app and look.

        Args:
            app: not yet running.
            terminal_size: columns and rows.
            run_before: what is done first; several by name are done one after the other, with pictures of each.
            also_wide: the last state is also pictured at 120×40, in the dark theme.
        """


@dataclass
class Camera:
    """Takes the pictures of one test and compares them."""

    snapshot: SnapshotAssertion
    node: pytest.Item
    pictures: dict[str, str] = field(default_factory=dict)
    """SVG by name; the name is empty for the only state's dark picture."""

    def compare(
        self,
        app: App[None],
        *,
        terminal_size: tuple[int, int],
        run_before: Show | Mapping[str, Show],
        also_wide: bool = False,
    ) -> bool:
        """See `SnapCompare`."""
        states = run_before if isinstance(run_before, Mapping) else {"": run_before}

        async def take(pilot: Pilot[Any]) -> None:
            for name, show in states.items():
                await show(pilot)
                self.pictures[name] = await picture(pilot)
                app.theme = LIGHT
                self.pictures[f"{name}-light".removeprefix("-")] = await picture(pilot)
                app.theme = DARK
            if also_wide:
                await pilot.resize_terminal(*WIDE)
                self.pictures["wide"] = await picture(pilot)
            app.exit()

        app.run(headless=True, auto_pilot=take, size=terminal_size)
        assert self.pictures, "the app ended before its picture was taken"
        different = [name or "dark" for name, svg in self.pictures.items() if not self._is_on_record(name, svg)]
        if different:
            print(f"pictures that differ: {', '.join(different)}")
        return not different

    def _is_on_record(self, name: str, svg: str) -> bool:
        known = self.snapshot(name=name or None)
        if known == svg:
            return True
        path, line, test = self.node.reportinfo()
        report = node_to_report_path(self.node)
        told = (
            False,
            str(known),
            svg,
            PseudoApp(PseudoConsole(False, None)),
            path,
            line,
            f"{test} {name}",
            "",
            "",
            True,
        )
        report.with_name(f"{report.name}_{name}").write_bytes(pickle.dumps(told))
        return False


async def picture(pilot: Pilot[None]) -> str:
    """What the screen shows once everything is painted, as SVG."""
    for _ in range(2):
        await pilot.pause()
        await pilot.wait_for_scheduled_animations()
    await pilot.pause()
    return pilot.app.export_screenshot(title=pilot.app.title, simplify=True)


def camera(snapshot: SnapshotAssertion, node: pytest.Item) -> Camera:
    """A camera that keeps a file for each picture, beside the test."""
    return Camera(snapshot.use_extension(SVGImageExtension), node)
