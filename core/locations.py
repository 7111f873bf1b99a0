"""Where the program keeps its own files: the user's folders as the system names them (XDG on Linux).

Makes no folder; who writes does.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path, user_state_path

_APP = "nlp-tui"


def state_folder() -> Path:
    """What outlives a run but is no document: journals of unfinished work."""
    return user_state_path(_APP, appauthor=False)


def evaluations_folder() -> Path:
    """The journals of unfinished evaluations."""
    return state_folder() / "eval"


def conversations_folder() -> Path:
    """The conversations, one file each."""
    return user_data_path(_APP, appauthor=False) / "conversations"
