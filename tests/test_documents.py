"""The documents and the program agree: links lead somewhere, commands parse, every command, key and pane is told."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
from textual.binding import BindingsMap

from tui.app import NlpTui
from tui.cli import build_parser
from tui.commands.catalogue import COMMANDS
from tui.lab.catalogue import LABS
from tui.lab.command_catalogue import COMMANDS as LAB_COMMANDS
from tui.lab.screen import LabScreen
from tui.main.screen import MainScreen
from tui.models.screen import ModelsScreen

REPOSITORY = Path(__file__).parents[1]

FOR_USERS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

DOCUMENTS = [*FOR_USERS, *(REPOSITORY / name for name in ("CONTRIBUTING.md", "CHANGELOG.md"))]
DOCUMENTS += [REPOSITORY / folder / "README.md" for folder in ("benchmarks", "training")]

MOST_LINES = 150

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

FOLDERS = tuple(f"{folder.name}/" for folder in REPOSITORY.iterdir() if folder.is_dir())

SPELT = {"escape": "Esc", "slash": "/", "delete": "Delete", "up": "↑", "down": "↓"}
"""How the documents write a key that is not simply upper case or as Textual has it."""


def name_of(path: Path) -> str:
    """A document's name in the ids of the tests."""
    return str(path.relative_to(REPOSITORY))


def spans(document: Path) -> list[str]:
    """What stands in backticks outside of blocks, on one line."""
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def anchors(document: Path) -> set[str]:
    """The headings of a document as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(document: Path) -> list[str]:
    """Every call of the program, in blocks and in the text."""
    blocks = "\n".join(FENCE.findall(document.read_text(encoding="utf-8")))
    calls = re.findall(r"^(?:\$ |.*(?:&&|\|) )?(nlp-tui(?: .*)?)$", blocks, re.MULTILINE)
    return calls + [span for span in spans(document) if re.match(r"nlp-tui( |$)", span)]


def is_understood(line: str) -> bool:
    """Return True if the program's parser takes the line; it runs nothing."""
    words = takewhile(lambda word: word not in (">", "|"), shlex.split(line, comments=True))
    try:
        build_parser().parse_args([*words][1:])
    except SystemExit as end:  # also after --help and --version
        return end.code == 0
    return True


def keys(document: Path) -> set[str]:
    """The keys in the first column of a document's tables of keys."""
    told: set[str] = set()
    lines = iter(document.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith("| key |"):
            for row in takewhile(lambda row: row.startswith("|"), lines):
                told.update(re.split(r"[, ]+", row.split("|")[1].strip()))
    return told


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", FENCE.sub("", document.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        if ":" in path:
            continue  # an address
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = {span for span in spans(document) if span.startswith(FOLDERS) and " " not in span and "TOPIC" not in span}
    assert [span for span in named if not any(REPOSITORY.glob(span))] == []


@pytest.mark.parametrize("document", FOR_USERS, ids=name_of)
def test_every_command_line_parses(document: Path) -> None:
    assert [line for line in command_lines(document) if not is_understood(line)] == []


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_command_has_an_example() -> None:
    shown = {line.split()[1] for line in command_lines(REPOSITORY / "docs" / "command-line.md") if " " in line}
    assert {command.name for command in (*COMMANDS, *LAB_COMMANDS)} <= shown


@pytest.mark.parametrize(
    ("place", "page"),
    [(NlpTui, "README.md"), (MainScreen, "README.md"), (LabScreen, "docs/lab.md"), (ModelsScreen, "docs/models.md")],
)
def test_every_key_is_told(place: type[NlpTui | MainScreen | LabScreen | ModelsScreen], page: str) -> None:
    bound = [key for key, _ in BindingsMap(place.BINDINGS)]
    assert bound
    written = {SPELT.get(key, key.upper() if re.fullmatch(r"f\d+", key) else key) for key in bound}
    assert written - keys(REPOSITORY / page) == set()


def test_every_pane_of_the_lab_has_a_row() -> None:
    rows = (REPOSITORY / "docs" / "lab.md").read_text(encoding="utf-8")
    assert [lab.title for lab in LABS if f"\n| {lab.title} |" not in rows] == []
