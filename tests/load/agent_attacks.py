"""Attacks on the collector, as somebody would make them who reaches its port, or who is root on one node."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import aiohttp

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.collector.directory import REFRESH_SECONDS
from provider_daemon.errors import Unreadable
from provider_daemon.node_protocol import request, token
from provider_daemon.node_protocol.rejection import Rejection
from provider_daemon.node_protocol.signature import Purpose, Scheme, sign
from tests.load.agent_fleet import SimulatedAgent
from tests.load.agent_place import Place
from tests.waiting import until

SLOW_SECONDS = 90
SLOW_CONNECTIONS = 50
FLOOD = 200
OVERSIZE = 4_000_000


@dataclass(frozen=True, slots=True)
class Ground:
    """`victim` and `other` are registered agents, `fresh` ones hold tokens that nobody has used."""

    place: Place
    tls: ssl.SSLContext
    victim: SimulatedAgent
    other: SimulatedAgent
    fresh: list[SimulatedAgent]

    def taken(self) -> SimulatedAgent:
        return self.fresh.pop()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the attacker got. `status` 0: the connection was closed without an answer."""

    status: int = 0
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attack:
    """`counted`: the reason in the collector's counters of refused requests and closed connections."""

    name: str
    reason: str
    play: Callable[[Ground], Awaitable[Seen]]


@dataclass(frozen=True, slots=True)
class Row:
    """`counted`: how much the counter of the expected reason grew."""

    attack: Attack
    seen: Seen
    counted: float

    @property
    def refused(self) -> bool:
        answered = self.seen == Seen() or self.attack.reason in self.seen.codes
        return self.counted > 0 and answered


async def play(ground: Ground, attack: Attack) -> Row:
    before = await ground.place.counters()
    seen = await attack.play(ground)
    after = await ground.place.counters()
    return Row(attack, seen, after.get(attack.reason, 0) - before.get(attack.reason, 0))


async def _post(agent: SimulatedAgent, path: str, body: bytes | AsyncIterator[bytes]) -> Seen:
    try:
        status, found = await agent.post(path, body)
    except (aiohttp.ClientError, OSError, Unreadable):
        return Seen()
    return Seen(status, tuple(error.code for error in found.errors))


async def _replay(ground: Ground) -> Seen:
    """Sends the bytes of an accepted heartbeat again."""
    body = ground.victim.heartbeat()
    await ground.victim.post(ground.victim.path, body)
    return await _post(ground.other, ground.victim.path, body)


async def _old(ground: Ground) -> Seen:
    stamp = ground.victim.stamp(time.time() - 600)
    return await _post(ground.victim, ground.victim.path, ground.victim.heartbeat(stamp))


async def _ahead(ground: Ground) -> Seen:
    stamp = ground.victim.stamp(time.time() + 600)
    return await _post(ground.victim, ground.victim.path, ground.victim.heartbeat(stamp))


async def _used_token(ground: Ground) -> Seen:
    """Registers an own key with the token of a node that has registered."""
    thief = SimulatedAgent(ground.victim.text, ground.tls)
    try:
        return await _post(thief, request.REGISTER_PATH, thief.registration())
    finally:
        await thief.close()


async def _token_for_other_node(ground: Ground) -> Seen:
    """Registers with an unused token under the name of a node that it is not for."""
    thief = ground.taken()
    thief.token = replace(thief.token, node_id=ground.victim.token.node_id)
    return await _post(thief, request.REGISTER_PATH, thief.registration())


async def _replayed_registration(ground: Ground) -> Seen:
    """Sends the bytes of an accepted registration again."""
    agent = ground.taken()
    body = agent.registration()
    await agent.post(request.REGISTER_PATH, body)
    return await _post(ground.other, request.REGISTER_PATH, body)


async def _replaced_token(ground: Ground) -> Seen:
    """Registers with an unused token, when the collector has read that the operator issued a new one."""
    thief = ground.taken()
    await ground.place.command("node", "token", thief.token.hostname)
    await asyncio.sleep(2 * REFRESH_SECONDS)
    return await _post(thief, request.REGISTER_PATH, thief.registration())


async def _expired_token(ground: Ground) -> Seen:
    host = ground.taken().token.hostname
    printed = await ground.place.command("node", "token", host, "--valid-hours", "0.0001")
    thief = SimulatedAgent(printed.split()[-1], ground.tls)
    try:
        await asyncio.sleep(max(0.0, thief.token.expires_at - time.time()))
        return await _post(thief, request.REGISTER_PATH, thief.registration())
    finally:
        await thief.close()


async def _invented_token(ground: Ground) -> Seen:
    """Registers with a token for the victim's node that the attacker signed with an account of its own."""
    signer = LocalSigner(b"\1" * 32)
    wanted = replace(
        ground.victim.token, provider_address=signer.address, provider_pubkey=signer.public_key.hex()
    )
    thief = SimulatedAgent(token.issue(wanted, signer), ground.tls)
    thief.token = ground.victim.token  # so that the registration names the provider
    try:
        return await _post(thief, request.REGISTER_PATH, thief.registration())
    finally:
        await thief.close()


async def _foreign_key(ground: Ground) -> Seen:
    """Signs the victim's heartbeat with the key of another registered node."""
    stamp = replace(ground.other.stamp(), node_id=ground.victim.token.node_id)
    body = ground.other.signed(Purpose.HEARTBEAT, _payload(ground.victim), stamp)
    return await _post(ground.other, ground.victim.path, body)


async def _changed(ground: Ground) -> Seen:
    """Changes one value of a heartbeat after it was signed."""
    body = ground.victim.heartbeat().replace(b'"gpus_available":2', b'"gpus_available":9')
    return await _post(ground.victim, ground.victim.path, body)


async def _registration_as_heartbeat(ground: Ground) -> Seen:
    """Sends what was signed for a registration as a heartbeat."""
    body = ground.victim.signed(Purpose.REGISTRATION, _payload(ground.victim), ground.victim.stamp())
    return await _post(
        ground.victim, ground.victim.path, body.replace(b'{"registration":', b'{"heartbeat":', 1)
    )


async def _other_cluster(ground: Ground) -> Seen:
    return await _post(ground.victim, ground.victim.path, ground.victim.heartbeat(cluster_id="HPC-2"))


async def _unknown_node(ground: Ground) -> Seen:
    """Sends a heartbeat of a node that was never registered."""
    stranger = ground.taken()
    return await _post(stranger, stranger.path, stranger.heartbeat())


async def _published(ground: Ground) -> Seen:
    """Signs the bytes of a heartbeat alone, without a time, as the published agent does."""
    payload, stamp = _payload(ground.victim), ground.victim.stamp()
    auth = request.Auth(sign(ground.victim.key, payload), stamp.nonce, stamp.timestamp, Scheme.PUBLISHED)
    return await _post(ground.victim, ground.victim.path, request.encode(Purpose.HEARTBEAT, payload, auth))


async def _unsigned(ground: Ground) -> Seen:
    return await _post(ground.victim, ground.victim.path, b'{"heartbeat":' + _payload(ground.victim) + b"}")


async def _malformed(ground: Ground) -> Seen:
    return await _post(ground.victim, ground.victim.path, b"[" * 10_000)


async def _oversize(ground: Ground) -> Seen:
    return await _post(ground.victim, ground.victim.path, b" " * OVERSIZE)


async def _oversize_unannounced(ground: Ground) -> Seen:
    """Sends a body without a length that does not end."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(OVERSIZE // 10_000):
            yield b" " * 10_000

    return await _post(ground.victim, ground.victim.path, chunks())


async def _flood(ground: Ground) -> Seen:
    """Sends valid heartbeats as fast as it can. Returns the last answer."""
    last = Seen()
    for _ in range(FLOOD):
        last = await _post(ground.other, ground.other.path, ground.other.heartbeat())
        if Rejection.RATE_LIMITED in last.codes:
            break
    return last


async def _revoked(ground: Ground) -> Seen:
    """Sends heartbeats of a registered node whose registration the operator has revoked."""
    agent = ground.taken()
    await agent.register()
    await ground.place.command("node", "revoke", agent.token.hostname)
    last = Seen()

    async def refused() -> bool:
        nonlocal last
        last = await _post(agent, agent.path, agent.heartbeat())
        return bool(last.codes)

    await until("a revoked node is refused", refused, 30, pause=2)
    return last


async def _slow(ground: Ground, first: bytes) -> Seen:
    """Opens many connections that send a byte a second after `first`, until the collector ends each.

    Meanwhile an agent must get its answers.
    """
    host, _, port = ground.place.url.removeprefix("https://").rpartition(":")

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=ground.tls)
        writer.write(first)

        async def drip() -> None:
            while True:
                writer.write(b"a")
                await asyncio.sleep(1)

        dripping = asyncio.create_task(drip())
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                return await reader.read()
        except OSError:
            return b""
        finally:
            dripping.cancel()
            writer.transport.abort()

    async with asyncio.TaskGroup() as group:
        slow = [group.create_task(one()) for _ in range(SLOW_CONNECTIONS)]
        await asyncio.sleep(1)
        async with asyncio.timeout(5):
            await ground.victim.beat()
    status = slow[0].result().split(b" ", 2)[1:2]
    return Seen(int(status[0]) if status else 0, (Rejection.TOO_SLOW,) if status else ())


async def _slow_head(ground: Ground) -> Seen:
    return await _slow(ground, f"POST {ground.victim.path} HTTP/1.1\r\nHost: collector\r\nX-Slow: ".encode())


async def _slow_body(ground: Ground) -> Seen:
    head = (
        f"POST {ground.victim.path} HTTP/1.1\r\nHost: collector\r\n"
        "Content-Type: application/json\r\nContent-Length: 2000\r\n\r\n"
    )
    return await _slow(ground, head.encode())


def _payload(agent: SimulatedAgent) -> bytes:
    """Returns the next heartbeat without its signature."""
    return request.read(Purpose.HEARTBEAT, agent.heartbeat()).payload


FRESH = 6  # unused tokens that the attacks need
ATTACKS = (
    Attack("replay of an accepted heartbeat", Rejection.STALE_SEQUENCE, _replay),
    Attack("replay of an accepted registration", Rejection.REPLAYED, _replayed_registration),
    Attack("wrong clock: ten minutes behind", Rejection.WRONG_CLOCK, _old),
    Attack("wrong clock: ten minutes ahead", Rejection.WRONG_CLOCK, _ahead),
    Attack("stolen token of a registered node", Rejection.TOKEN_USED, _used_token),
    Attack("unused token, used for another node", Rejection.TOKEN_INVALID, _token_for_other_node),
    Attack("token that a new one replaced", Rejection.TOKEN_INVALID, _replaced_token),
    Attack("token that has expired", Rejection.TOKEN_EXPIRED, _expired_token),
    Attack("token signed by another account", Rejection.TOKEN_INVALID, _invented_token),
    Attack("heartbeat signed with another node's key", Rejection.BAD_SIGNATURE, _foreign_key),
    Attack("heartbeat changed after it was signed", Rejection.BAD_SIGNATURE, _changed),
    Attack("signature of a registration", Rejection.BAD_SIGNATURE, _registration_as_heartbeat),
    Attack("node id of another cluster", Rejection.CLUSTER_MISMATCH, _other_cluster),
    Attack("node that never registered", Rejection.UNKNOWN_NODE, _unknown_node),
    Attack("revoked node", Rejection.REVOKED, _revoked),
    Attack("heartbeat without a signature", Rejection.INVALID_REQUEST, _unsigned),
    Attack("signature that binds no time", Rejection.UNSUPPORTED_SCHEME, _published),
    Attack("JSON nested 10,000 deep", Rejection.INVALID_REQUEST, _malformed),
    Attack("body of 4 MB", Rejection.OVERSIZE, _oversize),
    Attack("body of 4 MB without a length", Rejection.OVERSIZE, _oversize_unannounced),
    Attack("200 heartbeats of a node at once", Rejection.RATE_LIMITED, _flood),
    Attack("slow loris: a byte of the head a second", "request_timeout", _slow_head),
    Attack("slow loris: a byte of the body a second", Rejection.TOO_SLOW, _slow_body),
)
