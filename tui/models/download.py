"""One download at a time: planned, agreed to, followed, stopped. It goes on while the Models screen is not looked at.

Invariant: the process that downloads ends with the worker that reads it, however that ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import EngineError
from core.models.hub.download import Download, DownloadEvent, Transferring
from core.models.hub.records import DownloadPlan, Fetched, Paused, Verifying
from core.models.hub.refusals import size_text
from tui.models.plan_dialog import PlanDialog
from tui.models.texts import plan_lines
from tui.models.transfer_text import share_of, transfer_text
from tui.widgets.bars import bar

if TYPE_CHECKING:
    from textual.worker import Worker

    from tui.models.screen import ModelsScreen

BAR_CELLS = 20


class ModelDownload:
    """Brings a model from the hub."""

    def __init__(self, screen: ModelsScreen, *, forbid_network: bool) -> None:
        """Prepare; nothing happens yet.

        Args:
            screen: which shows how it goes.
            forbid_network: refuse to open a connection.
        """
        self._screen = screen
        self._forbid_network = forbid_network
        self._worker: Worker[None] | None = None
        self._download: Download | None = None
        self._is_transferring = False
        self._stopped = False
        self.name = ""
        """Of the model on its way; empty when there is none."""
        self.looked_at = asyncio.Event()
        """Whether the Models screen is on top: nothing is asked before."""

    @property
    def pid(self) -> int | None:
        """Of the process that downloads, while it runs."""
        return self._download.pid if self._download is not None else None

    def begin(self, name: str) -> None:
        """Ask the hub for a model, then the user; the rest follows."""
        if self.name:
            self._screen.say(f"one at a time: {self.name} is on its way; Esc stops it", failed=True)
            return
        self.name, self._is_transferring, self._stopped = name, False, False
        self._screen.say("")
        self._show("asking the hub…")
        self._worker = self._screen.run_worker(self._run(name), group="download", exit_on_error=False)

    def stop(self) -> bool:
        """End it and keep what has come; False when there is nothing to end."""
        if not self.name or self._worker is None:
            return False
        name, kept = self.name, self._is_transferring
        self._stopped = True
        self._worker.cancel()
        resumes = f"what has come of {name} is kept, and its name typed again goes on from there"
        self._screen.say(f"stopped; {resumes}" if kept else "stopped; nothing was downloaded")
        return True

    async def _run(self, name: str) -> None:
        download = self._download = Download(name, forbid_network=self._forbid_network)
        try:
            plan = await download.plan(self._take)
            if plan.missing_bytes and not await self._agreed(plan):
                self._screen.say(f"{plan.name}: nothing was downloaded")
                return
            self._is_transferring = True
            async for event in download.events():
                self._take(event)
            self._screen.download_ended(name, f"{plan.name} is here; every file has the hub's hash. Enter uses it")
        except EngineError as error:
            if not self._stopped:
                self._screen.download_ended("", str(error), failed=True)
        finally:
            self.name = ""
            try:
                await download.close()
            finally:
                self._screen.show_download("", "")

    async def _agreed(self, plan: DownloadPlan) -> bool:
        """Ask, but only someone who looks at the Models screen."""
        if not self.looked_at.is_set():
            self._show(f"{size_text(plan.missing_bytes)}, F8 to agree")
            await self.looked_at.wait()
        self._show("planned")
        dialog = PlanDialog(plan_lines(plan, self._screen.room), size_text(plan.missing_bytes))
        agreed: bool = await self._screen.app.push_screen_wait(dialog)
        return agreed

    def _take(self, event: DownloadEvent) -> None:
        """Show how far it is."""
        match event:
            case Transferring():
                share = share_of(event)
                detail = f"{bar(share, BAR_CELLS)} {transfer_text(event)} · file {event.number}/{event.count}"
                self._show(f"{share:.0%}", detail)
            case Verifying():
                self._show("verifying", f"comparing {event.file} with the hub's hash")
            case Paused():
                wait = f"; waiting {event.wait_s:.0f} s" if event.wait_s >= 1 else ""
                self._show("waiting", f"{event.reason}{wait}")
            case Fetched():
                self._show("done")

    def _show(self, short: str, detail: str = "") -> None:
        """Say it in a few words for the status line, and in one line for the Models screen."""
        self._screen.show_download(f"{self.name} {short}", f"{self.name}  {detail or short} · Esc stops it")
