"""The live log: as text and as events, before the job starts, while it runs, and after its end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.gateway.events import LogEvents
from tests.unit.gateway.conftest import Running

LOG = "/v1/jobs/JOB-7/log"
EVENTS = {"Accept": "text/event-stream"}


@asynccontextmanager
async def following(running: Running, query: str = "", **headers: str) -> AsyncIterator[aiohttp.StreamReader]:
    url = f"http://{running.address[0]}:{running.address[1]}{LOG}{query}"
    async with running.http.get(url, headers={**running.bearer(), **headers}) as answer:
        assert answer.status == 200
        async with asyncio.timeout(20):
            yield answer.content


async def event(content: aiohttp.StreamReader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while (line := (await content.readline()).decode().rstrip("\n")) or not found:
        name, _, value = line.partition(": ")
        if name:
            found[name] = json.loads(value) if name == "data" else value
    return found


async def test_what_is_there_now(running: Running) -> None:
    """From an offset on, without waiting; stdout and stderr apart."""
    job = running.job(7)
    running.write(job, "output.txt", b"0123456789")
    running.write(job, "error.txt", b"oops")
    assert (await running.ask("GET", LOG))[:2] == (200, b"0123456789")
    assert (await running.ask("GET", f"{LOG}?offset=4"))[1] == b"456789"
    assert (await running.ask("GET", f"{LOG}?offset=40"))[1] == b""
    assert (await running.ask("GET", f"{LOG}?stream=error"))[1] == b"oops"
    assert await running.refusal("GET", f"{LOG}?stream=../x") == (400, "bad_request")


async def test_no_log_yet(running: Running) -> None:
    """A job that has not written anything, or was not submitted, has an empty log."""
    job = running.job(7)
    assert (await running.ask("GET", LOG))[:2] == (200, b"")
    running.save(replace(job, directory=""))
    assert (await running.ask("GET", LOG))[:2] == (200, b"")


async def test_text_follows_until_the_end(running: Running) -> None:
    """What the job writes comes at once; the answer ends with the job, with its last words."""
    job = running.job(7)
    running.write(job, "output.txt", b"one\n")
    async with following(running, "?follow=1") as content:
        assert await content.readline() == b"one\n"
        running.write(job, "output.txt", b"one\ntwo\n")
        assert await content.readline() == b"two\n"
        running.write(job, "output.txt", b"one\ntwo\nlast\n")
        running.end(job)
        assert await content.read() == b"last\n"


async def test_events_of_a_job_that_has_not_started(running: Running) -> None:
    """The stream waits for the directory, then for the file, and ends with the job's state."""
    job = running.job(7)
    waiting = running.save(replace(job, directory=""))
    async with following(running, **EVENTS) as content:
        running.save(replace(waiting, directory=job.directory))
        running.write(job, "output.txt", b"hello")
        assert await event(content) == {"id": "5", "event": "log", "data": "hello"}
        running.end(job)
        assert await event(content) == {"id": "5", "event": "end", "data": "completed"}
        assert await content.read() == b""


async def test_a_job_that_is_submitted_again(running: Running) -> None:
    """Its new directory is followed; the first one never had a log."""
    job = running.job(7)
    running.write(job, "other.txt", b"")
    second = replace(job, directory=f"{running.work_root}/ve-7.0000bcde")
    async with following(running, **EVENTS) as content:
        running.save(second)
        running.write(second, "output.txt", b"hello")
        assert await event(content) == {"id": "5", "event": "log", "data": "hello"}
        running.end(second)
        assert await event(content) == {"id": "5", "event": "end", "data": "completed"}


async def test_events_continue_where_they_were_cut(running: Running) -> None:
    """The browser sends the last id: nothing is repeated, nothing is lost."""
    job = running.job(7)
    running.write(job, "output.txt", b"hello world")
    running.end(job)
    async with following(running, "?offset=0", **EVENTS, **{"Last-Event-ID": "6"}) as content:
        assert await event(content) == {"id": "11", "event": "log", "data": "world"}
        assert (await event(content))["event"] == "end"


async def test_a_job_that_never_ran(running: Running) -> None:
    """Its log ends at once, empty."""
    job = running.job(7)
    running.end(replace(job, directory="", slurm_id=""))
    async with following(running, **EVENTS) as content:
        assert await event(content) == {"id": "0", "event": "end", "data": "completed"}


async def test_a_client_that_leaves_is_noticed(running: Running) -> None:
    """Nothing stays open for it, also if the job never writes a byte."""
    running.job(7)
    async with following(running, "?follow=1"):
        assert (running.gateway.streams.open, running.gateway.followers.open) == (1, 1)
    async with asyncio.timeout(10):
        while running.gateway.streams.open:
            await asyncio.sleep(0.01)
    assert running.gateway.followers.open == 0


async def test_few_logs_at_once(running: Running) -> None:
    """One account can follow eight; the next one is refused, and other answers are not."""
    running.job(7)
    held = [following(running, "?follow=1") for _ in range(8)]
    for each in held:
        await each.__aenter__()
    assert await running.refusal("GET", f"{LOG}?follow=1") == (429, "too_many_streams")
    assert (await running.ask("GET", LOG))[0] == 200
    for each in held:
        await each.__aexit__(None, None, None)


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_character_is_never_split(cut: int) -> None:
    """Its id is the end of the last whole character, so that a new stream begins with a whole one."""
    text = "a\u20acb\r\n".encode()
    events = LogEvents(0)
    made = events.event(text[:cut]) + events.event(text[cut:])
    ids = [int(line[4:]) for line in made.split(b"\n") if line.startswith(b"id: ")]
    words = [json.loads(line[6:]) for line in made.split(b"\n") if line.startswith(b"data: ")]
    assert "".join(words) == "a\u20acb\r\n"
    assert ids[-1] == len(text)
    assert all(text[:each].decode() for each in ids)


@given(st.lists(st.binary(max_size=20), max_size=6), st.integers(0, 2**40))
def test_any_bytes_make_events(chunks: list[bytes], offset: int) -> None:
    """Each event has three lines, whatever a job writes, and the last id counts every byte."""
    events = LogEvents(offset)
    made = b"".join(map(events.event, chunks)) + events.end("failed")
    blocks = made.split(b"\n\n")
    assert blocks.pop() == b""
    assert all(len(block.split(b"\n")) == 3 for block in blocks)
    assert blocks[-1].startswith(b"id: %d\n" % (offset + sum(map(len, chunks))))
