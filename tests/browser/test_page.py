"""The status page in a real browser.

It is live, inert against hostile text, and works by keyboard, on a phone, and in the dark scheme.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from provider_daemon.clock import SystemClock
from provider_daemon.job.maintenance import Window, WindowSource
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import State
from provider_daemon.ledger import maintenance, meta
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.pause import Pause
from provider_daemon.ledger.rows import Message
from provider_daemon.metrics import catalog
from provider_daemon.metrics.scheduler import FOREVER
from provider_daemon.metrics.server import build_app, serve
from provider_daemon.status.routes import Routes
from provider_daemon.status.view import View
from tests.browser.chromium import Tab, chromium
from tests.unit.job.jobs import JOB
from tests.unit.metrics.parts import Endpoint, Health, parts

pytestmark = pytest.mark.real

HOSTILE = (
    '<img src=x onerror="window.owned=1"><script>window.owned=1</script> \x1b[31m\u202egnp.exe\u0000 '
    "';alert(1)//"
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def app(ledger: Ledger, tmp_path: Path) -> Callable[[], web.Application]:
    """Returns the application that the daemon serves."""
    loops = (
        Health("intake", last_success=990.0),
        Health("advance:alpha", 980.0, failure=f"refused: {HOSTILE}"),
    )
    made = parts(
        ledger, tmp_path / "ledger.sqlite", *loops, endpoints=lambda: [Endpoint()], clock=SystemClock()
    )

    def make() -> web.Application:
        served = build_app(made)
        Routes(View(made), "127.0.0.1").add_to(served)
        return served

    return make


@pytest.fixture
async def address(app: Callable[[], web.Application]) -> AsyncIterator[str]:
    runner = await serve(app(), "127.0.0.1:0", "metrics.listen")
    host, port = runner.addresses[0]
    yield f"http://{host}:{port}/"
    await runner.cleanup()


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with chromium() as opened:
        yield opened


def save(ledger: Ledger, number: int, **changes: object) -> None:
    workload = replace(JOB.spec.workload, command=HOSTILE)
    spec = replace(JOB.spec, job_id=f"JOB-{number}", queue=HOSTILE, workload=workload)
    with ledger.write():
        ledger.save_job(replace(JOB, spec=spec, **changes))  # type: ignore[arg-type]
        ledger.add_event(f"JOB-{number}", EventKind.PARKED, HOSTILE, 999.0)


async def test_live_and_inert(ledger: Ledger, address: str, tab: Tab) -> None:
    """Changes in the ledger appear without a reload; a hostile name is plain text; the console is empty."""
    save(ledger, 1, state=State.RUNNING, message=HOSTILE)
    with ledger.write():
        ledger.quarantine("JOB-9", HOSTILE, 5.0)
    await tab.go(address)
    await tab.until("document.querySelectorAll('#jobs tr').length === 1")
    save(ledger, 2, parked=Parked(ParkReason.OTHER, HOSTILE))
    await tab.until("document.querySelectorAll('#jobs tr').length === 2")
    await tab.run("document.querySelector('#jobs a').click()")
    await tab.until("document.querySelector('#detail li') !== null")
    text = await tab.run("document.body.innerText")
    assert text.count('<img src=x onerror="window.owned=1">') >= 8
    assert "\\x1b[31m\\u202egnp.exe\\x00" in text
    assert "not ready: 1 of 2 loops fail" in text
    assert await tab.run("document.querySelectorAll('img').length + document.scripts.length") == 1
    assert await tab.run("typeof window.owned") == "undefined"
    assert tab.problems == []


async def test_what_a_stranger_reads(ledger: Ledger, tmp_path: Path, tab: Tab) -> None:
    """A working daemon with a job for its operator is not simply ready.

    Amounts have digit groups, and a runway of many years is not counted in days.
    """
    made = parts(
        ledger, tmp_path / "ledger.sqlite", Health("intake", last_success=990.0), clock=SystemClock()
    )
    made.meters.set(catalog.WALLET_BALANCE, 999_999_937_766, "ve1p", "uve", until=FOREVER)
    made.meters.set(catalog.WALLET_RUNWAY, 6e10, "ve1p", until=FOREVER)
    with ledger.write():
        ledger.add_message("ve1p", Message("report", "JOB-1", b"x", "running"), 5.0)
    save(ledger, 1, parked=Parked(ParkReason.NO_GPU_RECORD, ""))
    app = build_app(made)
    Routes(View(made), "127.0.0.1").add_to(app)
    runner = await serve(app, "127.0.0.1:0", "metrics.listen")
    host, port = runner.addresses[0]
    await tab.go(f"http://{host}:{port}/")
    await tab.until("document.querySelector('#badge').textContent === 'ready, 1 job parked'")
    text = await tab.run("document.body.innerText")
    assert "999\u202f999\u202f937\u202f766\u00a0uve, runway over 10 years" in text
    assert "1 report message waiting in the outbox of ve1p" in text
    made.meters.set(catalog.WALLET_BALANCE, 5815, "ve1p", "uve", until=FOREVER)
    made.meters.set(catalog.WALLET_RUNWAY, 1500.0, "ve1p", until=FOREVER)
    await tab.until("document.body.innerText.includes('5\u202f815\u00a0uve, runway 25 min')")
    assert await tab.run("document.querySelector('#chain b').className") == "bad"
    await runner.cleanup()


async def test_even_a_mistake_of_ours_would_make_no_element(address: str, tab: Tab) -> None:
    """By the page's policy, neither innerHTML nor an external script has any effect."""
    await tab.go(address)
    await tab.until("typeof taken === 'function'")
    tried = (
        "(() => { try { document.body.innerHTML = '<img src=x>'; return 'done'; } catch (error) { "
        "return error.name; } })()"
    )
    assert await tab.run(tried) == "TypeError"
    await tab.run(
        "document.body.append(Object.assign(document.createElement('style'), { textContent: 'main { "
        "display: none }' }))"
    )
    assert await tab.run("getComputedStyle(document.querySelector('main')).display") == "block"


async def test_a_daemon_that_starts_anew_is_followed_again(
    app: Callable[[], web.Application], tab: Tab
) -> None:
    """The page follows a restarted daemon, and meanwhile reports that the connection is lost."""
    runner = await serve(app(), "127.0.0.1:0", "metrics.listen")
    host, port = runner.addresses[0]
    await tab.go(f"http://{host}:{port}/")
    await tab.until("document.querySelector('#badge').textContent.startsWith('not ready')")
    await runner.cleanup()
    await tab.until("document.querySelector('#badge').textContent.startsWith('connection lost')")
    runner = await serve(app(), f"{host}:{port}", "metrics.listen")
    await tab.until("document.querySelector('#badge').textContent.startsWith('not ready')")
    await runner.cleanup()


async def test_by_keyboard(ledger: Ledger, address: str, tab: Tab) -> None:
    """Tab reaches every control, visibly; Enter opens a job, Escape returns to it, / leads to the search.

    Live updates move no focus.
    """
    save(ledger, 1)
    await tab.go(address)
    await tab.until("document.querySelectorAll('#jobs tr').length === 1")
    reached = []
    for _ in range(5):
        await tab.press("Tab")
        reached.append(await tab.run("document.activeElement.id || document.activeElement.textContent"))
        assert await tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["newest", "show", "match", "Find", "JOB-1"]
    save(ledger, 2)
    await tab.until("document.querySelectorAll('#jobs tr').length === 2")
    assert await tab.run("document.activeElement.textContent") == "JOB-1"
    await tab.press("Enter")
    await tab.until("document.activeElement.id === 'detail'")
    await tab.press("Escape")
    assert await tab.run("document.activeElement.textContent") == "JOB-1"
    await tab.run("document.activeElement.blur()")
    await tab.press("/")
    assert await tab.run("document.activeElement.id") == "match"
    await tab.press("1")
    await tab.press("Enter")
    await tab.until("document.querySelectorAll('#jobs tr').length === 1")


async def test_a_parked_job_by_keyboard(ledger: Ledger, address: str, tab: Tab) -> None:
    """A parked job's name opens its timeline, and Escape returns to it.

    A second parked job does not move the focus.
    """
    save(ledger, 1, parked=Parked(ParkReason.SEVERAL, "7, 8"))
    await tab.go(address)
    await tab.until("document.querySelectorAll('#parked a').length === 1")
    await tab.press("Tab")
    assert await tab.run("document.activeElement.parentElement.parentElement.id") == "parked"
    save(ledger, 2, parked=Parked(ParkReason.SEVERAL, "7, 8"))
    await tab.until("document.querySelectorAll('#parked a').length === 2")
    assert await tab.run("document.activeElement.textContent") == "JOB-1"
    await tab.press("Enter")
    await tab.until("document.activeElement.id === 'detail'")
    assert "several" in await tab.run("document.querySelector('#detail').innerText")
    await tab.press("Escape")
    assert (
        await tab.run(
            "[document.activeElement.textContent, "
            "document.activeElement.parentElement.parentElement.id].join()"
        )
        == "JOB-1,parked"
    )


async def test_a_job_has_a_page(ledger: Ledger, address: str, tab: Tab) -> None:
    """Its link opens that job alone, with customer and money, and follows its changes."""
    save(ledger, 1, state=State.RUNNING, estimate=2_400_000, escrowed=3_000_000)
    await tab.go(address)
    await tab.until("document.querySelectorAll('#jobs tr').length === 1")
    row = await tab.run("document.querySelector('#jobs tr').innerText")
    assert "\u2264\u202f2\u202f400\u202f000" in row
    link = await tab.run("document.querySelector('#jobs a').href")
    assert link == f"{address}jobs/JOB-1"
    await tab.go(link)
    await tab.until("document.querySelector('#detail li') !== null")
    text = await tab.run("document.body.innerText")
    assert JOB.spec.customer in text
    assert "3\u202f000\u202f000 uvirt" in text
    assert "Latest transactions" not in text
    save(ledger, 1, state=State.RUNNING, message="now", parked=Parked(ParkReason.SEVERAL, "7, 8"))
    await tab.until("document.querySelector('#detail').innerText.includes('several')")
    await tab.go(f"{address}jobs/JOB-9")
    await tab.until("document.body.innerText.includes('The ledger has no such job')")
    assert all("404 (Not Found)" in problem for problem in tab.problems)


async def test_what_keeps_a_cluster_from_accepting_jobs(ledger: Ledger, address: str, tab: Tab) -> None:
    """A pause with who and why, and maintenance to come; gone when it is over."""
    with ledger.write():
        ledger.set(meta.SERVED, "HPC-1")
        ledger.set(meta.pause("HPC-1"), Pause(HOSTILE, "carol", 5.0))
        maintenance.add(ledger, "HPC-1", Window(WindowSource.OPERATOR, 4 * 10**9, 4 * 10**9 + 60))
    await tab.go(address)
    await tab.until("document.querySelectorAll('#clusters li').length === 1")
    text = await tab.run("document.querySelector('#clusters').innerText")
    assert "paused by carol" in text
    assert "draining on chain; maintenance from 2096-10-02" in text
    with ledger.write():
        ledger.set(meta.pause("HPC-1"), None)
        maintenance.remove(ledger, "HPC-1", 1)
    await tab.until("document.querySelector('#s-clusters').hidden")


async def test_on_a_phone(ledger: Ledger, address: str, tab: Tab) -> None:
    """A width of 360 pixels is enough for any word without horizontal scrolling.

    Missing values of a job take no space.
    """
    save(ledger, 1, parked=Parked(ParkReason.OTHER, "x" * 500), slurm_id="123456789")
    save(ledger, 2)
    await tab.size(360)
    await tab.go(address)
    await tab.until("document.querySelectorAll('#jobs tr').length === 2")
    await tab.run("document.querySelector('#jobs tr:last-child a').click()")
    await tab.until("document.querySelector('#detail li') !== null")
    assert await tab.run("document.documentElement.scrollWidth") <= 360
    assert (
        await tab.run(
            "[...document.querySelectorAll('#jobs td:empty')].filter(cell => cell.offsetHeight).length"
        )
        == 0
    )
    for width in (768, 929, 1280):
        await tab.size(width)
        assert await tab.run("document.documentElement.scrollWidth") <= width


async def test_light_and_dark(address: str, tab: Tab) -> None:
    """The page uses the system's scheme, and is readable in both.

    Every text colour has WCAG's contrast of 4.5.
    """
    await tab.go(address)
    for scheme in ("light", "dark"):
        await tab.scheme(scheme)
        back = await tab.run("getComputedStyle(document.querySelector('section')).backgroundColor")
        assert (luminance(back) < 0.2) is (scheme == "dark")
        for name in ("text", "quiet", "accent", "good", "warn", "bad"):
            colour = await tab.run(
                f"(document.body.style.color = 'var(--{name})', getComputedStyle(document.body).color)"
            )
            light, dark = sorted((luminance(back), luminance(colour)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, name)


def luminance(colour: str) -> float:
    """Returns WCAG's relative luminance of `rgb(r, g, b)`."""
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_ten_thousand_jobs(ledger: Ledger, address: str, tab: Tab) -> None:
    """The newest 200 jobs are shown at once, older ones after a click, and any by its id."""
    with ledger.write():
        for number in range(1, 10_001):
            ledger.save_job(
                replace(
                    JOB,
                    spec=replace(JOB.spec, job_id=f"JOB-{number}"),
                    state=State.RUNNING,
                    slurm_id=str(number),
                )
            )
    await tab.go(address)
    await tab.until("document.querySelectorAll('#jobs tr').length === 200")
    assert await tab.run("document.querySelector('#jobs a').textContent") == "JOB-10000"
    await tab.run("document.querySelector('#older').click()")
    await tab.until("document.querySelectorAll('#jobs tr').length === 400")
    await tab.run(
        "(document.querySelector('#match').value = 'JOB-17', document.querySelector('#search "
        "button').click())"
    )
    await tab.until("document.querySelectorAll('#jobs tr').length === 1")
    assert tab.problems == []
