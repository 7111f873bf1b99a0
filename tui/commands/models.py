"""`nlp-tui models …`: what is on this machine, and how models come, go, and are checked.

Data on stdout, talk, progress and the one question on stderr. Only `pull` opens a connection, in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict

from core.errors import InputError, ModelFormatError, ModelNotFoundError
from core.models.conversions import converted_models
from core.models.facts import ModelFacts, model_facts
from core.models.hub.cache import MAIN, split_revision
from core.models.hub.download import Download, DownloadEvent, Transferring
from core.models.hub.records import DownloadPlan, Fetched, Paused, Verifying
from core.models.hub.refusals import no_name, size_text
from core.models.registry import STARTERS, cached_models, resolve
from core.models.trash import (
    bring_back,
    conversions_trash,
    empty_trash,
    folder_bytes,
    move_to_trash,
    trash_bytes,
    trash_folder,
    undo_name,
)
from core.models.verifying import FileState, check_files
from core.text.visible import visible
from tui.commands.conversing import EXIT_INTERRUPTED
from tui.commands.parser import Parser
from tui.commands.running import print_json, say
from tui.models.transfer_text import transfer_text

EXIT_DECLINED = 1

_NEED_NAME = ("path", "pull", "rm", "verify")
"""The actions that are about one model."""

_SUMMARIES = {
    "list": "what is bundled and what is in the Hugging Face cache",
    "path": "print the folder of a model",
    "pull": "download a model; asks first, with the size",
    "rm": "remove a model of the cache, so that it can be brought back",
    "verify": "compare the files of a model with their hashes",
}


def add_arguments(parser: Parser) -> None:
    """Add the actions, each with its own options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    parsers = {name: _action(actions, name, summary) for name, summary in _SUMMARIES.items()}
    pull, remove = parsers["pull"], parsers["rm"]
    pull.add_argument("--revision", default="", metavar="R", help="a branch, a tag or a commit (main)")
    pull.add_argument("--yes", action="store_true", help="do not ask")
    remove.add_argument("--undo", action="store_true", help="bring a removed model back")
    remove.add_argument("--empty", action="store_true", help="delete for good what was removed")
    remove.add_argument("--yes", action="store_true", help="with --empty: do not ask")


def run(options: argparse.Namespace) -> int:
    """Run one action.

    Raises:
        InputError: the options do not fit together.
        EngineError: the action failed.
    """
    action, name = options.action, options.name
    empties = action == "rm" and options.empty
    if bool(name) != (action in _NEED_NAME and not empties):
        what = f"models {action} takes no NAME" if name else f"models {action} needs a NAME"
        raise InputError(what + (" with --empty" if empties else ""), "nlp-tui models list shows the names")
    return _ACTIONS[action](options)


def _action(actions: argparse._SubParsersAction[Parser], name: str, summary: str) -> Parser:
    parser: Parser = actions.add_parser(name, help=summary, description=summary.capitalize(), allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="a model" if name in _NEED_NAME else "none")
    # What was said before the action must not be forgotten here.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object a line")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    parser.add_argument("--offline", action="store_true", help="open no connection; only pull ever does")
    return parser


def _list(options: argparse.Namespace) -> int:
    facts = [model_facts(model) for model in [*map(resolve, STARTERS), *cached_models(), *converted_models()]]
    if options.json:
        for one in facts:
            print_json(asdict(one))
        return 0
    for one in facts:
        print("\n    ".join(map(visible, _lines(one))))
    if trash_bytes():
        say(f"{size_text(trash_bytes())} lie in the trash; nlp-tui models rm --empty deletes them for good")
    return 0


def _lines(facts: ModelFacts) -> list[str]:
    """A model as a few lines: its name and what it is, then its sizes, or what is wrong with it."""
    what = [
        facts.source,
        facts.task or facts.architecture,
        f"{facts.parameters / 1e6:,.1f} M parameters" if facts.parameters else "",
        f"revision {facts.revision[:7]}" if facts.revision else "",
        f"licence: {facts.license or 'not stated'}",
    ]
    lines = [f"{facts.name}  {', '.join(filter(None, what))}"]
    if not facts.parameters:
        return [*lines, f"not usable: {facts.summary}"]
    memory = {name: size_text(size) for name, size in facts.memory_bytes.items()}
    choices = [f"{memory['float32']} in float32", f"{memory['float16']} in float16 or bfloat16"]
    choices += [f"{memory['int8']} in int8"] if "int8" in memory else []
    shared = f", shares {size_text(facts.shared_bytes)}" if facts.shared_bytes else ""
    own = size_text(facts.size_bytes - facts.shared_bytes)
    return [*lines, f"{own} on disk ({facts.dtype}){shared}; in memory {', '.join(choices)}"]


def _path(options: argparse.Namespace) -> int:
    model = resolve(options.name)
    if not model.folder.is_dir():
        raise ModelNotFoundError(
            f"nothing is converted yet of {options.name}", "it is converted when it is loaded for the first time"
        )
    print(model.folder)
    return 0


def _pull(options: argparse.Namespace) -> int:
    if options.name in STARTERS:
        raise InputError(f"{options.name} is bundled: there is nothing to download", "use it by its name")
    named = split_revision(options.name)[1]
    if named and options.revision and named != options.revision:
        raise InputError(
            f"{options.name} names the revision {named}, --revision says {options.revision}", "give one of the two"
        )
    if options.name.startswith((".", "/", "~")):
        raise no_name(options.name)
    download = Download(options.name, options.revision, forbid_network=options.offline)
    report = _json_report if options.json else _Progress().take
    with asyncio.Runner() as runner:
        try:
            plan = runner.run(download.plan(report))
            if options.json:
                print_json({"type": "plan", **asdict(plan), "total_bytes": plan.total_bytes})
            else:
                _describe(plan)
            if plan.missing_bytes and not options.yes and not _agreed(f"download {size_text(plan.missing_bytes)}"):
                say("nothing was downloaded")
                return EXIT_DECLINED
            runner.run(_follow(download, report))
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                print(file=sys.stderr)  # below the line of progress
            say("stopped; what has come so far is kept, and the same command goes on from there")
            return EXIT_INTERRUPTED
        finally:
            runner.run(download.close())
    if not options.json:
        print(plan.folder)
    return 0


async def _follow(download: Download, report: Callable[[DownloadEvent], None]) -> None:
    async for event in download.events():
        report(event)


def _describe(plan: DownloadPlan) -> None:
    revision = f"{plan.commit[:7]}" if plan.revision == MAIN else f"{plan.revision}, {plan.commit[:7]}"
    what = ", ".join(filter(None, (plan.task, plan.architecture)))
    size = f", {plan.parameters / 1e6:,.1f} M parameters" if plan.parameters else ""
    licence = plan.license or "not stated"
    say(f"{plan.name} ({revision}) from {plan.endpoint}: {what or 'a model'}{size}; licence: {licence}")
    here = plan.total_bytes - plan.missing_bytes
    already = "" if not here else ", all of it here" if not plan.missing_bytes else f", {size_text(here)} of it here"
    free = size_text(plan.free_bytes)
    say(f"{size_text(plan.total_bytes)} in {len(plan.files)} files{already}; {free} are free on the disk")


def _agreed(what: str) -> bool:
    """Ask on the terminal.

    Raises:
        InputError: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise InputError(f"nobody is here to agree to: {what}", "say it with --yes")
    print(f"{what}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class _Progress:
    """A download as text: one line that changes on a terminal, a line a file elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def take(self, event: DownloadEvent) -> None:
        """Show one event."""
        match event:
            case Transferring() if self._live:
                self._show(f"[{event.number}/{event.count}] {event.file}: {transfer_text(event)}")
            case Verifying() if self._live:
                self._show(f"[{event.number}/{event.count}] {event.file}: comparing its hash with the hub's")
            case Verifying():
                say(f"[{event.number}/{event.count}] {event.file}")
            case Paused():
                self._show("")
                say(event.reason + (f"; waiting {event.wait_s:.0f} s" if event.wait_s >= 1 else ""))
            case Fetched():
                self._show("")
                say(f"{size_text(event.fetched_bytes)} downloaded; every file has the hub's hash")

    def _show(self, line: str) -> None:
        if self._live:
            sys.stderr.write(f"\r\x1b[K{visible(line)}")
            sys.stderr.flush()


_KINDS = {Transferring: "progress", Paused: "pause", Verifying: "verify", Fetched: "done"}


def _json_report(event: DownloadEvent) -> None:
    print_json({"type": _KINDS[type(event)], **asdict(event)})


def _remove(options: argparse.Namespace) -> int:
    if options.empty:
        return _empty(options)
    name = options.name
    folder = bring_back(name) if options.undo else move_to_trash(name)
    size_bytes = folder_bytes(folder)
    if options.json:
        print_json({"name": name, "removed": not options.undo, "path": str(folder), "size_bytes": size_bytes})
    elif options.undo:
        say(f"{name} is back in {folder.parent}")
    else:
        what = f"the conversion of {name}" if folder.parent == conversions_trash() else name
        say(f"{what} ({size_text(size_bytes)}) is in the trash {folder}")
        undo = shlex.join(("nlp-tui", "models", "rm", "--undo", undo_name(folder)))
        say(f"{undo} brings it back; nlp-tui models rm --empty gives its space back")
    return 0


def _empty(options: argparse.Namespace) -> int:
    size_bytes = trash_bytes()
    if size_bytes and not options.yes and not _agreed(f"delete {size_text(size_bytes)} of removed models for good"):
        say("nothing was deleted")
        return EXIT_DECLINED
    freed = empty_trash()
    if options.json:
        print_json({"path": str(trash_folder()), "freed_bytes": freed})
    else:
        say(f"{size_text(freed)} freed")
    return 0


def _verify(options: argparse.Namespace) -> int:
    counts = dict.fromkeys(FileState, 0)
    for check in check_files(resolve(options.name)):
        counts[check.state] += 1
        if options.json:
            print_json(asdict(check))
        else:
            print(
                visible(
                    f"{check.state:<9}  {size_text(check.size_bytes):>10}  {check.file}  {check.found[:12]}"
                ).rstrip()
            )
    bad = counts[FileState.DAMAGED] + counts[FileState.MISSING]
    if bad:
        way_out = f"nlp-tui models rm {options.name}, then nlp-tui models pull {options.name}"
        raise ModelFormatError(
            f"{bad} of {sum(counts.values())} files of {options.name} are damaged or missing",
            "install nlp-tui again" if options.name in STARTERS else way_out,
        )
    unchecked = f"; of {counts[FileState.UNCHECKED]} nobody noted it" if counts[FileState.UNCHECKED] else ""
    if not options.json:
        say(f"{options.name}: {counts[FileState.OK]} files have the hash they should have{unchecked}")
    return 0


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "path": _path,
    "pull": _pull,
    "rm": _remove,
    "verify": _verify,
}
