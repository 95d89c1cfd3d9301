"""The customers' page in a real browser, over a real gateway with a site in a directory.

It logs in with a wallet, follows a log, downloads and uploads; it is inert against hostile text, and works by
keyboard, on a phone, and in the dark scheme.
"""

import asyncio
import hashlib
import json
import os
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from provider_daemon.gateway import log_routes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.tokens.jwt import signed_token
from tests.browser import wallet
from tests.browser.chromium import Tab, chromium
from tests.fakes.chain import ALICE, BOB, PROVIDER
from tests.unit.gateway.conftest import Running, serving

pytestmark = pytest.mark.real

HOSTILE = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
HOSTILE_NAME = '<img src=x onerror="window.owned=1">.txt'


@pytest.fixture
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(log_routes, "CHECK_SECONDS", 0.1)
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    async with serving(tmp_path, ledger) as started:
        yield started
    ledger.close()


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with chromium() as opened:
        await wallet.install(opened, ALICE)
        await opened.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads")
        )
        yield opened


def problems(tab: Tab) -> list[str]:
    """What the console has, without the lines for requests that the gateway refused."""
    return [line for line in tab.problems if "'source': 'network'" not in line]


def page_of(running: Running, fragment: str = "") -> str:
    return f"http://{running.address[0]}:{running.address[1]}/{fragment}"


async def title(tab: Tab, text: str) -> None:
    """Waits for a view: its title has the focus as soon as it is drawn."""
    focused = "document.activeElement"
    await tab.until(f"{focused}.tagName === 'H1' && {focused}.textContent === {json.dumps(text)}")


async def click(tab: Tab, text: str) -> None:
    """Presses the button or link with that text."""
    found = (
        f"[...document.querySelectorAll('button, a')].find((one) => one.textContent === {json.dumps(text)})"
    )
    await tab.until(f"{found} && !{found}.disabled")
    await tab.run(f"{found}.click()")


async def text_of(tab: Tab, selector: str) -> str:
    return str(await tab.run(f"document.querySelector({json.dumps(selector)})?.textContent"))


async def contains(tab: Tab, text: str) -> None:
    await tab.until(f"document.body.innerText.includes({json.dumps(text)})")


async def log_in(tab: Tab, running: Running, fragment: str = "") -> None:
    await tab.go(page_of(running, fragment))
    await click(tab, "Connect wallet")
    await wallet.sign(tab, ALICE)
    await tab.until("!document.querySelector('#who').hidden")


async def downloaded(tmp_path: Path, name: str) -> Path:
    """Returns the file when it is whole: the browser reserves its name first, and renames it last."""
    path = tmp_path / "downloads" / name
    async with asyncio.timeout(30):
        while not path.exists() or not path.stat().st_size or [*path.parent.glob("*.crdownload")]:
            await asyncio.sleep(0.05)
    return path


async def test_a_wallet_logs_in_and_sees_its_own_jobs(running: Running, tab: Tab) -> None:
    """The wallet shows what it signs; another customer's job is not in the list and cannot be opened."""
    running.job(7)
    running.job(8, BOB)
    await tab.go(page_of(running))
    await click(tab, "Connect wallet")
    text = await wallet.sign(tab, ALICE)
    for word in (running.gateway.url, running.gateway.chain_id, ALICE.address):
        assert word in text
    await tab.until("document.querySelectorAll('tbody tr').length === 1")
    assert await text_of(tab, "tbody a") == "JOB-7"
    await tab.run("location.hash = '#job=JOB-8'")
    await contains(tab, "This is not a job of your account here.")
    await tab.run("dispatchEvent(new Event('keplr_keystorechange'))")
    await contains(tab, "The wallet uses another account now. Log in again.")
    await title(tab, "Your jobs at this provider")
    assert problems(tab) == []


async def test_refusals_are_in_plain_words(running: Running, tab: Tab) -> None:
    """A wallet that does not sign, signs wrongly or does not know the chain; a token that is none."""
    await tab.go(page_of(running))
    await click(tab, "Connect wallet")
    await wallet.reject(tab)
    await contains(tab, "The text was not signed, so you are not logged in. (Request rejected)")
    await click(tab, "Connect wallet")
    await wallet.sign(tab, BOB)
    await contains(tab, "The signature of the challenge is not valid for this account.")
    await tab.run("window.unknownChain = true")
    await click(tab, "Connect wallet")
    await contains(tab, "Add the chain to the wallet")
    await tab.run("document.querySelector('#token').value = 'abc'")
    await click(tab, "Log in with the token")
    await contains(tab, "The token is not a valid JWT")
    assert await tab.run("document.querySelector('#who').hidden") is True
    assert problems(tab) == []


async def test_a_token_logs_in_for_this_tab(running: Running, tab: Tab) -> None:
    """A pasted JWT becomes a session that survives a reload; logging out forgets it."""
    running.job(7)
    await tab.go(page_of(running))
    await tab.until("document.querySelector('#token') !== null")
    await tab.run(f"document.querySelector('#token').value = {json.dumps(running.token())}")
    await click(tab, "Log in with the token")
    await tab.until("document.querySelectorAll('tbody tr').length === 1")
    await tab.go(page_of(running, "?again"))
    await tab.until("document.querySelectorAll('tbody tr').length === 1")
    await click(tab, "Log out")
    await title(tab, "Your jobs at this provider")
    assert await tab.run("sessionStorage.length") == 0


async def test_a_login_that_has_ended_is_explained(running: Running, tab: Tab) -> None:
    """The next request leads back to the login."""
    running.job(7)
    await log_in(tab, running)
    await title(tab, "Your jobs")
    running.clock.time += 9 * 3600
    await tab.run("location.hash = '#job=JOB-7'")
    await contains(tab, "Your login has ended. Log in again.")
    await title(tab, "Your jobs at this provider")


async def test_the_log_is_live(running: Running, tab: Tab) -> None:
    """New lines appear, also after the connection broke; the page says when it is all."""
    job = running.job(7)
    output = running.write(job, "output.txt", f"first {HOSTILE}\n\x1b[32mgreen\x1b[0m\n".encode())
    running.write(job, "error.txt", b"a warning\n")
    await log_in(tab, running, "#job=JOB-7")
    await contains(tab, "green")
    with output.open("a") as file:
        file.write("second\n")
    await contains(tab, "second")
    _break(running.runner)
    with output.open("a") as file:
        file.write("third\n")
    await contains(tab, "third")
    running.end(job)
    await contains(tab, "The job has ended: this is all of it.")
    assert await text_of(tab, ".log") == f"first {HOSTILE}\ngreen\nsecond\nthird\n"
    await click(tab, "Errors")
    await tab.until("document.querySelector('.log').textContent === 'a warning\\n'")
    assert await tab.run("typeof window.owned") == "undefined"
    assert problems(tab) == []


def _break(runner: web.AppRunner) -> None:
    """Cuts all connections, as a restarted proxy does."""
    assert runner.server is not None
    for connection in runner.server.connections:
        if connection.transport is not None:
            connection.transport.abort()


async def test_even_a_mistake_of_ours_would_make_no_element(running: Running, tab: Tab) -> None:
    """By the page's policy, neither innerHTML nor an inline style or script has any effect."""
    await log_in(tab, running)
    tried = (
        "(() => { try { document.body.innerHTML = '<img src=x>'; return 'done'; } "
        "catch (error) { return error.name; } })()"
    )
    assert await tab.run(tried) == "TypeError"
    await tab.run(
        "document.body.append(Object.assign(document.createElement('style'), "
        "{ textContent: 'main { display: none }' }))"
    )
    assert await tab.run("getComputedStyle(document.querySelector('main')).display") == "flex"


async def test_files_are_downloaded(running: Running, tab: Tab, tmp_path: Path) -> None:
    """One file, one in a directory, and all as an archive, by the browser's own downloads."""
    job = running.job(7)
    running.write(job, "model.bin", bytes(range(256)) * 4000)
    running.write(job, "deep/er/table.csv", b"1,2\n")
    running.write(job, HOSTILE_NAME, b"x")
    (Path(job.directory) / "passwd").symlink_to("/etc/passwd")
    (Path(job.directory) / os.fsdecode(b"odd \xe9 name")).write_bytes(b"odd")
    await log_in(tab, running, "#job=JOB-7")
    await click(tab, "model.bin")
    assert (await downloaded(tmp_path, "model.bin")).read_bytes() == bytes(range(256)) * 4000
    await click(tab, "deep/")
    await click(tab, "er/")
    await click(tab, "table.csv")
    assert (await downloaded(tmp_path, "table.csv")).read_bytes() == b"1,2\n"
    await click(tab, "JOB-7")
    await contains(tab, HOSTILE_NAME)
    assert await tab.run(
        "[...document.querySelectorAll('td button')].every((one) => one.textContent !== 'passwd')"
    )
    before = set((tmp_path / "downloads").iterdir())
    await click(tab, "odd \ufffd name")
    async with asyncio.timeout(30):
        while not {file.read_bytes() for file in set((tmp_path / "downloads").iterdir()) - before} & {b"odd"}:
            await asyncio.sleep(0.05)
    await click(tab, "All files (.tar)")
    with tarfile.open(await downloaded(tmp_path, "JOB-7.tar")) as archive:
        assert "deep/er/table.csv" in archive.getnames()
    assert await tab.run("document.querySelectorAll('img').length") == 0
    assert problems(tab) == []


async def test_a_limited_login_has_less(running: Running, tab: Tab, tmp_path: Path) -> None:
    """A token for status and logs shows no uploads and no links; files are downloaded all the same."""
    running.write(running.job(7), "table.csv", b"1,2\n")
    now = int(running.clock.now())
    permission = {"provider": PROVIDER.address, "access": "scoped", "scope": ["status", "logs"]}
    claims = {
        "iss": ALICE.address,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "version": "v1",
        "leases": {"access": "granular", "permissions": [permission]},
    }
    await tab.go(page_of(running))
    await tab.until("document.querySelector('#token') !== null")
    await tab.run(f"document.querySelector('#token').value = {json.dumps(signed_token(claims, ALICE))}")
    await click(tab, "Log in with the token")
    await click(tab, "JOB-7")
    await click(tab, "table.csv")
    assert (await downloaded(tmp_path, "table.csv")).read_bytes() == b"1,2\n"
    text = str(await tab.run("document.body.innerText"))
    assert "Share" not in text
    assert "Uploads" not in text
    assert problems(tab) == []


async def test_an_upload_continues(running: Running, tab: Tab, tmp_path: Path) -> None:
    """What has arrived of the same file before is not sent again; the address is shown for the job."""
    content = bytes(range(251)) * 6000
    sha256 = hashlib.sha256(content).hexdigest()
    file = tmp_path / "data set.bin"
    file.write_bytes(content)
    headers = {"Upload-Offset": "0", "Upload-Length": str(len(content))}
    status, _, _ = await running.ask(
        "PATCH", f"/v1/uploads/{sha256}", data=content[:700_000], headers=headers
    )
    assert status == 204
    before = received(running)
    await log_in(tab, running, "#uploads")
    await contains(tab, "not complete")
    await _choose(tab, file)
    await contains(tab, f"complete, {len(content) / 1e6:.1f} MB")
    await tab.until(f"[...document.querySelectorAll('input')].some((one) => one.value === 'upload:{sha256}')")
    stored = running.gateway.uploads.find(ALICE.address, sha256)
    assert stored is not None
    assert stored.whole
    assert received(running) - before == len(content) - 700_000
    await click(tab, "Delete")
    await contains(tab, "No uploads.")
    assert problems(tab) == []


async def test_an_upload_over_the_quota_is_explained(running: Running, tab: Tab, tmp_path: Path) -> None:
    """Before anything is sent for nothing."""
    file = tmp_path / "large"
    file.write_bytes(bytes(4_000_000))
    await log_in(tab, running, "#uploads")
    await _choose(tab, file)
    await contains(tab, "Your upload space at this provider is full.")


def received(running: Running) -> float:
    """Returns the bytes of uploads that the gateway received."""
    found = running.gateway.measures.meters.collect(running.clock.now())
    samples = [sample for metric in found for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_received_bytes_total"))


async def _choose(tab: Tab, file: Path) -> None:
    await tab.until("document.querySelector('#file') !== null")
    document = await tab.call("DOM.getDocument")
    found = await tab.call("DOM.querySelector", nodeId=document["root"]["nodeId"], selector="#file")
    await tab.call("DOM.setFileInputFiles", files=[str(file)], nodeId=found["nodeId"])


async def test_a_link_opens_one_job(running: Running, tab: Tab) -> None:
    """Somebody without an account reads that job only, and the token does not stay in the address."""
    job = running.job(7)
    running.job(6)
    running.write(job, "output.txt", b"for the guest\n")
    await log_in(tab, running, "#job=JOB-7")
    await click(tab, "Share")
    await click(tab, "Make the link")
    await tab.until("document.querySelector('dialog input') !== null")
    link = str(await tab.run("document.querySelector('dialog input').value"))
    assert link.startswith(f"{running.gateway.url}/#job=JOB-7&token=")
    await click(tab, "Close")
    await click(tab, "Log out")
    await title(tab, "Your jobs at this provider")
    await tab.run(f"location.hash = {json.dumps(link.partition('#')[2])}")
    await contains(tab, "for the guest")
    assert await tab.run("location.hash") == "#job=JOB-7"
    assert await text_of(tab, "#account") == "link to JOB-7"
    assert await tab.run("document.querySelector('#nav').hidden")
    assert "Share" not in str(await tab.run("document.body.innerText"))
    await tab.run("location.hash = '#job=JOB-6'")
    await contains(tab, "This is not a job of your account here.")


async def test_by_keyboard(running: Running, tab: Tab) -> None:
    """Tab reaches every control, visibly; Enter opens a job; the title of a new view has the focus."""
    running.write(running.job(7), "output.txt", b"x\n")
    await log_in(tab, running)
    await title(tab, "Your jobs")
    await tab.press("Tab")
    assert await tab.run("document.activeElement.textContent") == "JOB-7"
    assert await tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await tab.press("Enter")
    await title(tab, "JOB-7")
    await contains(tab, "output.txt")
    reached = set()
    for _ in range(16):
        await tab.press("Tab")
        reached.add(await tab.run("document.activeElement.textContent"))
    assert {"Share", "Output", "Errors", "All files (.tar)", "output.txt"} <= reached
    await tab.run("location.hash = '#uploads'")
    await title(tab, "Uploads")
    await tab.press("Tab")
    assert await tab.run("document.activeElement.id") == "file"
    assert await tab.run("getComputedStyle(document.querySelector('label.button')).outlineStyle") == "solid"


async def test_names_for_screen_readers(running: Running, tab: Tab) -> None:
    """Every control has a name, every view one title, every field a label."""
    running.write(running.job(7), "output.txt", b"x\n")
    await log_in(tab, running)
    for fragment, heading in (("#jobs", "Your jobs"), ("#job=JOB-7", "JOB-7"), ("#uploads", "Uploads")):
        await tab.run(f"location.hash = {json.dumps(fragment)}")
        await title(tab, heading)
        tree = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
        roles = ("button", "link", "textbox", "checkbox", "progressindicator", "table", "log")
        nameless = [
            node["role"]["value"]
            for node in tree
            if not node.get("ignored") and node["role"]["value"] in roles and not node["name"].get("value")
        ]
        assert nameless == []
        assert await tab.run("document.querySelectorAll('h1').length") == 1


async def test_on_a_phone_and_in_the_dark(running: Running, tab: Tab) -> None:
    """Nothing is cut off at 360 pixels, whatever a name looks like; the schemes have their own colours."""
    job = running.job(7, message=HOSTILE + "x" * 300)
    running.write(job, "y" * 200, b"x")
    running.write(job, "output.txt", b"z" * 5000)
    await tab.size(360, 800)
    await log_in(tab, running)
    backs = []
    for fragment, heading in (("#jobs", "Your jobs"), ("#job=JOB-7", "JOB-7"), ("#uploads", "Uploads")):
        await tab.run(f"location.hash = {json.dumps(fragment)}")
        await title(tab, heading)
        assert await tab.run("document.documentElement.scrollWidth") <= 360
    for scheme in ("light", "dark"):
        await tab.scheme(scheme)
        backs.append(await tab.run("getComputedStyle(document.body).backgroundColor"))
    assert backs == ["rgb(244, 246, 249)", "rgb(15, 19, 24)"]


async def test_an_outage_is_said_once_and_survived(running: Running, tab: Tab) -> None:
    """What was shown stays, with a note, and is refreshed when the gateway answers again."""
    job = running.job(7)
    await log_in(tab, running, "#job=JOB-7")
    await title(tab, "JOB-7")
    await tab.call("Network.enable")
    await _offline(tab, offline=True)
    await contains(tab, "This page is not up to date: The gateway cannot be reached.")
    running.save(replace(job, message="it has a message now"))
    await _offline(tab, offline=False)
    await contains(tab, "it has a message now")
    await tab.until("!document.body.innerText.includes('not up to date')")


async def _offline(tab: Tab, *, offline: bool) -> None:
    await tab.call(
        "Network.emulateNetworkConditions",
        offline=offline,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=-1,
    )
