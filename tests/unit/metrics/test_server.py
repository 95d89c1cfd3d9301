"""/metrics, /healthz and /readyz as Prometheus and a load balancer see them."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from provider_daemon.errors import Transient
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics.server import build_app, serve
from tests.unit.metrics.parts import Health, fill, parts


async def get(ledger: Ledger, path: Path, url: str, *loops: Health) -> tuple[int, str]:
    runner = await serve(build_app(parts(ledger, path, *loops)), "127.0.0.1:0", "metrics.listen")
    try:
        host, port = runner.addresses[0]
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{url}") as answer:
            return answer.status, await answer.text()
    finally:
        await runner.cleanup()


async def test_metrics_are_prometheus_text(ledger: Ledger, path: Path) -> None:
    """Ours, the process's and Python's own, with their help."""
    fill(ledger)
    status, text = await get(ledger, path, "/metrics", Health("intake"))
    assert status == 200
    assert 'provd_jobs{cluster="HPC-1",state="running"} 2.0' in text
    assert "# HELP provd_jobs Open jobs by cluster and state, excluding parked jobs." in text
    assert "# TYPE provd_transactions_total counter" in text
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text


async def test_healthy_while_it_answers(ledger: Ledger, path: Path) -> None:
    """A failing loop is no reason to kill the process."""
    assert await get(ledger, path, "/healthz", Health("intake", failure="down")) == (200, "ok\n")


async def test_ready_when_every_loop_had_its_good_tick(ledger: Ledger, path: Path) -> None:
    """Ready means that every loop works now."""
    assert await get(ledger, path, "/readyz", Health("intake", last_success=1.0)) == (200, "ready\n")


async def test_not_ready_says_why(ledger: Ledger, path: Path) -> None:
    """One line for each loop that does not work, with what is wrong."""
    loops = (
        Health("intake", 1.0),
        Health("advance:alpha"),
        Health("outbox:ve1p", 1.0, "no endpoint answers"),
    )
    assert await get(ledger, path, "/readyz", *loops) == (
        503,
        "advance:alpha: no good tick yet\noutbox:ve1p: no endpoint answers\n",
    )


async def test_a_loop_without_progress_is_not_ready(ledger: Ledger, path: Path) -> None:
    """However well its ticks end: what it is for does not get done."""
    stuck = Health(
        "outbox:ve1p", 1.0, standstill="no transaction of the key was included for 61 s; 81 reports wait"
    )
    assert await get(ledger, path, "/readyz", stuck) == (503, f"outbox:ve1p: {stuck.standstill}\n")
    assert 'provd_outbox_stalled{signer="ve1p"} 1.0' in (await get(ledger, path, "/metrics", stuck))[1]


async def test_dead_loop_is_not_ready(ledger: Ledger, path: Path) -> None:
    """However well its last tick ended."""
    assert await get(ledger, path, "/readyz", Health("intake", 1.0, death="the loop has ended")) == (
        503,
        "intake: the loop has ended\n",
    )


async def test_taken_port_is_the_operators_mistake(ledger: Ledger) -> None:
    """A port that something else holds is one line that names it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(Transient, match=rf"^data\.metrics_listen {listen}: "):
            await serve(build_app(parts(ledger, Path())), listen, "data.metrics_listen")


async def test_address_of_another_machine_is_the_operators_mistake(ledger: Ledger) -> None:
    """Neither a foreign address nor a name that means nothing is a traceback."""
    for listen in ("192.0.2.1:9464", "no.such.host.invalid:9464"):
        with pytest.raises(Transient, match=r"^data\.metrics_listen"):
            await serve(build_app(parts(ledger, Path())), listen, "data.metrics_listen")


async def test_a_reader_that_stalls_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp would wait a minute for it, and another one for its connection."""
    monkeypatch.setattr("provider_daemon.metrics.server.CLOSING_SECONDS", 0.1)

    async def much(_: web.Request) -> web.Response:
        return web.Response(body=bytes(50_000_000))

    app = web.Application()
    app.router.add_get("/", much)
    runner = await serve(app, "127.0.0.1:0", "metrics.listen")
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readexactly(1)
    async with asyncio.timeout(10):
        await runner.cleanup()
    writer.close()
