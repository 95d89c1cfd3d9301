"""Logging in: tokens, challenges, sessions, links, and what the chain must know."""

import hashlib
from base64 import b64encode

import pytest

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.chain.signed_documents import adr036
from provider_daemon.tokens.jwt import signed_token
from tests.fakes.chain import ALICE, BOB, person
from tests.unit.gateway.conftest import NEWCOMER, URL, Running


def signed(challenge: str, who: LocalSigner) -> dict[str, str]:
    """What a browser wallet returns for signArbitrary."""
    signature = who.sign(hashlib.sha256(adr036(challenge.encode(), who.address)).digest())
    return {
        "challenge": challenge,
        "public_key": b64encode(who.public_key).decode(),
        "signature": b64encode(signature).decode(),
    }


async def challenged(running: Running, who: LocalSigner = ALICE) -> str:
    _, made, _ = await running.ask("POST", "/v1/login/challenge", None, json={"address": who.address})
    return str(made["challenge"])


async def test_info_needs_no_login(running: Running) -> None:
    """A client learns here what its token must name."""
    status, info, _ = await running.ask("GET", "/v1/info", None)
    assert (status, info["url"], info["clusters"]) == (200, URL, [{"id": "HPC-1", "name": "alpha"}])
    assert info["audience"] == f"{URL}#test-1"


async def test_a_wallet_gets_a_session(running: Running) -> None:
    """A signed challenge is exchanged for a session, which then names the account's jobs."""
    running.job(7)
    status, session, _ = await running.ask(
        "POST", "/v1/login/session", None, json=signed(await challenged(running), ALICE)
    )
    assert (status, session["address"]) == (200, ALICE.address)
    token = {"Authorization": f"Bearer {session['token']}"}
    status, jobs, _ = await running.ask("GET", "/v1/jobs", None, headers=token)
    assert [job["id"] for job in jobs["jobs"]] == ["JOB-7"]


async def test_a_challenge_is_used_once(running: Running) -> None:
    """A captured answer opens no second session, and nobody else can answer the challenge."""
    answer = signed(await challenged(running), ALICE)
    assert (await running.ask("POST", "/v1/login/session", None, json=answer))[0] == 200
    refused = await running.refusal("POST", "/v1/login/session", None, json=answer)
    assert refused == (401, "token_replayed")
    other = signed(await challenged(running), BOB)
    assert await running.refusal("POST", "/v1/login/session", None, json=other) == (401, "token_signature")


async def test_a_one_time_token_becomes_a_session(running: Running) -> None:
    """A full JWT is accepted once; what it is exchanged for ends with it."""
    now = int(running.clock.now())
    claims = {
        "iss": ALICE.address,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "version": "v1",
        "leases": {"access": "full"},
        "jti": "once",
    }
    token = signed_token(claims, ALICE)
    status, session, _ = await running.ask("POST", "/v1/login/session", None, json={"token": token})
    assert (status, session["expires_at"]) == (200, now + 600)
    assert await running.refusal("POST", "/v1/login/session", None, json={"token": token}) == (
        401,
        "token_replayed",
    )
    header = {"Authorization": f"Bearer {token}"}
    assert await running.refusal("GET", "/v1/jobs", None, headers=header) == (401, "token_replayed")


@pytest.mark.parametrize("who", [NEWCOMER, person("stranger")])
async def test_an_account_without_a_key_is_told_why(running: Running, who: LocalSigner) -> None:
    """The chain learns a key from the account's first transaction; the error says so."""
    status, body, _ = await running.ask("GET", "/v1/jobs", who)
    assert (status, body["error"]["code"]) == (401, "no_public_key")
    assert "first transaction" in body["error"]["message"]


async def test_public_keys_are_remembered(running: Running) -> None:
    """The chain is queried once in a while, not for each request; absence is forgotten soon."""
    for _ in range(3):
        await running.ask("GET", "/v1/jobs")
        await running.ask("GET", "/v1/jobs", NEWCOMER)
    assert running.accounts.asked == 2
    running.clock.time += 20
    running.accounts.keys[NEWCOMER.address] = NEWCOMER.public_key
    assert (await running.ask("GET", "/v1/jobs", NEWCOMER))[0] == 200


async def test_many_failures_close_the_door(running: Running) -> None:
    """After 30 refused logins in a minute an address waits, and the chain is left in peace."""
    bad = {"Authorization": "Bearer nonsense"}
    for _ in range(30):
        assert (await running.refusal("GET", "/v1/jobs", None, headers=bad))[0] == 401
    status, _, headers = await running.ask("GET", "/v1/jobs", None, headers=bad)
    assert (status, headers["Retry-After"]) == (429, "3")
    running.clock.time += 60
    assert (await running.ask("GET", "/v1/jobs"))[0] == 200


async def test_a_link_reads_one_job(running: Running) -> None:
    """Without a header, until it expires; no other job, no list, no further links, no uploads."""
    job = running.job(7)
    running.job(8)
    running.write(job, "result.txt", b"42\n")
    status, link, _ = await running.ask("POST", "/v1/jobs/JOB-7/links", json={"seconds": 60})
    assert status == 201
    query = f"?token={link['token']}"
    status, body, _ = await running.ask("GET", f"/v1/jobs/JOB-7/files/result.txt{query}", None)
    assert (status, body) == (200, b"42\n")
    for method, path, code in (
        ("GET", "/v1/jobs/JOB-8", "not_yours"),
        ("GET", "/v1/jobs", "not_permitted"),
        ("GET", "/v1/uploads", "not_permitted"),
        ("POST", "/v1/jobs/JOB-7/links", "login_required"),
    ):
        assert (await running.refusal(method, f"{path}{query}", None))[1] == code, path
    running.clock.time += 61
    refused = await running.refusal("GET", f"/v1/jobs/JOB-7/files/result.txt{query}", None)
    assert refused == (401, "token_expired")


@pytest.mark.parametrize("seconds", [0, -1, 10**9, "60", None, True])
async def test_a_link_has_a_bounded_life(running: Running, seconds: object) -> None:
    """Seven days at most."""
    running.job(7)
    refused = await running.refusal("POST", "/v1/jobs/JOB-7/links", json={"seconds": seconds})
    assert refused == (400, "bad_request")
