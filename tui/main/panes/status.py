"""The status line: which model, where it runs, what the engine does, how fast. Drops the least needed when narrow."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from core.messages.records import ModelInfo, describe_precision
from core.text.visible import visible


class StatusLine(Static):
    """One line, always all of it readable."""

    model: reactive[ModelInfo | None] = reactive(None)
    wanted_model: reactive[str] = reactive("")
    """The name asked for, until it is loaded."""
    state: reactive[str] = reactive("starting the engine")
    failed: reactive[bool] = reactive(False)
    hint: reactive[str] = reactive("")
    """What to do about a failure; too long to stand here, so others show it."""
    download: reactive[str] = reactive("")
    """How far the model on its way from the hub is, in a few words."""
    speed: reactive[str] = reactive("")
    """Tokens/s and TTFT of the run on screen."""
    context: reactive[str] = reactive("")
    """`used / n_positions` of the run on screen."""

    def on_mount(self) -> None:
        """Paint on every change."""
        for name in ("model", "wanted_model", "state", "failed", "download", "speed", "context"):
            self.watch(self, name, self._paint, init=False)
        self._paint()

    def on_resize(self) -> None:
        """Choose anew what fits."""
        self._paint()

    def _paint(self) -> None:
        model = self.model
        name = model.name if model is not None else self.wanted_model
        if name.lower().endswith(".gguf"):
            name = name.rpartition("/")[2]  # such files are named for what they hold
        where = f"{model.device} {describe_precision(model)}" if model is not None else ""
        source = f"({model.source})" if model is not None and not name.startswith(f"{model.source}/") else ""
        use = "" if model is None else "chat" if model.chat else "continues"
        # From the most to the least needed; what does not fit is left out from the end.
        items = [name, self.state, self.download, use, self.speed, where, self.context, source]
        order = [0, 7, 3, 5, 1, 2, 4, 6]
        room, kept = self.size.width - 2, set[int]()
        for index, item in enumerate(items):
            if item and len(item) + 3 <= room:
                room -= len(item) + 3
                kept.add(index)
        style = {1: "$text-error" if self.failed else "$text-success"}
        shown = [(visible(items[index]), style.get(index, "")) for index in order if index in kept]
        parts: list[Content | str | tuple[str, str]] = []
        for number, (text, text_style) in enumerate(shown):
            parts += [(" · ", "$text-muted") if number else " ", (text, text_style) if text_style else text]
        self.update(Content.assemble(*parts))
