"""What a download is refused for: nobody there, not for this user, not usable here, no room; and in which words."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from core.errors import DownloadError, ModelFormatError, ModelNotFoundError
from core.models.hub.download import Download
from core.models.hub.process.faults import without_token
from core.models.hub.process.files import choose_files
from core.models.hub.records import Fetched, HubFile
from core.models.hub.refusals import cannot_write, size_text
from core.models.registry import cached_models, resolve
from core.models.trash import move_to_trash, trash_bytes
from tests.hub.conftest import (
    download,
    drain,
    part_of,
    pull,
    refusal,
    size_of,
    until,
    use_gpt2_with,
    weights_of,
)
from tests.hub.server import HubRepository, LocalHub

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
    assert started._child is None


@pytest.mark.slow
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


def test_a_token_is_taken_out_of_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert without_token("Illegal header value b'Bearer hf_secret'") == "Illegal header value b'Bearer (token)'"


async def test_who_is_not_logged_in_is_told_so(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=401)
    error = await refusal()
    assert error.message == f"{hub.endpoint} gives gpt2 only to who is logged in (401)"


async def test_a_forbidden_file_is_one_line(hub: LocalHub, cache: Path) -> None:
    hub.order("/cdn/", status=403)
    assert (await refusal()).message == f"{hub.endpoint} forbids you to download gpt2 (403)"


# -- not usable here --------------------------------------------------------------------------------------------------


async def test_a_model_that_is_a_pickle_is_refused_with_the_way_out(hub: LocalHub, cache: Path) -> None:
    error = await refusal("org/pickle")
    assert "org/pickle has only pytorch_model.bin, a pickle, which can run code when opened" in error.message
    assert f"{hub.endpoint}/org/pickle/discussions" in error.hint
    assert "--revision refs/pr/N" in error.hint
    assert "save_pretrained" in error.hint
    assert not hub.sent_bytes("/resolve/")


UNUSABLE: dict[str, tuple[tuple[str, ...], str]] = {
    "no config": (("model.safetensors",), "has no config.json on the hub"),
    "gguf only": (("config.json", "a.gguf"), "has gguf files and no safetensors"),
    "no weights": (("config.json",), "has no safetensors on the hub"),
    "an adapter": (("config.json", "adapter_model.safetensors"), "has no safetensors on the hub"),
    "shards without an index": (("config.json", "model-00001-of-00002.safetensors"), "has no safetensors on the hub"),
    "another pickle": (("config.json", "model.pt"), "has only model.pt, a pickle"),
}


@pytest.mark.parametrize(("names", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used_is_not_chosen(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        choose_files("org/odd", "https://hub", [HubFile(name, 1, "", "0" * 40) for name in names])
    assert message in caught.value.message
    assert caught.value.hint


def test_only_what_is_needed_is_chosen_and_small_files_come_first() -> None:
    names = ("model.safetensors", "model.fp16.safetensors", "../config.json", "x/vocab.txt", "modeling.py", "vocab.txt")
    files = [HubFile(name, 10 * len(name), "", "0" * 40) for name in (*names, "config.json")]
    chosen = choose_files("org/name", "https://hub", files)
    assert [file.name for file in chosen] == ["vocab.txt", "config.json", "model.safetensors"]


async def test_an_index_that_names_a_file_of_no_repository_makes_no_model(hub: LocalHub, cache: Path) -> None:
    files = hub.repositories["org/sharded"].files
    index = files["model.safetensors.index.json"].replace(b"model-00002-", b"model-00099-")
    hub.repositories["org/sharded"] = HubRepository(files | {"model.safetensors.index.json": index})
    assert "lacks model-00099-" in (await refusal("org/sharded")).message
    assert cached_models() == []


@pytest.mark.parametrize("name", ["x/y/z", ""])
async def test_what_is_no_name_is_not_asked_for(name: str, hub: LocalHub, cache: Path) -> None:
    assert (await refusal(name)).hint == "names are like gpt2 or org/name"
    assert not hub.served


@pytest.mark.parametrize("revision", ["../../../etc"])
async def test_a_revision_that_leaves_its_folder_is_refused(revision: str, hub: LocalHub, cache: Path) -> None:
    assert "has no revision" in (await refusal("gpt2", revision)).message
    assert not hub.served


@pytest.mark.parametrize("answer", [b'"sha": "../../etc"', b'"siblings": [{}]'])
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


async def test_a_repository_of_gguf_files_without_a_config_says_how_to_use_one(hub: LocalHub, cache: Path) -> None:
    hub.repositories["org/gguf"] = HubRepository({"README.md": b"# A", "tiny.Q4_1.gguf": b"GGUF"})
    error = await refusal("org/gguf")
    assert error.message == "org/gguf has gguf files and no safetensors"
    assert "hf download org/gguf tiny.Q4_1.gguf" in error.hint


async def test_a_pickle_without_a_config_is_told_as_a_pickle(hub: LocalHub, cache: Path) -> None:
    hub.repositories["org/old"] = HubRepository({"model.ckpt": b"\x80\x02."})
    assert "has only model.ckpt, a pickle" in (await refusal("org/old")).message
