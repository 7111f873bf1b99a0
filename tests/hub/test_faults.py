"""Each fault of the hub, the network and the disk: what the user reads, and what is kept."""

from __future__ import annotations

import asyncio
import errno
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from core.errors import DownloadError, EngineError, ModelFormatError, ModelNotFoundError
from core.hub import Download, Transferring
from core.hub_cache import cached_snapshot
from core.hub_records import Fetched, Paused
from core.hub_refusals import cannot_write, size_text
from core.registry import resolve
from core.trash import move_to_trash, trash_bytes
from tests.hub.conftest import download, drain, parts_in, pull, size_of, until
from tests.hub.server import HubRepository, LocalHub, sha256

GPT2 = "openai-community/gpt2"


async def refusal(name: str = "gpt2", revision: str = "") -> EngineError:
    """The error that a download ends with; one line, with a way out."""
    with pytest.raises(EngineError) as caught:
        await pull(name, revision)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


def weights_of(hub: LocalHub) -> bytes:
    """The GPT-2's weights."""
    return hub.repositories[GPT2].files["model.safetensors"]


def part_of(cache: Path, hub: LocalHub) -> Path:
    """Where the beginning of the GPT-2's weights lies."""
    return cache / "models--gpt2" / "blobs" / f"{sha256(weights_of(hub))}.incomplete"


def is_whole(hub: LocalHub) -> bool:
    """Whether the GPT-2 is there, byte by byte."""
    return (resolve("gpt2").folder / "model.safetensors").read_bytes() == weights_of(hub)


def use_gpt2_with(hub: LocalHub, **files: bytes) -> None:
    """Change files of the hub's GPT-2."""
    old = hub.repositories[GPT2]
    hub.repositories[GPT2] = replace(old, files=old.files | files)


# -- nobody there -----------------------------------------------------------------------------------------------------


async def test_no_network_says_who_cannot_be_reached(hub: LocalHub, cache: Path) -> None:
    hub.close()
    error = await refusal()
    assert isinstance(error, DownloadError)
    assert error.message.startswith(f"{hub.endpoint} cannot be reached (")
    assert "refused" in error.message
    assert "HF_ENDPOINT" in error.hint


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
async def test_offline_by_the_environment_asks_nobody(
    variable: str, hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    error = await refusal()
    assert error.message == "nothing is downloaded offline"
    assert not hub.served


async def test_offline_by_choice_starts_no_process(hub: LocalHub, cache: Path) -> None:
    started = Download("gpt2", forbid_network=True)
    with pytest.raises(DownloadError, match="nothing is downloaded offline"):
        await started.plan()
    assert started._process is None


async def test_a_network_lost_for_good_keeps_what_has_come(hub: LocalHub, cache: Path) -> None:
    half = len(weights_of(hub)) // 2
    fault = hub.order("/cdn/", hold_after=half, cut_after=half + 1)
    async with download("gpt2") as started:
        await started.plan()
        events = asyncio.create_task(drain(started))
        await until(fault.held.is_set)
        hub.close()
        with pytest.raises(DownloadError, match="cannot be reached") as caught:
            await events
    assert "what has come so far is kept" in caught.value.hint
    assert size_of(part_of(cache, hub)) > half - 2**17


async def test_a_login_page_in_between_is_no_hub(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=200, body=b"<html>Welcome to the train</html>", headers={"Content-Type": "text/html"})
    error = await refusal()
    assert error.message == f"what answers at {hub.endpoint} is no model hub"
    assert "login page" in error.hint


async def test_an_endpoint_with_a_password_is_named_without_it(
    hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://me:secret@127.0.0.1:{hub.port}")
    hub.close()
    assert "secret" not in str(await refusal())


# -- not for you ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "hf_secret"])
async def test_an_unknown_name_offers_the_one_that_was_meant(
    token: str, hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    error = await refusal("distilbert-base-uncased-finetuned-sst2-english")
    assert isinstance(error, ModelNotFoundError)
    assert "has no model 'distilbert-base-uncased-finetuned-sst2-english', or hides it" in error.message
    assert "did you mean distilbert-base-uncased-finetuned-sst-2-english?" in error.hint
    assert "hf auth login" in error.hint


async def test_an_unknown_revision_is_named(hub: LocalHub, cache: Path) -> None:
    error = await refusal("gpt2", "v9")
    assert error.message == "gpt2 has no revision 'v9'"
    assert error.hint == f"see {hub.endpoint}/gpt2/commits/main"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_gated_model_says_where_to_ask_for_access(status: int, hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=status, headers={"X-Error-Code": "GatedRepo"})
    error = await refusal()
    assert error.message == "gpt2 is gated: its owners decide who may download it"
    assert error.hint == f"ask for access at {hub.endpoint}/gpt2, then log in with: hf auth login"


async def test_files_may_be_gated_where_the_model_is_not(hub: LocalHub, cache: Path) -> None:
    hub.order("/resolve/", status=403, headers={"X-Error-Code": "GatedRepo"})
    assert "is gated" in (await refusal()).message


async def test_a_token_that_is_not_accepted_is_said_and_not_shown(
    hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.order("/api/", status=401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
    error = await refusal()
    assert error.message == f"{hub.endpoint} does not accept your token (401)"
    assert "hf auth login" in error.hint
    assert "hf_secret" not in f"{error} {error.__cause__}"


async def test_a_token_that_cannot_be_sent_is_said_and_not_shown(
    hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_s\u00e9cret")
    error = await refusal()
    assert error.message == "your token cannot be sent: it has a strange character"
    assert "cret" not in f"{error} {error.__cause__}"


async def test_who_is_not_logged_in_is_told_so(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=401)
    error = await refusal()
    assert error.message == f"{hub.endpoint} gives gpt2 only to who is logged in (401)"


async def test_a_forbidden_file_is_one_line(hub: LocalHub, cache: Path) -> None:
    hub.order("/cdn/", status=403)
    assert (await refusal()).message == f"{hub.endpoint} forbids you to download gpt2 (403)"


# -- too busy ---------------------------------------------------------------------------------------------------------

RATE_LIMITS: dict[str, dict[str, str]] = {
    "seconds": {"Retry-After": "300"},
    "a date": {"Retry-After": formatdate(time.time() + 3000, usegmt=True)},
    "the hub's own header": {"RateLimit": '"api";r=0;t=300'},
}


@pytest.mark.parametrize("headers", RATE_LIMITS.values(), ids=RATE_LIMITS.keys())
async def test_a_long_wait_is_said_and_not_waited_for(headers: dict[str, str], hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=429, headers=headers, times=9)
    error = await refusal()
    assert error.message.startswith(f"{hub.endpoint} asks to wait ")
    assert error.message.endswith(" s: too many requests (429)")
    assert [one.status for one in hub.served] == [307, 429]


@pytest.mark.parametrize("path", ["/resolve/", "/cdn/"])
async def test_a_short_wait_is_said_and_waited_for(path: str, hub: LocalHub, cache: Path) -> None:
    hub.order(path, status=429, headers={"Retry-After": "1"})
    _, events = await pull("gpt2")
    assert Paused("too many requests (429)", 1.0) in events
    assert is_whole(hub)


async def test_a_wait_before_the_plan_is_said_too(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=429, headers={"Retry-After": "0"})
    pauses: list[Paused] = []
    async with download("gpt2") as started:
        await started.plan(pauses.append)
    assert pauses == [Paused("too many requests (429)", 0.0)]


async def test_a_hub_that_stays_busy_is_given_up(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=429, headers={"Retry-After": "0"}, times=9)
    assert (await refusal()).message == f"{hub.endpoint} asks to wait: too many requests (429)"
    assert [one.status for one in hub.served if one.status != 307] == [429] * 3


async def test_a_fault_of_the_hub_is_tried_again(hub: LocalHub, cache: Path) -> None:
    hub.order("/cdn/", status=500)
    _, events = await pull("gpt2")
    assert Paused("a fault of the hub (500)", 0.5) in events
    assert is_whole(hub)


async def test_a_hub_that_stays_broken_is_one_line(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=500, headers={"Retry-After": "0"}, times=9)
    error = await refusal()
    assert error.message == f"{hub.endpoint} has a fault of its own (500)"
    assert error.hint == "try again later: what has come so far is kept"


# -- broken on the way ------------------------------------------------------------------------------------------------


async def test_a_slow_download_shows_how_far_it_is(hub: LocalHub, cache: Path) -> None:
    fault = hub.order("/cdn/", hold_after=2**20)
    async with download("gpt2") as started:
        plan = await started.plan()
        seen: list[Transferring] = []
        async for event in started.events():
            if isinstance(event, Transferring):
                seen.append(event)
                if event.file == "model.safetensors":
                    fault.gate.set()
    assert any(0 < event.done_bytes < plan.total_bytes for event in seen)
    assert seen[-1].done_bytes == plan.total_bytes


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cut_connection_goes_on_where_it_stopped(times: int, hub: LocalHub, cache: Path) -> None:
    weights = weights_of(hub)
    hub.order("/cdn/", cut_after=len(weights) // 3, times=times)
    _, events = await pull("gpt2")
    assert is_whole(hub)
    assert Paused("the connection was cut; going on from there", 1.0) in events
    ranges = [int(one.range.removeprefix("bytes=").rstrip("-") or 0) for one in hub.served if "/cdn/" in one.path]
    assert len(ranges) == times + 1
    assert all(start >= (len(weights) // 3 - 2**17) * number for number, start in enumerate(ranges))
    assert hub.sent_bytes("/cdn/") < len(weights) + times * 2**17


@pytest.mark.parametrize("where", ["/cdn/", "/config.json"])
async def test_a_changed_file_is_removed_and_said(where: str, hub: LocalHub, cache: Path) -> None:
    hub.order(where, alter=lambda content: b" " + content[1:])
    error = await refusal()
    file = "model.safetensors" if where == "/cdn/" else "config.json"
    assert isinstance(error, ModelFormatError)
    assert error.message == f"{file} of gpt2 does not have the hash that the hub names, so it was removed"
    assert hub.endpoint in error.hint
    assert not parts_in(cache)
    assert cached_snapshot("gpt2") is None
    await pull("gpt2")
    assert is_whole(hub)


@pytest.mark.parametrize("alter", [lambda content: content[:-9], lambda content: content + b"more"])
async def test_a_file_of_another_length_is_a_changed_file(alter: Any, hub: LocalHub, cache: Path) -> None:
    hub.order("/cdn/", alter=alter, times=9)
    assert "does not have the hash that the hub names" in (await refusal()).message
    assert not parts_in(cache)


async def test_a_stale_etag_does_not_matter_where_the_content_is_right(hub: LocalHub, cache: Path) -> None:
    hub.order("/resolve/", headers={"ETag": '"old"', "X-Linked-Etag": f'"{"0" * 64}"'}, times=9)
    await pull("gpt2")
    assert is_whole(hub)


async def test_a_part_of_an_older_version_is_never_gone_on_with(hub: LocalHub, cache: Path) -> None:
    old_part = part_of(cache, hub)
    hub.order("/cdn/", cut_after=2**20, times=1)
    hub.order("/cdn/", status=403)
    await refusal()
    assert size_of(old_part)
    use_gpt2_with(hub, **{"model.safetensors": weights_of(hub)[:-4] + b"\x00\x00\x00\x01"})
    hub.served.clear()
    await pull("gpt2")
    assert is_whole(hub)
    assert hub.sent_bytes("/cdn/") == len(weights_of(hub))


async def test_a_server_that_cannot_resume_sends_all_of_it_again(hub: LocalHub, cache: Path) -> None:
    hub.order("/cdn/", cut_after=2**20)
    hub.order("/cdn/", ignore_range=True)
    await pull("gpt2")
    assert is_whole(hub)


async def test_a_part_that_is_too_long_is_started_anew(hub: LocalHub, cache: Path) -> None:
    part = part_of(cache, hub)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * (len(weights_of(hub)) + 1))
    await pull("gpt2")
    assert is_whole(hub)


async def test_a_redirect_elsewhere_is_followed(hub: LocalHub, cache: Path) -> None:
    elsewhere = f"http://localhost:{hub.port}/cdn/{sha256(weights_of(hub))}?moved"
    hub.order("/cdn/", status=307, headers={"Location": elsewhere})
    await pull("gpt2")
    assert is_whole(hub)


async def test_redirects_in_a_circle_end(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=307, headers={"Location": "/api/models/gpt2"}, times=99)
    assert "cannot be reached (TooManyRedirects)" in (await refusal()).message


# -- not usable here --------------------------------------------------------------------------------------------------


async def test_a_model_that_is_a_pickle_is_refused_with_the_way_out(hub: LocalHub, cache: Path) -> None:
    error = await refusal("org/pickle")
    assert "org/pickle has only pytorch_model.bin, a pickle, which can run code when opened" in error.message
    assert f"{hub.endpoint}/org/pickle/discussions" in error.hint
    assert "--revision refs/pr/N" in error.hint
    assert "save_pretrained" in error.hint
    assert not hub.sent_bytes("/resolve/")


UNUSABLE: dict[str, tuple[dict[str, bytes], str]] = {
    "no config": ({"model.safetensors": b""}, "has no config.json on the hub"),
    "gguf only": ({"config.json": b"{}", "a.gguf": b""}, "has gguf files and no safetensors"),
    "no weights": ({"config.json": b"{}"}, "has no safetensors on the hub"),
    "an adapter": ({"config.json": b"{}", "adapter_model.safetensors": b""}, "has no safetensors on the hub"),
}


@pytest.mark.parametrize(("files", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_what_cannot_be_used_is_not_fetched(
    files: dict[str, bytes], message: str, hub: LocalHub, cache: Path
) -> None:
    hub.repositories["org/odd"] = HubRepository(files)
    assert message in (await refusal("org/odd")).message
    assert not size_of(cache)


async def test_an_index_that_names_a_file_of_no_repository_makes_no_model(hub: LocalHub, cache: Path) -> None:
    files = hub.repositories["org/sharded"].files
    index = files["model.safetensors.index.json"].replace(b"model-00002-", b"model-00099-")
    hub.repositories["org/sharded"] = HubRepository(files | {"model.safetensors.index.json": index})
    assert "lacks model-00099-" in (await refusal("org/sharded")).message
    assert cached_snapshot("org/sharded") is None


@pytest.mark.parametrize("name", ["a b", "x/y/z", "x" * 200, "-", ""])
async def test_what_is_no_name_is_not_asked_for(name: str, hub: LocalHub, cache: Path) -> None:
    assert (await refusal(name)).hint == "names are like gpt2 or org/name"
    assert not hub.served


@pytest.mark.parametrize("revision", ["../../../etc", "a//b", "."])
async def test_a_revision_that_leaves_its_folder_is_refused(revision: str, hub: LocalHub, cache: Path) -> None:
    assert "has no revision" in (await refusal("gpt2", revision)).message
    assert not hub.served


@pytest.mark.parametrize("answer", [b'"sha": "../../etc"', b'"sha": null', b'"siblings": [{}]', b'"siblings": 1'])
async def test_an_answer_that_makes_no_sense_is_one_line(answer: bytes, hub: LocalHub, cache: Path) -> None:
    files = b'"siblings": [{"rfilename": "config.json", "blobId": "%s"}, %s]' % (b"0" * 40, SAFETENSORS)
    body = b'{"id": "gpt2", ' + (answer + b", " + files if answer.startswith(b'"sha"') else answer) + b"}"
    hub.order("/api/", status=200, body=body)
    assert (await refusal()).message == f"what answers at {hub.endpoint} is no model hub"


SAFETENSORS = b'{"rfilename": "model.safetensors", "size": 1, "blobId": "%s"}' % (b"0" * 40)


async def test_a_hash_that_is_a_path_is_refused(hub: LocalHub, cache: Path) -> None:
    body = b'{"id": "gpt2", "sha": "%s", "siblings": [{"rfilename": "config.json", "blobId": "../../../x"}, %s]}'
    hub.order("/api/", status=200, body=body % (b"0" * 40, SAFETENSORS))
    assert "gives no usable hash of config.json" in (await refusal()).message


# -- the disk ---------------------------------------------------------------------------------------------------------


async def test_a_model_larger_than_the_disk_is_refused_before_a_byte_comes(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", size=10**18)
    error = await refusal()
    assert "gpt2 needs 6,000,000,000.00 GB, the disk of " in error.message
    assert error.message.endswith(" free")
    assert "HF_HOME" in error.hint
    assert "rm --empty" not in error.hint
    assert not hub.sent_bytes("/resolve/")


async def test_a_full_disk_is_told_what_the_trash_would_free(hub: LocalHub, cache: Path) -> None:
    await pull("gpt2")
    move_to_trash("gpt2")
    hub.order("/api/", size=10**18)
    assert (await refusal()).hint.startswith(f"nlp-tui models rm --empty frees {size_text(trash_bytes())}; ")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_meanwhile_is_said(code: int) -> None:
    error = cannot_write("/cache", OSError(code, "No space left on device"))
    assert error.message == "the disk of /cache is full"
    assert "what has come so far is kept" in error.hint


async def test_a_cache_that_cannot_be_written_is_said(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    error = await refusal()
    assert "cannot be written: Not a directory" in error.message
    assert "HF_HOME" in error.hint


async def test_what_was_whole_before_stays_usable_when_a_new_download_fails(hub: LocalHub, cache: Path) -> None:
    plan, _ = await pull("gpt2")
    use_gpt2_with(hub, **{"config.json": b"{}"})
    hub.order("config.json", status=403)
    await refusal()
    assert resolve("gpt2").folder == Path(plan.folder)
    _, events = await pull("gpt2")
    assert isinstance(events[-1], Fetched)
    assert events[-1].fetched_bytes == 2
