"""One download at a time: planned, agreed to, followed, stopped. It goes on while the Models screen is not looked at.

Invariant: the process that downloads ends with the worker that reads it, however that ends.
"""

from __future__ import annotations

import asyncio

from core.errors import EngineError
from core.models.hub.download import Download, DownloadEvent, Transferring
from core.models.hub.records import DownloadPlan, Fetched, Paused, Verifying
from core.models.hub.refusals import size_text
from tui.host import OngoingWork
from tui.models.board import Board
from tui.models.transfer_text import share_of, transfer_text
from tui.widgets.bars import bar

_BAR_CELLS = 20


class ModelDownload:
    """Brings a model from the hub."""

    def __init__(self, board: Board, *, forbid_network: bool) -> None:
        """Prepare; nothing happens yet.

        Args:
            board: which shows how it goes.
            forbid_network: refuse to open a connection.
        """
        self._board = board
        self._forbid_network = forbid_network
        self._task: OngoingWork | None = None
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
            self._board.say(f"one at a time: {self.name} is on its way; Esc stops it", failed=True)
            return
        self.name, self._is_transferring, self._stopped = name, False, False
        self._board.say("")
        self._show("asking the hub…")
        self._task = self._board.work(self._run(name), "download")

    def stop(self) -> bool:
        """End it and keep what has come; False when there is nothing to end."""
        if not self.name or self._task is None:
            return False
        name, kept = self.name, self._is_transferring
        self._stopped = True
        self._task.cancel()
        resumes = f"what has come of {name} is kept, and its name typed again goes on from there"
        self._board.say(f"stopped; {resumes}" if kept else "stopped; nothing was downloaded")
        return True

    async def _run(self, name: str) -> None:
        download = self._download = Download(name, forbid_network=self._forbid_network)
        try:
            plan = await download.plan(self._take)
            if plan.missing_bytes and not await self._agreed(plan):
                self._board.say(f"{plan.name}: nothing was downloaded")
                return
            self._is_transferring = True
            async for event in download.events():
                self._take(event)
            self._board.download_ended(name, f"{plan.name} is here; every file has the hub's hash. Enter uses it")
        except EngineError as error:
            if not self._stopped:
                self._board.download_ended("", str(error), failed=True)
        finally:
            self.name = ""
            try:
                await download.close()
            finally:
                self._board.show_download("", "")

    async def _agreed(self, plan: DownloadPlan) -> bool:
        """Ask, but only someone who looks at the Models screen."""
        if not self.looked_at.is_set():
            self._show(f"{size_text(plan.missing_bytes)}, F8 to agree")
            await self.looked_at.wait()
        self._show("planned")
        return await self._board.agree(plan)

    def _take(self, event: DownloadEvent) -> None:
        """Show how far it is."""
        match event:
            case Transferring():
                share = share_of(event)
                detail = f"{bar(share, _BAR_CELLS)} {transfer_text(event)} · file {event.number}/{event.count}"
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
        self._board.show_download(f"{self.name} {short}", f"{self.name}  {detail or short} · Esc stops it")
