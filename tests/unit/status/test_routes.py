"""The status page's routes and headers, as a browser and a stranger see them."""

import asyncio
import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics.server import serve
from provider_daemon.status.routes import own_name
from tests.unit.job.jobs import JOB
from tests.unit.metrics.parts import fill
from tests.unit.status.conftest import made

PATHS = ("/", "/status.json", "/status/jobs", "/status/jobs/JOB-1")


async def test_page_allows_its_own_style_and_script_only(site: aiohttp.ClientSession) -> None:
    """The policy names the hashes of what is inline; nothing comes from elsewhere, nothing can be sent,
    nobody can frame it."""
    async with site.get("/") as answer:
        text, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert answer.content_type == "text/html"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{directive} 'sha256-{b64encode(sha256(inner.encode()).digest()).decode()}';" in policy
    assert "unsafe" not in policy
    for part in (
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ):
        assert part in policy
    assert not re.search(
        r"https?://|innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|style=|\son\w+=", text
    )


@pytest.mark.parametrize("route", PATHS)
async def test_every_answer_is_kept_by_nobody(
    site: aiohttp.ClientSession, ledger: Ledger, route: str
) -> None:
    fill(ledger)
    async with site.get(route) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("route", [*PATHS, "/status/events"])
async def test_nothing_can_be_changed(site: aiohttp.ClientSession, route: str) -> None:
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE"):
        async with site.request(method, route) as answer:
            assert answer.status == 405


@pytest.mark.parametrize("route", [*PATHS, "/status/events"])
async def test_a_name_that_a_stranger_points_here_is_turned_away(
    site: aiohttp.ClientSession, route: str
) -> None:
    """DNS rebinding: the browser takes evil.example for the page's own origin, and says so in Host."""
    async with site.get(route, headers={"Host": "evil.example:9464"}) as answer:
        assert answer.status == 421


def test_own_names() -> None:
    """Addresses, localhost, and what metrics.listen says."""
    for name in (
        "127.0.0.1:9464",
        "[::1]:9464",
        "localhost:9464",
        "LOCALHOST",
        "10.0.0.7",
        "provd.site.example:9464",
    ):
        assert own_name(name, "provd.site.example")
    for name in ("", "evil.example", "127.0.0.1.evil.example:80", "[::1", "localhost.evil.example"):
        assert not own_name(name, "127.0.0.1")


async def test_jobs_in_pages(site: aiohttp.ClientSession, ledger: Ledger) -> None:
    """`before` leads to the next older ones; `show` and `match` choose; a word that is none of them is
    refused."""
    fill(ledger)

    async def ids(query: str) -> list[str]:
        async with site.get(f"/status/jobs?{query}") as answer:
            return [job["job_id"] for job in (await answer.json())["jobs"]]

    assert await ids("") == ["JOB-6", "JOB-5", "JOB-4", "JOB-3", "JOB-2", "JOB-1"]
    assert await ids("before=3") == ["JOB-2", "JOB-1"]
    assert await ids("show=open") == ["JOB-5", "JOB-4", "JOB-3", "JOB-2", "JOB-1"]
    assert await ids("show=parked") == ["JOB-5", "JOB-4"]
    assert await ids("match=JOB-3") == await ids("match=3") == ["JOB-3"]
    assert await ids("match=%27%20OR%201") == []
    for query in ("before=x", "before=-1", f"before={2**64}", "show=secrets"):
        async with site.get(f"/status/jobs?{query}") as answer:
            assert answer.status == 400


async def test_a_job_with_its_timeline(site: aiohttp.ClientSession, ledger: Ledger) -> None:
    """Events, transactions, and reports that wait; an unknown one is a 404."""
    fill(ledger)
    with ledger.write():
        ledger.add_event("JOB-1", EventKind.PARKED, "two\nlines \x1b[2J \u202e", 3.0)
    async with site.get("/status/jobs/JOB-1") as answer:
        found = await answer.json()
    assert {entry["what"] for entry in found["timeline"]} == {"created", "parked"}
    assert {"at": 3.0, "what": "parked", "detail": "two\\nlines \\x1b[2J \\u202e", "state": ""} in found[
        "timeline"
    ]
    assert [report["state"] for report in found["unsent"]] == ["queued", "running"]
    for other in ("JOB-404", "1", "%2e%2e%2f"):
        async with site.get(f"/status/jobs/{other}") as answer:
            assert answer.status == 404


async def test_live(site: aiohttp.ClientSession, ledger: Ledger) -> None:
    """First the whole overview; then only what is new."""
    async with site.get("/status/events") as answer:
        assert answer.content_type == "text/event-stream"
        first = json.loads((await answer.content.readuntil(b"\n\n")).removeprefix(b"data: "))
        assert set(first) == {
            "at",
            "total",
            "clusters",
            "counts",
            "jobs",
            "parked",
            "transactions",
            "waiting",
            "set_aside",
            "held",
            "disputes",
            "unpaid",
            "settlement",
            "daemon",
        }
        second = json.loads((await answer.content.readuntil(b"\n\n")).removeprefix(b"data: "))
        assert second == {}


async def test_an_open_page_does_not_hold_up_a_daemon_that_stops(ledger: Ledger, path: Path) -> None:
    """The stream ends with the daemon, long before the server would give it up."""
    runner = await serve(made(ledger, path), "127.0.0.1:0", "metrics.listen")
    host, port = runner.addresses[0]
    async with (
        aiohttp.ClientSession(f"http://{host}:{port}") as session,
        session.get("/status/events") as answer,
    ):
        await answer.content.readuntil(b"\n\n")
        await asyncio.wait_for(runner.cleanup(), 10)


async def test_only_so_many_pages(site: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to come back; a closed one makes room."""
    monkeypatch.setattr("provider_daemon.status.routes.MOST_STREAMS", 1)
    async with site.get("/status/events") as first:
        await first.content.readuntil(b"\n\n")
        async with site.get("/status/events") as second:
            assert (second.status, second.headers["Retry-After"]) == (503, "30")


async def test_a_long_timeline_is_cut_at_its_beginning(site: aiohttp.ClientSession, ledger: Ledger) -> None:
    fill(ledger)
    with ledger.write():
        for number in range(600):
            ledger.add_event("JOB-1", EventKind.STATE, "x" * 1000, 2e9 + number)
    async with site.get("/status/jobs/JOB-1") as answer:
        entries = (await answer.json())["timeline"]
    assert (len(entries), entries[-1]["at"], len(entries[-1]["detail"])) == (500, 2e9 + 599, 300)


async def test_no_secret_of_a_job_is_shown(site: aiohttp.ClientSession, ledger: Ledger) -> None:
    """Arguments and environment hold tokens."""
    workload = replace(JOB.spec.workload, arguments=("--token=s3cret",), environment=(("TOKEN", "s3cret"),))
    with ledger.write():
        ledger.save_job(replace(JOB, spec=replace(JOB.spec, workload=workload)))
    for route in ("/status.json", f"/status/jobs/{JOB.spec.job_id}", "/status/jobs"):
        async with site.get(route) as answer:
            assert "s3cret" not in await answer.text()
