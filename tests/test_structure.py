"""The house as a whole: nothing imports in a circle, no room is overfull, every room says what lives there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

MODULES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("core", "tui")
    for path in sorted((REPOSITORY / package).rglob("*.py"))
}
"""The files of both packages by their dotted names."""

MOST_MODULES = 15

HOOKS = {"COMMANDS", "TASKS", "add_arguments", "main", "run"}
"""Names that many modules have, because a catalogue or the command line looks for them."""


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports anywhere in it, for the type checker too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names if alias.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    name = f"{module}.{alias.name}"
                    if name in MODULES or module in MODULES:
                        yield name if name in MODULES else module


def public_names(path: Path) -> Iterator[str]:
    """The classes, functions and constants that a file defines for others."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case (
                ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.AnnAssign(ast.Name(name))
            ):
                found = [name]
            case ast.Assign(targets):
                found = [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
            case _:
                found = []
        yield from (name for name in found if not name.startswith("_"))


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: set(imported(path)) - {name} for name, path in MODULES.items()}
    assert sum(map(len, graph.values())) > 1000, "the imports were not found"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle: {' → '.join(error.args[1])}") from None


def test_no_room_holds_more_than_a_reader_can_take_in() -> None:
    rooms = {path.parent for path in MODULES.values()}
    counts = {str(room.relative_to(REPOSITORY)): len([*room.glob("*.py")]) - 1 for room in rooms}
    assert {room: count for room, count in counts.items() if count > MOST_MODULES} == {}


def test_no_public_name_means_two_things() -> None:
    homes: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        for name in public_names(path):
            homes.setdefault(name, set()).add(module)
    assert len(homes) > 1000, "the names were not found"
    assert {name: modules for name, modules in homes.items() if len(modules) > 1 and name not in HOOKS} == {}
    assert {name for name in HOOKS if len(homes[name]) == 1} == set(), "a hook that is an ordinary name by now"


def test_every_room_says_what_lives_there_and_nothing_else() -> None:
    for room in {path.parent for path in MODULES.values()}:
        body = ast.parse((room / "__init__.py").read_text(encoding="utf-8")).body
        assert [type(node) for node in body] == [ast.Expr], room
        assert ast.get_docstring(ast.Module(body, [])), room


def test_no_pane_of_the_lab_knows_a_backend_or_a_request() -> None:
    panes = {name: path for name, path in MODULES.items() if name.startswith("tui.lab.") and name.endswith("pane")}
    assert len(panes) > MOST_MODULES
    for name, path in panes.items():
        known = [one for one in imported(path) if one.startswith(("core.backends", "core.messages.protocol"))]
        assert not known, name
