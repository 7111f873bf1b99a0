"""Lists from files and pipes, one entry a line."""

from __future__ import annotations

import argparse

from tui.commands.options import read_text
from tui.widgets.lines import split_lines


def read_text_lines(file: str, what: str) -> tuple[str, ...]:
    """The lines of a UTF-8 file without those that are blank, and without white space at their ends.

    Args:
        file: a path; - reads standard input.
        what: how a message names the list, such as "the list of sentences".

    Raises:
        InputError: nothing but blank lines, or not UTF-8.
        EngineError: the file cannot be read.
    """
    piped = file == "-"
    source = argparse.Namespace(text="-" if piped else None, file=None if piped else file)
    return split_lines(read_text(source, what))
