"""A hub that is too busy, and transfers that break on the way: what the user reads, and how it goes on."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from core.errors import ModelFormatError
from core.models.hub.cache import cached_snapshot
from core.models.hub.download import Transferring
from core.models.hub.process.transfer import asked_wait_s
from core.models.hub.records import Paused
from tests.hub.conftest import (
    download,
    is_whole,
    part_of,
    parts_in,
    pull,
    refusal,
    size_of,
    use_gpt2_with,
    weights_of,
)
from tests.hub.server import LocalHub, sha256

# -- too busy ---------------------------------------------------------------------------------------------------------


pytestmark = pytest.mark.slow


async def test_a_long_wait_is_said_and_not_waited_for(hub: LocalHub, cache: Path) -> None:
    hub.order("/api/", status=429, headers={"Retry-After": "300"}, times=9)
    error = await refusal()
    assert error.message == f"{hub.endpoint} asks to wait 300 s: too many requests (429)"
    assert [one.status for one in hub.served] == [307, 429]


WAITS: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "300"}, 300),
    "a date": ({"retry-after": formatdate(time.time() + 100_000, usegmt=True)}, 100_000),
    "a date that is over": ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0),
    "the hub's own header": ({"ratelimit": '"api";r=0;t=30'}, 30),
    "there is room left": ({"ratelimit": '"api";r=7;t=30'}, None),
    "nonsense": ({"retry-after": "soon"}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("headers", "expected_s"), WAITS.values(), ids=WAITS.keys())
def test_the_wait_is_read_in_every_form_it_comes_in(headers: dict[str, str], expected_s: float | None) -> None:
    assert asked_wait_s(headers) == (
        expected_s if expected_s is None else pytest.approx(expected_s, abs=5_000 if expected_s > 1_000 else 0)
    )


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
