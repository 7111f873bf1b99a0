"""Every pane of the lab, in the order of the course."""

from __future__ import annotations

from tui.lab_pane import LabPane
from tui.labs.fill import FillPane

LABS: tuple[type[LabPane], ...] = (FillPane,)
