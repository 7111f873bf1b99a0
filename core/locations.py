"""Where the program keeps its own files: the user's folders as the system names them (XDG on Linux).

Makes no folder; who writes does.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_data_path, user_log_path, user_state_path

_APP = "nlp-tui"


def state_folder() -> Path:
    """What outlives a run but is no document: journals of unfinished work."""
    return user_state_path(_APP, appauthor=False)


def evaluations_folder() -> Path:
    """The journals of unfinished evaluations."""
    return state_folder() / "eval"


def cache_folder() -> Path:
    """What can be made again: models converted from other formats."""
    return user_cache_path(_APP, appauthor=False)


def conversions_folder() -> Path:
    """gguf files as ordinary model folders, one each."""
    return cache_folder() / "converted"


def data_folder() -> Path:
    """The user's own: conversations and saved runs."""
    return user_data_path(_APP, appauthor=False)


def config_folder() -> Path:
    """Settings."""
    return user_config_path(_APP, appauthor=False)


def log_folder() -> Path:
    """Logs, where one was asked for."""
    return user_log_path(_APP, appauthor=False)


def conversations_folder() -> Path:
    """The conversations, one file each."""
    return user_data_path(_APP, appauthor=False) / "conversations"
