"""`nlp-tui models`: pull with its question, list, verify, rm and its undo."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core.models.hub.cache import ORGANISATIONS
from core.models.registry import STARTERS, resolve
from tests.cli.inside import use
from tests.cli.process import Finished, assert_refused, command_line, environment, run, start
from tests.hub.conftest import parts_in
from tests.hub.server import HubRepository, LocalHub

PATIENCE_S = 60


def pull(name: str, folder: Path, *options: str) -> Finished:
    """Pull without being asked, the command in this process."""
    return use("models", "pull", name, "--yes", *options, folder=folder)


# -- pull -------------------------------------------------------------------------------------------------------------


def test_pull_says_what_comes_and_prints_the_folder(hub: LocalHub, tmp_path: Path) -> None:
    finished = run("models", "pull", "gpt2", "--yes", folder=tmp_path)
    assert finished.code == 0
    assert finished.stdout == f"{resolve('gpt2').folder}\n"
    first, second, *files, last = finished.stderr.splitlines()
    commit = hub.repositories["openai-community/gpt2"].commit[:7]
    assert first == f"gpt2 ({commit}) from {hub.endpoint}: text-generation, GPT2LMHeadModel; licence: mit"
    assert second.startswith("7.9 MB in 6 files; ")
    assert files[-1] == "[6/6] model.safetensors"
    assert last == "7.9 MB downloaded; every file has the hub's hash"


def test_pull_in_json_is_a_plan_then_progress_then_done(hub: LocalHub, tmp_path: Path) -> None:
    plan, *steps, done = pull("gpt2", tmp_path, "--json").lines
    assert (plan["type"], plan["license"], plan["total_bytes"]) == ("plan", "mit", plan["missing_bytes"])
    assert {file["name"] for file in plan["files"]} >= {"config.json", "model.safetensors"}
    assert {step["type"] for step in steps} == {"progress", "verify"}
    assert done == {"type": "done", "folder": plan["folder"], "fetched_bytes": plan["total_bytes"]}


def test_pull_does_not_download_when_there_is_nobody_to_agree(hub: LocalHub, tmp_path: Path) -> None:
    finished = use("models", "pull", "gpt2", folder=tmp_path)
    assert finished.code == 2
    assert finished.stderr.splitlines()[-1].startswith("error: nobody is here to agree to: download 7.9 MB")
    assert "--yes" in finished.stderr
    assert not hub.sent_bytes("/resolve/")


def test_a_second_pull_asks_and_fetches_nothing(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    finished = use("models", "pull", "gpt2", folder=tmp_path)
    assert finished.code == 0
    assert "in 6 files, all of it here" in finished.stderr


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, folder: Path) -> None:
        self._terminal, inside = pty.openpty()
        self.process = subprocess.Popen(
            command_line(*arguments), cwd=folder, env=environment(), stdin=inside, stdout=inside, stderr=inside
        )
        os.close(inside)
        self.painted = ""

    def until(self, condition: Callable[[str], object]) -> None:
        """Read until what was painted fulfils a condition."""
        while not condition(self.painted):
            ready, _, _ = select.select([self._terminal], [], [], PATIENCE_S)
            assert ready, self.painted
            self.painted += os.read(self._terminal, 65536).decode()

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    def wait(self) -> int:
        """Read to the end and return the exit status."""
        try:
            while chunk := os.read(self._terminal, 65536):
                self.painted += chunk.decode()
        except OSError:
            pass  # a closed terminal
        finally:
            os.close(self._terminal)
        return self.process.wait(PATIENCE_S)


@pytest.mark.parametrize(("reply", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_pull_asks_with_the_size(reply: str, code: int, hub: LocalHub, tmp_path: Path) -> None:
    screen = Screen("models", "pull", "gpt2", folder=tmp_path)
    screen.until(lambda text: "download 7.9 MB? [y/N] " in text)
    assert not hub.sent_bytes("/resolve/")
    screen.type(reply)
    assert screen.wait() == code
    assert ("nothing was downloaded" in screen.painted) == (code == 1)
    assert bool(hub.sent_bytes("/cdn/")) == (code == 0)


def test_ctrl_c_at_the_question_downloads_nothing(hub: LocalHub, tmp_path: Path) -> None:
    screen = Screen("models", "pull", "gpt2", folder=tmp_path)
    screen.until(lambda text: "[y/N] " in text)
    screen.process.send_signal(signal.SIGINT)
    assert screen.wait() == 130
    assert "\r\nstopped; what has come so far is kept" in screen.painted
    assert not hub.sent_bytes("/resolve/")


def test_on_a_terminal_progress_has_share_bytes_and_speed(hub: LocalHub, tmp_path: Path) -> None:
    fault = hub.order("/cdn/", hold_after=2**22)
    screen = Screen("models", "pull", "gpt2", "--yes", folder=tmp_path)
    screen.until(lambda text: "[6/6] model.safetensors: " in text)
    fault.gate.set()
    assert screen.wait() == 0
    assert " of 7.9 MB, " in screen.painted
    assert " MB/s" in screen.painted
    assert "comparing its hash with the hub's" in screen.painted


def test_on_a_terminal_a_download_that_stands_still_says_for_how_long(hub: LocalHub, tmp_path: Path) -> None:
    fault = hub.order("/cdn/", hold_after=2**22)
    screen = Screen("models", "pull", "gpt2", "--yes", folder=tmp_path)
    screen.until(lambda text: "nothing for 2 s" in text)
    still = screen.painted.rpartition("nothing for 1 s")[2]
    assert "MB/s" not in still
    assert " left" not in still
    fault.gate.set()
    assert screen.wait() == 0


def test_ctrl_c_keeps_what_has_come_and_the_same_command_goes_on(hub: LocalHub, cache: Path, tmp_path: Path) -> None:
    fault = hub.order("/cdn/", hold_after=2**22)
    process = start("models", "pull", "gpt2", "--yes", "--json", folder=tmp_path)
    assert process.stdout is not None
    while json.loads(process.stdout.readline()).get("file") != "model.safetensors":
        pass
    assert fault.held.wait(PATIENCE_S)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    fault.gate.set()
    assert process.returncode == 130
    assert "what has come so far is kept" in stderr
    assert "Traceback" not in stderr
    (part,) = parts_in(cache)
    here = part.stat().st_size
    done = pull("gpt2", tmp_path, "--json").lines[-1]
    weights = hub.repositories["openai-community/gpt2"].files["model.safetensors"]
    assert here > 0
    assert done["fetched_bytes"] == len(weights) - here


REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "offline": (("pull", "gpt2", "--offline"), 1, "nothing is downloaded offline"),
    "two revisions": (("pull", "gpt2@main", "--revision", "v1"), 2, "gpt2@main names the revision main, --revision"),
    "a starter": (("pull", "starter/gpt2"), 2, "starter/gpt2 is bundled"),
    "a path": (("pull", "./gpt2"), 1, "'./gpt2' is no name of a hub model"),
    "nothing to pull": (("pull",), 2, "models pull needs a NAME"),
    "revision to remove": (("rm", "gpt2", "--revision", "v1"), 2, "unrecognized arguments: --revision"),
    "undo of a pull": (("pull", "gpt2", "--undo"), 2, "unrecognized arguments: --undo"),
    "name to empty": (("rm", "gpt2", "--empty"), 2, "models rm takes no NAME with --empty"),
    "starter to remove": (("rm", "starter/gpt2"), 2, "starter/gpt2 is bundled and stays"),
    "nothing removed": (("rm", "--undo", "gpt2"), 1, "'gpt2' is not in the trash"),
    "not cached": (("rm", "gpt2"), 1, "'gpt2' is not in the Hugging Face cache"),
    "verify nowhere": (("verify", "nowhere"), 1, "neither a folder here nor"),
}


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], code: int, message: str, hub: LocalHub, tmp_path: Path
) -> None:
    assert_refused(use("models", *arguments, folder=tmp_path), code, message)
    assert not hub.served


# -- list -------------------------------------------------------------------------------------------------------------


def test_list_tells_task_size_memory_licence_and_revision(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    *starters, row = use("models", "list", "--json", folder=tmp_path).lines
    assert [one["name"] for one in starters] == list(STARTERS)
    assert all(one["parameters"] > 10_000_000 and one["license"] and not one["revision"] for one in starters)
    assert (row["name"], row["source"], row["task"]) == ("gpt2", "cache", "text generation")
    assert (row["architecture"], row["license"], row["dtype"]) == ("GPT2LMHeadModel", "mit", "F32")
    weights = hub.repositories["openai-community/gpt2"].files["model.safetensors"]
    assert row["size_bytes"] == len(weights)
    assert row["parameters"] == 50257 * 32 + 64 * 32 + 2 * (12 * 32**2 + 13 * 32) + 2 * 32  # without the masks
    assert row["memory_bytes"] == {
        "float32": 4 * row["parameters"],
        "float16": 2 * row["parameters"],
        "bfloat16": 2 * row["parameters"],
        "int8": row["parameters"],
    }
    assert row["revision"] == hub.repositories["openai-community/gpt2"].commit
    readable = use("models", "list", folder=tmp_path).stdout.splitlines()
    assert readable[-2].startswith("gpt2  cache, text generation, 1.6 M parameters, revision ")
    assert readable[-2].endswith(f"{row['revision'][:7]}, licence: mit")
    assert "6.5 MB in float32, 3.3 MB in float16 or bfloat16, 1.6 MB in int8" in readable[-1]
    assert readable[-1].startswith("    6.6 MB on disk (F32); in memory ")


def test_list_says_what_is_wrong_with_a_broken_model(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    (resolve("gpt2").folder / "model.safetensors").unlink()
    row = use("models", "list", "--json", folder=tmp_path).lines[-1]
    assert (row["parameters"], row["memory_bytes"]) == (0, {})
    assert "has no weights" in row["summary"]
    assert (
        use("models", "list", folder=tmp_path).stdout.splitlines()[-1].startswith("    not usable: gpt2 has no weights")
    )


# -- verify -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STARTERS)
def test_the_starters_have_their_hashes(name: str, tmp_path: Path) -> None:
    rows = use("models", "verify", name, "--json", folder=tmp_path).lines
    assert rows
    assert all(row["state"] == "ok" and row["found"] == row["expected"] for row in rows)


def test_verify_finds_a_byte_that_changed(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    good = use("models", "verify", "gpt2", folder=tmp_path)
    assert (good.code, good.stderr) == (0, "gpt2: 6 files have the hash they should have\n")
    blob = (resolve("gpt2").folder / "model.safetensors").resolve()
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    finished = use("models", "verify", "gpt2", "--json", folder=tmp_path)
    assert finished.code == 1
    assert {row["file"] for row in finished.lines if row["state"] != "ok"} == {"model.safetensors"}
    assert "1 of 6 files of gpt2 are damaged or missing" in finished.stderr
    assert "nlp-tui models rm gpt2, then nlp-tui models pull gpt2" in finished.stderr


def test_verify_finds_a_small_file_that_changed_and_one_that_is_gone(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    folder = resolve("gpt2").folder
    (folder / "config.json").resolve().write_bytes(b"{}")
    (folder / "tokenizer.json").resolve().unlink()
    rows = use("models", "verify", "gpt2", "--json", folder=tmp_path).lines
    states = {row["file"]: row["state"] for row in rows if row["state"] != "ok"}
    assert states == {"config.json": "damaged", "tokenizer.json": "missing"}


def test_verify_knows_hard_links_and_says_what_it_cannot_check(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    for path in resolve("gpt2").folder.iterdir():
        blob = path.resolve()
        path.unlink()
        if path.name == "config.json":
            path.write_bytes(blob.read_bytes())
        else:
            path.hardlink_to(blob)
    finished = use("models", "verify", "gpt2", "--json", folder=tmp_path)
    assert finished.code == 0
    assert {row["file"]: row["state"] for row in finished.lines if row["state"] != "ok"} == {"config.json": "unchecked"}


def test_a_folder_has_nothing_to_compare_with(gpt2_folder: Path, tmp_path: Path) -> None:
    assert_refused(use("models", "verify", str(gpt2_folder), folder=tmp_path), 2, "has no hashes to compare with")


# -- rm ---------------------------------------------------------------------------------------------------------------


def test_rm_takes_a_model_away_and_undo_brings_it_back(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    before = resolve("gpt2").folder
    removed = use("models", "rm", "gpt2", folder=tmp_path)
    assert removed.code == 0
    assert "nlp-tui models rm --undo gpt2 brings it back" in removed.stderr
    assert use("models", "path", "gpt2", folder=tmp_path).code == 1
    assert "lie in the trash" in use("models", "list", folder=tmp_path).stderr
    assert_refused(use("models", "rm", "--undo", "gpt", folder=tmp_path), 1, "in it: gpt2")

    back = use("models", "rm", "--undo", "gpt2", "--json", folder=tmp_path)
    assert back.lines[0]["removed"] is False
    assert resolve("gpt2").folder == before
    assert use("models", "verify", "gpt2", folder=tmp_path).code == 0


@pytest.mark.parametrize("name", ORGANISATIONS)
def test_a_course_name_brings_back_what_it_removed(name: str, hub: LocalHub, cache: Path, tmp_path: Path) -> None:
    snapshot = cache / f"models--{ORGANISATIONS[name]}--{name}" / "snapshots" / ("1" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("1" * 40)
    named = f"{ORGANISATIONS[name]}/{name}"
    removed = use("models", "rm", name, folder=tmp_path)
    assert removed.code == 0
    assert not snapshot.exists()
    assert removed.stderr.splitlines()[-1].startswith(f"nlp-tui models rm --undo {named} brings it back")
    for action in (("--undo", name), (name,), ("--undo", named)):
        assert use("models", "rm", *action, folder=tmp_path).code == 0
    assert resolve(name).folder == snapshot


def test_undo_does_not_write_over_a_new_copy(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    use("models", "rm", "gpt2", folder=tmp_path)
    pull("gpt2", tmp_path)
    assert_refused(use("models", "rm", "--undo", "gpt2", folder=tmp_path), 2, "gpt2 is in the cache again")
    assert use("models", "rm", "gpt2", folder=tmp_path).code == 0  # the copy in the trash makes room for it


def test_rm_takes_all_revisions_or_none(hub: LocalHub, tmp_path: Path) -> None:
    pull("gpt2", tmp_path, "--revision", "v1")
    assert_refused(use("models", "rm", "gpt2@v1", folder=tmp_path), 2, "gpt2@v1 is one revision")
    assert use("models", "rm", "gpt2", folder=tmp_path).code == 0


def test_empty_asks_and_then_frees_the_space(hub: LocalHub, cache: Path, tmp_path: Path) -> None:
    pull("gpt2", tmp_path)
    use("models", "rm", "gpt2", folder=tmp_path)
    assert_refused(use("models", "rm", "--empty", folder=tmp_path), 2, "nobody is here to agree to: delete 7.9 MB")
    finished = use("models", "rm", "--empty", "--yes", "--json", folder=tmp_path)
    assert finished.lines[0]["freed_bytes"] > 7e6
    assert not list(cache.rglob("*.safetensors"))
    assert_refused(use("models", "rm", "--undo", "gpt2", folder=tmp_path), 1, "in it: nothing")


def test_huggingface_hubs_own_list_is_not_disturbed_by_the_trash(hub: LocalHub, cache: Path, tmp_path: Path) -> None:
    from huggingface_hub import scan_cache_dir

    hub.repositories["org/other"] = HubRepository(hub.repositories["openai-community/gpt2"].files)
    pull("gpt2", tmp_path)
    pull("org/other", tmp_path)
    use("models", "rm", "gpt2", folder=tmp_path)
    assert {repository.repo_id for repository in scan_cache_dir(cache).repos} == {"org/other"}
