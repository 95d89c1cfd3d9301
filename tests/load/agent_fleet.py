"""Simulated node agents. Each has a key, a node token, a sequence and a TLS connection of its own."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import random
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.errors import Unreadable
from provider_daemon.node_protocol import answer, request, token
from provider_daemon.node_protocol.signature import Purpose, Scheme, Stamp, base_text, sign
from provider_daemon.nodes import report, writing
from provider_daemon.nodes.command import CommandResult

ANSWER_SECONDS = 30
RECORD_BYTES = 16 * 1024  # the most that one TLS record holds
KEEP_SECONDS = 300  # an idle connection stays open from one heartbeat to the next
HARDWARE = report.Hardware(
    "EPYC 9654", "AMD", "x86_64", 1, 16, 1, "DDR5", 4800, "a100", 80, "nvme", ("avx512",)
)
TOPOLOGY = report.Topology(2, 32, "infiniband", "hdr", "fat-tree")


@dataclass(slots=True)
class Tally:
    """What became of the requests. `seconds`: of each answer. `lost`: those without an answer, by error."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


class SimulatedAgent:
    """One agent. `sequence` is the last heartbeat's, `acknowledged` the last one that was accepted."""

    def __init__(self, text: str, tls: ssl.SSLContext) -> None:
        self.text, self.token = text, token.read(text)
        self.key = Ed25519PrivateKey.generate()
        self.sequence = self.acknowledged = 0
        self.interval = answer.DEFAULT_SECONDS
        self.fingerprint = hashlib.sha256(self.token.node_id.encode()).hexdigest()
        self._acknowledgements: tuple[report.Acknowledgement, ...] = ()
        connector = aiohttp.TCPConnector(limit=1, ssl=tls, keepalive_timeout=KEEP_SECONDS)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(
            self.token.collector_url,
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes_raw()).decode()

    async def close(self) -> None:
        await self._session.close()

    def stamp(self, at: float | None = None, cluster_id: str = "") -> Stamp:
        nonce = base64.b64encode(os.urandom(16)).decode()
        when = int(time.time() if at is None else at)
        return Stamp(self.token.node_id, cluster_id or self.token.cluster_id, when, nonce)

    def registration(self) -> bytes:
        """Returns the body of a registration."""
        payload = writing.encode(
            report.Registration(
                self.token.node_id,
                self.token.cluster_id,
                self.token.provider_address,
                self.public_key,
                self.token.hostname,
                self.fingerprint,
                "0.1.0",
                _capacity(),
                report.Health(report.HealthStatus.HEALTHY),
                hardware=HARDWARE,
                topology=TOPOLOGY,
            )
        )
        return self.signed(Purpose.REGISTRATION, payload, self.stamp(), token=self.text)

    def heartbeat(self, stamp: Stamp | None = None, cluster_id: str = "") -> bytes:
        """Returns the body of the next heartbeat."""
        self.sequence += 1
        found = stamp or self.stamp(cluster_id=cluster_id)
        payload = writing.encode(_heartbeat(found, self.sequence, self._acknowledgements))
        return self.signed(Purpose.HEARTBEAT, payload, found)

    def signed(self, purpose: Purpose, payload: bytes, stamp: Stamp, token: str = "") -> bytes:
        signature = sign(self.key, base_text(purpose, stamp, payload))
        auth = request.Auth(signature, stamp.nonce, stamp.timestamp, Scheme.PROVD)
        return request.encode(purpose, payload, auth, token)

    async def post(self, path: str, body: bytes | AsyncIterator[bytes]) -> tuple[int, answer.Answer]:
        """Returns status and answer.

        Raises aiohttp.ClientError, TimeoutError or Unreadable if there is no readable answer.
        """
        headers = {"Content-Type": "application/json"}
        async with self._session.post(path, data=body, headers=headers) as response:
            return response.status, answer.read(await response.read())

    async def register(self) -> answer.Answer:
        return (await self.post(request.REGISTER_PATH, self.registration()))[1]

    @property
    def path(self) -> str:
        return request.HEARTBEAT_PATH.format(node_id=self.token.node_id)

    async def beat(self) -> answer.Answer:
        """Sends the next heartbeat. Commands in its answer are acknowledged in the one after it."""
        _, found = await self.post(self.path, self.heartbeat())
        if found.accepted:
            self.acknowledged, self.interval = self.sequence, found.next_heartbeat_seconds
            self._acknowledgements = tuple(_done(each.document) for each in found.commands)
        return found


class Fleet:
    """Many agents. `registrations` and `heartbeats` count what became of their requests."""

    def __init__(self, tokens: Iterable[str], tls: ssl.SSLContext) -> None:
        self.agents = [SimulatedAgent(text, tls) for text in tokens]
        self.registrations, self.heartbeats = Tally(), Tally()

    async def register(self, seconds: float) -> None:
        """Registers all agents, spread over the time. A refused one tries again a second later.

        Each sends its first heartbeat at once, as real ones do.
        """

        async def one(agent: SimulatedAgent, wait: float) -> None:
            await asyncio.sleep(wait)
            for tally, ask in ((self.registrations, agent.register), (self.heartbeats, agent.beat)):
                while not await _counted(tally, ask):
                    await asyncio.sleep(1)

        await self._all(one, seconds)

    async def run(self, seconds: float) -> None:
        """Sends heartbeats for so long; the agents' first ones are spread over an interval."""
        end = time.monotonic() + seconds

        async def one(agent: SimulatedAgent, wait: float) -> None:
            due = time.monotonic() + wait
            while due < end:
                await asyncio.sleep(due - time.monotonic())
                await _counted(self.heartbeats, agent.beat)
                due = max(due + agent.interval, time.monotonic())

        await self._all(one, min(seconds / 2, answer.DEFAULT_SECONDS))

    async def _all(
        self, one: Callable[[SimulatedAgent, float], Coroutine[Any, Any, None]], spread: float
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for number, agent in enumerate(self.agents):
                group.create_task(one(agent, spread * number / len(self.agents)))


@contextlib.asynccontextmanager
async def fleet(tokens: Iterable[str], tls: ssl.SSLContext) -> AsyncIterator[Fleet]:
    SSLProtocol.max_size = RECORD_BYTES  # of a buffer in each connection, 256 kB otherwise
    made = Fleet(tokens, tls)
    try:
        yield made
    finally:
        for agent in made.agents:
            await agent.close()


async def _counted(tally: Tally, ask: Callable[[], Awaitable[answer.Answer]]) -> bool:
    """Returns whether the request was accepted."""
    began = time.monotonic()
    try:
        found = await ask()
    except (aiohttp.ClientError, TimeoutError, Unreadable, OSError) as error:
        tally.lost[type(error).__name__] += 1
        return False
    tally.seconds.append(time.monotonic() - began)
    tally.accepted += found.accepted
    tally.refused.update(error.code for error in found.errors)
    return found.accepted


def _heartbeat(
    stamp: Stamp, sequence: int, acknowledgements: tuple[report.Acknowledgement, ...]
) -> report.Heartbeat:
    """Returns a heartbeat of a node with 16 cores and 2 GPUs whose live values change all the time."""
    at = datetime.fromtimestamp(stamp.timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    used = random.randrange(100)
    health = report.Health(
        report.HealthStatus.HEALTHY,
        uptime_seconds=86_400 + 30 * sequence,
        load_average_1m=f"{used * 0.16:.6f}",
        load_average_5m=f"{used * 0.15:.6f}",
        load_average_15m=f"{used * 0.14:.6f}",
        cpu_utilization_percent=used,
        memory_utilization_percent=used // 2,
        gpu_utilization_percent=used,
        temperature_celsius=40 + used // 4,
        gpu_temperature_celsius=45 + used // 4,
        slurm_state="idle",
    )
    gpus = tuple(
        report.Gpu(index, report.GpuState.OK, f"GPU-{index}", "a100", 80, used, used // 2, 45 + used // 4)
        for index in range(2)
    )
    measured = tuple(
        report.LatencyMeasurement(f"demo.n{number}", 100 + used, 0, at) for number in range(1, 4)
    )
    first = sequence == 1
    return report.Heartbeat(
        stamp.node_id,
        stamp.cluster_id,
        sequence,
        at,
        "0.1.0",
        _capacity(),
        health,
        report.Latency(measured, avg_cluster_latency_us=100 + used),
        report.JobCounts(running_count=1, active_job_ids=("1",)),
        report.Services(slurmd_running=True, slurmd_version="22.05.8", munge_running=True),
        hardware=HARDWARE if first else None,
        topology=TOPOLOGY if first else None,
        locality=report.Locality("local", "dc1", "z1", "r1") if first else None,
        gpus=gpus,
        acknowledgements=acknowledgements,
    )


def _capacity() -> report.Capacity:
    return report.Capacity(
        cpu_cores_total=16, cpu_cores_available=16, memory_gb_total=64, memory_gb_available=64,
        gpus_total=2, gpus_available=2, gpu_type="a100", storage_gb_total=900, storage_gb_available=800,
    )  # fmt: skip


def _done(document: str) -> report.Acknowledgement:
    return report.Acknowledgement(json.loads(document)["command_id"], CommandResult.DONE)
