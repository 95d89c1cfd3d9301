"""Requests that must be refused: each has its status, its reason and its count, and changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from provider_daemon.collector import app, service
from provider_daemon.collector.measures import REJECTED, NodeCollector
from provider_daemon.node_protocol.rejection import STATUS, Rejection
from provider_daemon.node_protocol.request import REGISTER_PATH, Auth, encode
from provider_daemon.node_protocol.signature import Purpose, Scheme, Stamp, base_text, sign
from provider_daemon.nodes import writing
from provider_daemon.nodes.report import Capacity
from tests.fakes.chain import ALICE
from tests.unit.collector.agents import SigningAgent, issue, permission
from tests.unit.collector.conftest import Running

Found = tuple[int, str]
Attack = Callable[[Running], Awaitable[Found]]
ATTACKS: dict[str, tuple[Rejection, Attack]] = {}


def attack(reason: Rejection) -> Callable[[Attack], Attack]:
    def listed(function: Attack) -> Attack:
        ATTACKS[function.__name__] = (reason, function)
        return function

    return listed


def counted(running: Running, reason: Rejection) -> float:
    families = NodeCollector(running.measures, running.clock).collect()
    (found,) = (family for family in families if family.name == REJECTED.name.removesuffix("_total"))
    return sum(sample.value for sample in found.samples if sample.labels["reason"] == reason)


@attack(Rejection.STALE_SEQUENCE)
async def replayed_heartbeat(running: Running) -> Found:
    agent = await running.registered()
    body = agent.heartbeat(running.clock.time)
    await running.post(agent.heartbeat_path, body)
    return await running.reason(running.post(agent.heartbeat_path, body))


@attack(Rejection.REPLAYED)
async def replayed_registration(running: Running) -> Found:
    text, agent = running.token(), SigningAgent("c1")
    body = agent.registration(text, running.clock.time)
    await running.post(REGISTER_PATH, body)
    return await running.reason(running.post(REGISTER_PATH, body))


@attack(Rejection.WRONG_CLOCK)
async def old_heartbeat(running: Running) -> Found:
    """As one that was recorded and held back."""
    agent = await running.registered()
    body = agent.heartbeat(running.clock.time)
    running.clock.time += 301
    return await running.reason(running.post(agent.heartbeat_path, body))


@attack(Rejection.WRONG_CLOCK)
async def heartbeat_of_tomorrow(running: Running) -> Found:
    agent = await running.registered()
    body = agent.heartbeat(running.clock.time + 61)
    return await running.reason(running.post(agent.heartbeat_path, body))


@attack(Rejection.WRONG_CLOCK)
async def absurd_time(running: Running) -> Found:
    agent = await running.registered()
    payload = writing.encode(agent.beat(running.clock.time))
    stamp = Stamp(agent.node_id, agent.cluster_id, 10**400, "n")
    signed = sign(agent.key, base_text(Purpose.HEARTBEAT, stamp, payload))
    body = encode("heartbeat", payload, Auth(signed, "n", 10**400, Scheme.PROVD))
    return await running.reason(running.post(agent.heartbeat_path, body))


@attack(Rejection.BAD_SIGNATURE)
async def foreign_key(running: Running) -> Found:
    await running.registered()
    return await running.reason(running.beat(SigningAgent("c1")))


@attack(Rejection.BAD_SIGNATURE)
async def changed_payload(running: Running) -> Found:
    agent = await running.registered()
    body = agent.heartbeat(running.clock.time).replace(b'"cpu_cores_total":8', b'"cpu_cores_total":9')
    return await running.reason(running.post(agent.heartbeat_path, body))


@attack(Rejection.BAD_SIGNATURE)
async def another_nodes_heartbeat(running: Running) -> Found:
    """A registered agent cannot speak for its neighbour."""
    agent, _ = await running.registered(), await running.registered("c2")
    body = agent.heartbeat(running.clock.time, node_id="alpha.c2")
    return await running.reason(running.post("/api/v1/hpc/nodes/alpha.c2/heartbeat", body))


@attack(Rejection.INVALID_REQUEST)
async def node_of_the_path(running: Running) -> Found:
    agent, _ = await running.registered(), await running.registered("c2")
    body = agent.heartbeat(running.clock.time)
    return await running.reason(running.post("/api/v1/hpc/nodes/alpha.c2/heartbeat", body))


@attack(Rejection.CLUSTER_MISMATCH)
async def another_cluster(running: Running) -> Found:
    agent = await running.registered()
    agent.cluster_id = "HPC-2"
    return await running.reason(running.beat(agent))


@attack(Rejection.BAD_SIGNATURE)
async def registration_for_a_foreign_key(running: Running) -> Found:
    """The registration must be signed with the key that it names."""
    body = SigningAgent("c1").registration(
        running.token(), running.clock.time, agent_pubkey=SigningAgent("c1").public_key
    )
    return await running.reason(running.post(REGISTER_PATH, body))


@attack(Rejection.BAD_SIGNATURE)
async def heartbeat_as_registration(running: Running) -> Found:
    """A signature is for one purpose."""
    agent = await running.registered()
    body = agent.registration("", running.clock.time).replace(b'{"registration"', b'{"heartbeat"')
    payload = body.removeprefix(b'{"heartbeat":').split(b',"auth":')[0]
    beat = payload[:-1] + b',"sequence_number":9,"timestamp":"t"}'
    return await running.reason(running.post(agent.heartbeat_path, body.replace(payload, beat)))


@attack(Rejection.TOKEN_USED)
async def stolen_token(running: Running) -> Found:
    text = running.token()
    await running.register(SigningAgent("c1"), text)
    return await running.reason(running.register(SigningAgent("c1"), text))


@attack(Rejection.TOKEN_INVALID)
async def token_of_another_node(running: Running) -> Found:
    running.token()
    return await running.reason(running.register(SigningAgent("c1"), running.token("c2")))


@attack(Rejection.TOKEN_INVALID)
async def token_that_was_replaced(running: Running) -> Found:
    old = running.token()
    running.token()
    return await running.reason(running.register(SigningAgent("c1"), old))


@attack(Rejection.TOKEN_INVALID)
async def token_on_another_host(running: Running) -> Found:
    return await running.reason(running.register(SigningAgent("c1"), running.token(), hostname="c2"))


@attack(Rejection.TOKEN_INVALID)
async def token_of_somebody_else(running: Running) -> Found:
    """Even if the ledger had its hash."""
    text = issue("c1", running.clock.time, ALICE)
    running.allow(replace(permission(text), provider_address=permission(running.token()).provider_address))
    return await running.reason(running.register(SigningAgent("c1"), text))


@attack(Rejection.TOKEN_INVALID)
async def no_token(running: Running) -> Found:
    running.token()
    return await running.reason(running.register(SigningAgent("c1"), ""))


@attack(Rejection.TOKEN_EXPIRED)
async def expired_token(running: Running) -> Found:
    text = running.token()
    running.clock.time += 3600
    return await running.reason(running.register(SigningAgent("c1"), text))


@attack(Rejection.UNSUPPORTED_SCHEME)
async def unsigned_registration(running: Running) -> Found:
    body = SigningAgent("c1").registration(running.token(), running.clock.time)
    payload = body.removeprefix(b'{"registration":').split(b',"auth":')[0]
    return await running.reason(running.post(REGISTER_PATH, payload))


@attack(Rejection.PROVIDER_MISMATCH)
async def another_provider(running: Running) -> Found:
    agent, text = SigningAgent("c1"), running.token()
    return await running.reason(running.register(agent, text, provider_address=ALICE.address))


@attack(Rejection.UNKNOWN_NODE)
async def unknown_node(running: Running) -> Found:
    return await running.reason(running.beat(SigningAgent("c1")))


@attack(Rejection.UNKNOWN_NODE)
async def heartbeat_without_registration(running: Running) -> Found:
    running.token()
    return await running.reason(running.beat(SigningAgent("c1")))


@attack(Rejection.INVALID_REQUEST)
async def impossible_values(running: Running) -> Found:
    agent = await running.registered()
    return await running.reason(running.beat(agent, capacity=Capacity(cpu_cores_total=-1)))


@attack(Rejection.INVALID_REQUEST)
async def two_heartbeats_in_one(running: Running) -> Found:
    agent = await running.registered()
    body = agent.heartbeat(running.clock.time)
    return await running.reason(running.post(agent.heartbeat_path, b'{"heartbeat":{},' + body[1:]))


@attack(Rejection.INVALID_REQUEST)
async def deep_nesting(running: Running) -> Found:
    body = b'{"heartbeat":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
    return await running.reason(running.post("/api/v1/hpc/nodes/alpha.c1/heartbeat", body))


@attack(Rejection.INVALID_REQUEST)
async def no_nonce(running: Running) -> Found:
    body = SigningAgent("c1").registration(running.token(), running.clock.time, nonce="AAAA")
    return await running.reason(running.post(REGISTER_PATH, body))


@attack(Rejection.OVERSIZE)
async def oversize(running: Running) -> Found:
    return await running.reason(running.post(REGISTER_PATH, b"x" * (app.BODY_BYTES + 1)))


@attack(Rejection.OVERSIZE)
async def oversize_without_a_length(running: Running) -> Found:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(app.BODY_BYTES // 1024 + 1):
            yield b"x" * 1024

    return await running.reason(running.post(REGISTER_PATH, body()))


@attack(Rejection.RATE_LIMITED)
async def flood_of_a_node(running: Running) -> Found:
    agent = await running.registered()
    for _ in range(service.REQUESTS_PER_MINUTE - 1):
        assert (await running.beat(agent))[0] == 200
    return await running.reason(running.beat(agent))


@attack(Rejection.RATE_LIMITED)
async def guessed_tokens(running: Running) -> Found:
    running.token()
    agent = SigningAgent("c1")
    for _ in range(service.FAILED_REGISTRATIONS_PER_MINUTE):
        assert (await running.reason(running.register(agent, "x.y")))[1] == "token_invalid"
    return await running.reason(running.register(agent, running.token()))


@pytest.mark.parametrize("name", ATTACKS)
async def test_attacks(running: Running, name: str) -> None:
    """Refused with the status of the reason, and counted once under it."""
    reason, run = ATTACKS[name]
    before = counted(running, reason)
    found = await run(running)
    assert found == (STATUS[reason], reason)
    assert counted(running, reason) == before + 1
    if name in ("foreign_key", "changed_payload", "another_nodes_heartbeat"):
        assert running.facts().heartbeat is None


def test_every_reason_has_an_attack() -> None:
    """Those left out: a slow body, a revoked node and a full disk have tests of their own."""
    elsewhere = {Rejection.TOO_SLOW, Rejection.REVOKED, Rejection.UNAVAILABLE}
    assert {reason for reason, _ in ATTACKS.values()} | elsewhere == set(Rejection)


async def test_a_flood_of_one_node_does_not_stop_another(running: Running) -> None:
    """Also behind one address, as nodes behind a router are; and the flooded node is accepted again."""
    agent, other = await running.registered(), await running.registered("c2")
    for _ in range(100):
        await running.beat(SigningAgent("c1"))
    assert (await running.beat(agent))[0] == 200
    assert (await running.beat(other))[0] == 200


async def test_a_slow_body(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It occupies its own connection for a bounded time."""
    monkeypatch.setattr(app, "BODY_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(b"POST /api/v1/hpc/nodes/register HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(await reader.read(1000))["errors"][0]["code"] == "too_slow"
    writer.close()
    assert counted(running, Rejection.TOO_SLOW) == 1


async def test_the_clock_of_the_node_is_named(running: Running) -> None:
    """Its administrator reads how wrong it is."""
    agent = await running.registered()
    _, answer = await running.post(agent.heartbeat_path, agent.heartbeat(running.clock.time - 1000))
    assert answer.errors[0].message.startswith("the node's clock is 1000 s behind the collector's")
    assert answer.timestamp == int(running.clock.time)


async def test_other_paths_and_methods(running: Running) -> None:
    """Nothing else is served."""
    async with running.http.get(f"http://127.0.0.1:{running.port}{REGISTER_PATH}") as found:
        assert found.status == 405
    async with running.http.get(f"http://127.0.0.1:{running.port}/metrics") as found:
        assert found.status == 404
    async with running.http.get(f"http://127.0.0.1:{running.port}/health") as found:
        assert await found.json() == {"status": "ok"}
