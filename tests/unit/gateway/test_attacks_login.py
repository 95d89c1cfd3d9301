"""Captured logins: what somebody tries who has read another's session, link, token or signature."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.gateway.logins import Logins
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.tokens.jwt import signed_token
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, FakeClock
from tests.unit.gateway.conftest import URL, FakeAccounts, Running, serving
from tests.unit.gateway.test_logins import challenged, signed

JOB = "/v1/jobs/JOB-7"
SESSION = "/v1/login/session"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def session(running: Running) -> str:
    """A session of Alice, whose job JOB-7 is. Bob has JOB-8."""
    running.write(running.job(7), "output.txt", b"mine")
    running.job(8, BOB)
    _, made, _ = await running.ask("POST", SESSION, None, json={"token": running.token()})
    return str(made["token"])


async def linked(running: Running, seconds: int = 60) -> str:
    await session(running)
    _, made, _ = await running.ask("POST", f"{JOB}/links", json={"seconds": seconds})
    return str(made["token"])


# --- used at another gateway ---


@asynccontextmanager
async def another(tmp_path: Path, ledger: Ledger, url: str) -> AsyncIterator[Running]:
    """A second gateway over the same ledger, with its own key."""
    logins = Logins(FakeAccounts(), FakeClock(), url=url, chain_id=CHAIN_ID, clusters=["HPC-1"])
    await logins.start()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/ledger.sqlite").symlink_to(tmp_path / "ledger.sqlite")
    async with serving(tmp_path / "other", ledger, logins=logins, url=url) as started:
        yield started


@pytest.fixture
async def other(tmp_path: Path, ledger: Ledger) -> AsyncIterator[Running]:
    """A gateway with another address."""
    async with another(tmp_path, ledger, "https://other.example.org") as started:
        yield started


@pytest.fixture
async def restarted(tmp_path: Path, ledger: Ledger) -> AsyncIterator[Running]:
    """The same gateway after a restart."""
    async with another(tmp_path, ledger, URL) as started:
        yield started


async def test_session_of_one_gateway_at_another(running: Running, other: Running) -> None:
    """The other gateway refuses it; the first accepts it."""
    token = await session(running)
    assert await other.refusal("GET", JOB, None, headers=bearer(token)) == (401, "token_signature")
    assert (await running.ask("GET", JOB, None, headers=bearer(token)))[0] == 200


async def test_session_after_a_restart(running: Running, restarted: Running) -> None:
    """A session of the process before is not valid: its key is gone."""
    token = await session(running)
    assert await restarted.refusal("GET", JOB, None, headers=bearer(token)) == (401, "token_signature")


async def test_link_of_one_gateway_at_another(running: Running, other: Running) -> None:
    """The other gateway refuses it; the first accepts it."""
    token = await linked(running)
    assert await other.refusal("GET", f"{JOB}?token={token}", None) == (401, "token_signature")
    assert (await running.ask("GET", f"{JOB}?token={token}", None))[0] == 200


async def test_token_of_one_gateway_at_another(running: Running, other: Running) -> None:
    """A token of provd's client names the audience: the gateway that reads it cannot use it elsewhere."""
    token = running.token()
    await session(running)
    assert await other.refusal("GET", JOB, None, headers=bearer(token)) == (401, "token_wrong_audience")
    refused = await other.refusal("POST", SESSION, None, json={"token": token})
    assert refused == (401, "token_wrong_audience")


async def test_challenge_of_one_gateway_answered_at_another(running: Running, other: Running) -> None:
    """A gateway that passes on another's challenge gets no session with the customer's signature."""
    answer = signed(await challenged(running), ALICE)
    status, code = await other.refusal("POST", SESSION, None, json=answer)
    assert (status, code[:6]) == (401, "token_")
    assert (await running.ask("POST", SESSION, None, json=answer))[0] == 200


# --- used again, later, or altered ---


async def test_replay_of_a_signed_challenge(running: Running) -> None:
    """A captured answer opens no second session."""
    answer = signed(await challenged(running), ALICE)
    assert (await running.ask("POST", SESSION, None, json=answer))[0] == 200
    assert await running.refusal("POST", SESSION, None, json=answer) == (401, "token_replayed")


SPELLINGS = ["{}=", "{}==", "{}.", "={}", "{}A"]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_replay_in_another_spelling(running: Running, spelling: str) -> None:
    """A used one-time token is no new token with padding or with other characters at its ends."""
    await session(running)
    now = int(running.clock.now())
    times = {"iat": now, "nbf": now, "exp": now + 600}
    full = {"iss": ALICE.address, **times, "version": "v1", "leases": {"access": "full"}, "jti": "once"}
    token = signed_token(full, ALICE)
    assert (await running.ask("GET", JOB, None, headers=bearer(token)))[0] == 200
    status, code = await running.refusal("GET", JOB, None, headers=bearer(spelling.format(token)))
    assert (status, code in ("token_replayed", "token_malformed", "token_signature")) == (401, True)


async def test_expired_session(running: Running) -> None:
    """A captured session ends with the token that it was made from."""
    token = await session(running)
    running.clock.time += 24 * 3600
    assert await running.refusal("GET", JOB, None, headers=bearer(token)) == (401, "token_expired")


async def test_expired_link(running: Running) -> None:
    """A link that was passed on ends when its maker wanted."""
    token = await linked(running, 60)
    running.clock.time += 61
    refused = await running.refusal("GET", f"{JOB}/files/output.txt?token={token}", None)
    assert refused == (401, "token_expired")


async def test_expired_challenge(running: Running) -> None:
    """A signature that is captured before its use is useless an hour later."""
    answer = signed(await challenged(running), ALICE)
    running.clock.time += 3600
    assert await running.refusal("POST", SESSION, None, json=answer) == (401, "token_expired")


def altered(token: str, **changes: Any) -> str:
    """The session with other claims and the same code."""
    prefix, payload, code = token.split(".")
    fields = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    changed = urlsafe_b64encode(json.dumps({**fields, **changes}, separators=(",", ":")).encode())
    return f"{prefix}.{changed.decode().rstrip('=')}.{code}"


ALTERED: dict[str, dict[str, Any]] = {
    "another customer": {"address": BOB.address},
    "no end": {"expires_at": 10**12},
    "another job": {"job": "JOB-8"},
    "all jobs": {"job": ""},
    "more rights": {"rights": ["delegate", "files", "status", "upload"]},
}


@pytest.mark.parametrize("change", ALTERED)
async def test_altered_session_or_link(running: Running, change: str) -> None:
    """Nobody changes what a session or link stands for."""
    token = altered(await linked(running), **ALTERED[change])
    for path in (JOB, "/v1/jobs/JOB-8", "/v1/uploads"):
        refused = await running.refusal("GET", path, None, headers=bearer(token))
        assert refused == (401, "token_signature")


BEYOND = {
    "another job": ("GET", "/v1/jobs/JOB-9", 403),
    "another customer's job": ("GET", "/v1/jobs/JOB-8/files/output.txt", 403),
    "the list of jobs": ("GET", "/v1/jobs", 403),
    "uploads": ("GET", "/v1/uploads", 403),
    "an upload": ("PUT", f"/v1/uploads/{'0' * 64}", 403),
    "another link": ("POST", f"{JOB}/links", 403),
}


@pytest.mark.parametrize("what", BEYOND)
async def test_link_beyond_its_job(running: Running, what: str) -> None:
    """A link reads its one job, also in the place of a login."""
    token = await linked(running)
    running.job(9)
    method, path, status = BEYOND[what]
    found, code = await running.refusal(method, path, None, headers=bearer(token), json={"seconds": 60})
    assert (found, code in ("not_yours", "not_permitted")) == (status, True)


async def test_session_for_another_customer(running: Running) -> None:
    """A token of Alice makes no session for Bob, and her session reads no job of his."""
    token = await session(running)
    assert await running.refusal("GET", "/v1/jobs/JOB-8", None, headers=bearer(token)) == (403, "not_yours")
    answer = signed(await challenged(running, BOB), ALICE)
    status, code = await running.refusal("POST", SESSION, None, json=answer)
    assert (status, code) == (401, "token_signature")
