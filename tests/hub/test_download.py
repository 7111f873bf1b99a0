"""A download that goes well, or is ended and taken up again: what comes, what lies in the cache, what is served."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import DownloadError, EngineError
from core.models.facts import model_facts
from core.models.hub.cache import cached_snapshot
from core.models.hub.download import Download, Transferring
from core.models.hub.records import Fetched, Paused, Verifying
from core.models.registry import cached_models, resolve, weight_files
from core.models.verifying import FileState, check_files
from tests.hub.conftest import download, drain, pull, size_of, until
from tests.hub.server import HubRepository, LocalHub, sha256

NEEDED = {"README.md", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}


async def test_the_plan_says_what_would_come_and_fetches_nothing(hub: LocalHub, cache: Path) -> None:
    async with download("gpt2") as started:
        plan = await started.plan()
    files = hub.repositories["openai-community/gpt2"].files
    assert {file.name for file in plan.files} == NEEDED | {"model.safetensors"}
    assert plan.total_bytes == plan.missing_bytes == sum(len(files[file.name]) for file in plan.files)
    assert (plan.license, plan.task, plan.architecture) == ("mit", "text-generation", "GPT2LMHeadModel")
    assert (plan.revision, plan.commit) == ("main", hub.repositories["openai-community/gpt2"].commit)
    assert plan.endpoint == hub.endpoint
    assert plan.free_bytes > 0
    assert all(one.path.startswith("/api/models/") for one in hub.served)
    assert not size_of(cache)


async def test_a_model_comes_whole_verified_and_in_the_libraries_own_layout(hub: LocalHub, cache: Path) -> None:
    plan, events = await pull("gpt2")
    model = resolve("gpt2")
    files = hub.repositories["openai-community/gpt2"].files
    assert str(model.folder) == plan.folder
    for file in plan.files:
        assert (model.folder / file.name).read_bytes() == files[file.name]
        assert (model.folder / file.name).resolve() == cache / "models--gpt2" / "blobs" / file.blob
    assert {path.name for path in model.folder.iterdir()} == {file.name for file in plan.files}
    assert weight_files(model) == [model.folder / "model.safetensors"]
    assert events[-1] == Fetched(plan.folder, plan.total_bytes)
    assert [event.file for event in events if isinstance(event, Verifying)] == [file.name for file in plan.files]
    assert all(check.state is FileState.OK for check in check_files(model))


async def test_huggingface_hub_finds_it_offline(hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    plan, _ = await pull("gpt2")
    assert snapshot_download("gpt2", cache_dir=cache, local_files_only=True) == plan.folder
    found = try_to_load_from_cache("gpt2", "model.safetensors", cache_dir=cache)
    assert found == f"{plan.folder}/model.safetensors"


async def test_progress_counts_up_to_all_of_it(hub: LocalHub, cache: Path) -> None:
    plan, events = await pull("gpt2")
    steps = [event for event in events if isinstance(event, Transferring)]
    assert all(before.done_bytes <= after.done_bytes for before, after in pairwise(steps))
    assert steps[-1].done_bytes == steps[-1].total_bytes == plan.total_bytes
    assert (steps[-1].number, steps[-1].count) == (len(plan.files), len(plan.files))
    assert steps[-1].bytes_per_s > 0
    assert steps[-1].eta_s == 0


async def test_a_model_in_shards_comes_with_its_index(hub: LocalHub, cache: Path) -> None:
    plan, _ = await pull("org/sharded")
    shards = {path.name for path in weight_files(resolve("org/sharded"))}
    assert len(shards) == len([file for file in plan.files if file.name.endswith(".safetensors")]) > 1
    assert model_facts(resolve("org/sharded")).parameters > 1_000_000


async def test_a_download_killed_at_half_and_resumed_fetches_only_the_rest(hub: LocalHub, cache: Path) -> None:
    weights = hub.repositories["openai-community/gpt2"].files["model.safetensors"]
    half = len(weights) // 2
    fault = hub.order("/cdn/", hold_after=half)
    part = cache / "models--gpt2" / "blobs" / f"{sha256(weights)}.incomplete"
    async with download("gpt2") as started:
        await started.plan()
        events = asyncio.create_task(drain(started))
        await until(lambda: size_of(part) > half - 2**17)
        await started.close()
        assert not any(isinstance(event, Fetched) for event in await events)
    fault.gate.set()
    await until(lambda: hub.sent_bytes("/cdn/"))
    here = size_of(part)
    assert half - 2**17 < here <= half
    assert cached_snapshot("gpt2") is None

    hub.served.clear()
    async with download("gpt2") as started:
        plan = await started.plan()
        assert plan.missing_bytes == len(weights) - here
        assert (await drain(started))[-1] == Fetched(plan.folder, len(weights) - here)
    (fetched,) = [one for one in hub.served if one.path.startswith("/cdn/")]
    assert (fetched.range, fetched.status, fetched.sent_bytes) == (f"bytes={here}-", 206, len(weights) - here)
    assert hub.sent_bytes("/resolve/") == 0
    assert (resolve("gpt2").folder / "model.safetensors").read_bytes() == weights
    assert not size_of(part)


async def test_what_is_whole_is_not_fetched_again(hub: LocalHub, cache: Path) -> None:
    await pull("gpt2")
    hub.served.clear()
    plan, events = await pull("gpt2")
    assert plan.missing_bytes == 0
    assert events[-1] == Fetched(plan.folder, 0)
    assert all(one.path.startswith("/api/models/") for one in hub.served)


async def test_another_revision_fetches_only_what_differs(hub: LocalHub, cache: Path) -> None:
    await pull("gpt2")
    old = hub.repositories["openai-community/gpt2"]
    config = old.files["config.json"].replace(b"}", b" }")
    hub.repositories["openai-community/gpt2"] = HubRepository(old.files | {"config.json": config}, revisions=("v2",))
    plan, events = await pull("gpt2", "v2")
    assert plan.missing_bytes == len(config)
    assert events[-1] == Fetched(plan.folder, len(config))
    assert resolve("gpt2").folder.name == old.commit
    assert resolve("gpt2@v2").folder.name == plan.commit == resolve(f"gpt2@{plan.commit[:9]}").folder.name
    assert [model.name for model in cached_models()] == ["gpt2", "gpt2@v2"]


@pytest.mark.parametrize("revision", ["v1", "refs/pr/1"])
async def test_a_tag_or_a_pull_request_is_a_revision(revision: str, hub: LocalHub, cache: Path) -> None:
    plan, _ = await pull(f"gpt2@{revision}")
    assert resolve(f"gpt2@{revision}").folder == Path(plan.folder)
    assert cached_snapshot("gpt2") is None


async def test_a_short_name_of_the_course_is_found_under_its_full_one(hub: LocalHub, cache: Path) -> None:
    plan, _ = await pull("openai-community/gpt2")
    assert resolve("gpt2").folder == Path(plan.folder)


async def test_a_second_download_waits_for_the_first_and_fetches_nothing_twice(hub: LocalHub, cache: Path) -> None:
    weights = hub.repositories["openai-community/gpt2"].files["model.safetensors"]
    fault = hub.order("/cdn/", hold_after=len(weights) // 2)
    async with download("gpt2") as first, download("gpt2") as second:
        await first.plan()
        events = asyncio.create_task(drain(first))
        await until(fault.held.is_set)
        await second.plan()
        async for event in second.events():
            if isinstance(event, Paused) and "another program is downloading" in event.reason:
                fault.gate.set()
        await events
    assert hub.sent_bytes("/cdn/") == len(weights)


async def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(
    hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    await pull("gpt2")
    at_hub = {one.authorization for one in hub.served if one.host.startswith("127.0.0.1")}
    elsewhere = {one.authorization for one in hub.served if one.host.startswith("localhost")}
    assert (at_hub, elsewhere) == ({"Bearer hf_secret"}, {""})
    assert b"hf_secret" not in everything_in(cache)


def everything_in(folder: Path) -> bytes:
    """The contents of all files."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_events_before_a_plan_are_refused() -> None:
    with pytest.raises(EngineError, match="nothing is planned"):
        await drain(Download("gpt2"))


async def test_a_process_ended_from_outside_is_one_plain_error(hub: LocalHub, cache: Path) -> None:
    fault = hub.order("/cdn/", hold_after=1000)
    async with download("gpt2") as started:
        await started.plan()
        events = asyncio.create_task(drain(started))
        await until(fault.held.is_set)
        assert started._child is not None
        started._child.kill()
        with pytest.raises(DownloadError, match="ended from outside") as caught:
            await events
    assert caught.value.hint == "run it again: it goes on"


async def test_a_check_tells_every_byte_it_reads_and_ends_when_told_to(hub: LocalHub, cache: Path) -> None:
    plan, _ = await pull("gpt2")
    counts: list[int] = []
    assert len(list(check_files(resolve("gpt2"), counts.append))) == len(plan.files)
    assert sum(counts) == plan.total_bytes

    def stop(count: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        list(check_files(resolve("gpt2"), stop))
