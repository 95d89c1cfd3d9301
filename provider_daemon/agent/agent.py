"""The agent: registers the node, sends heartbeats, executes commands. One thread, one request at a time.

What must survive a crash is in the state file before anything depends on it, so the process may end at any
moment: a restart is a normal start.
"""

import base64
import random
import secrets
import time
from collections.abc import Callable
from typing import NoReturn, Protocol
from urllib.parse import quote

from provider_daemon import systemd
from provider_daemon.agent import backoff, diagnostic, failures, latency, requests, state
from provider_daemon.agent.clock import Clock
from provider_daemon.agent.command_handler import CommandHandler
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.exchange import Exchange
from provider_daemon.agent.execution import Executor
from provider_daemon.agent.failures import Failed
from provider_daemon.agent.journal import Journal
from provider_daemon.agent.neighbours import Neighbours
from provider_daemon.agent.registrar import Identity, Present, Registrar
from provider_daemon.agent.requests import Description, Moment
from provider_daemon.agent.sampling import Sample
from provider_daemon.agent.state import Registered
from provider_daemon.agent.state_file import StateFile
from provider_daemon.node_protocol.answer import LEAST_SECONDS, Answer
from provider_daemon.node_protocol.rejection import Rejection
from provider_daemon.node_protocol.request import HEARTBEAT_PATH
from provider_daemon.node_protocol.signature import NONCE_BYTES
from provider_daemon.nodes.report import (
    GpuState,
    Hardware,
    HealthStatus,
    Heartbeat,
    Latency,
    LatencyMeasurement,
    Services,
    Topology,
)
from provider_daemon.ongoing import OngoingProblems

DESCRIBE_SECONDS = 3600.0  # after which the hardware is read again
PING_SECONDS = 10.0  # between two signs of life for systemd

# What a change of makes the next heartbeat come sooner.
Condition = tuple[HealthStatus, Services, tuple[GpuState, ...]]


class Source(Protocol):
    """What measures the node: a sampling.Sampler."""

    def hardware(self) -> tuple[Hardware, Topology, str]: ...

    def sample(self, now: float) -> Sample: ...


class Agent:
    def __init__(
        self,
        settings: AgentSettings,
        identity: Identity,
        file: StateFile,
        source: Source,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` returns random numbers from 0 to 1, which spread the agents' heartbeats."""
        self._settings, self._identity, self._file = settings, identity, file
        self._source, self._clock, self._chance = source, clock, chance
        self._journal, self._ongoing, self._failures = Journal(), OngoingProblems(), 0
        self._exchange = Exchange(settings, identity.version, clock)
        self._registrar = Registrar(settings, identity, file, self._exchange, self._journal, self._report)
        executor = Executor(settings, identity.hostname, self._diagnose)
        self._commands = CommandHandler(settings, file, executor, self._journal, clock)
        self._neighbours = Neighbours()
        self._condition: Condition | None = None  # of the last sample
        self._changed, self._busy_percent = False, 0
        self._description, self._described_at = self._describe(), clock.steady()
        self._described: tuple[Registered, Description] | None = None  # what the collector has

    def run(self) -> NoReturn:
        """Works until a signal ends the process."""
        while True:
            self.rest(self.turn())

    def turn(self) -> float:
        """Registers the node if that is due, sends a heartbeat, and executes the commands in the answer.

        Returns the seconds until the next turn.
        """
        try:
            sample = self._measure()
            node = self._registrar.registered(Present(self._moment(), sample, self._description))
            answer = self._heartbeat(node, sample)
            self._commands.handle(answer.commands, node)
        except Failed as failed:
            return self._wait_after(failed)
        self._succeeded()
        return self._interval(answer)

    def _measure(self) -> Sample:
        sample = self._source.sample(self._clock.now())
        earlier, self._condition = self._condition, _condition(sample)
        self._changed = earlier is not None and earlier != self._condition
        self._busy_percent = sample.health.cpu_utilization_percent
        if self._clock.steady() - self._described_at >= DESCRIBE_SECONDS:
            self._description, self._described_at = self._describe(), self._clock.steady()
        return sample

    def _describe(self) -> Description:
        hardware, topology, fingerprint = self._source.hardware()
        return Description(hardware, topology, self._settings.locality, fingerprint)

    def _heartbeat(self, node: Registered, sample: Sample) -> Answer:
        """Sends a heartbeat with what the collector does not have yet. Raises Failed."""
        moment, what = self._moment(), (node, self._description)
        beat = self._beat(node, sample, moment)
        if self._described != what:
            beat = requests.described(beat, self._description)
            self._check_fingerprint(node)
        body = requests.heartbeat_body(self._identity.key, self._settings.protocol, beat, moment)
        path = HEARTBEAT_PATH.format(node_id=quote(node.node_id, safe=""))
        answer = self._exchange.post(node, path, body, "heartbeat")
        if self._described is None:
            self._journal.info(
                "first_heartbeat_accepted", node=node.node_id, seconds=answer.next_heartbeat_seconds
            )
        self._described = what
        self._file.change(state.delivered(self._file.current, beat.acknowledgements))
        self._neighbours.replace(answer.neighbours)
        return answer

    def _beat(self, node: Registered, sample: Sample, moment: Moment) -> Heartbeat:
        current = self._file.current
        return Heartbeat(
            node_id=node.node_id,
            cluster_id=node.cluster_id,
            sequence_number=self._file.next_sequence(),
            timestamp=moment.text,
            agent_version=self._identity.version,
            capacity=sample.capacity,
            health=requests.drained(sample.health) if current.drained else sample.health,
            latency=self._latency(),
            jobs=sample.jobs,
            services=sample.services,
            gpus=sample.gpus,
            acknowledgements=state.undelivered(current),
        )

    def _check_fingerprint(self, node: Registered) -> None:
        if self._description.fingerprint != node.fingerprint:
            following = f"if the change was intended, {failures.NEW_TOKEN}"
            problem = "the hardware differs from what this node registered"
            self._report(Failed("hardware_changed", problem, following))

    def _diagnose(self) -> str:
        sample, drained = self._source.sample(self._clock.now()), self._file.current.drained
        return diagnostic.render(self._identity.version, sample, self._latency(), drained=drained)

    def _latency(self) -> Latency:
        return self._neighbours.latency(self._exchange.round_trip_us)

    def _moment(self) -> Moment:
        now, nonce = int(self._clock.now()), secrets.token_bytes(NONCE_BYTES)
        return Moment(now, _rfc3339(now), base64.b64encode(nonce).decode())

    def _interval(self, answer: Answer) -> float:
        """Returns the interval that the collector asks for; less after a change or a command."""
        if state.undelivered(self._file.current):
            return LEAST_SECONDS
        wait = answer.next_heartbeat_seconds / (2 if self._changed else 1)
        return max(LEAST_SECONDS, backoff.spread(wait, self._chance()))

    def _wait_after(self, failed: Failed) -> float:
        self._failures += 1
        self._report(failed)
        wait = backoff.seconds(self._failures, self._chance())
        if failed.answer is None:
            return wait
        code = failures.code_of(failed.answer)
        if code == Rejection.UNKNOWN_NODE:
            self._registrar.forgotten()
        if code == Rejection.STALE_SEQUENCE:
            self._file.advance_sequence(failed.answer.sequence_ack)
        return max(wait, failed.answer.next_heartbeat_seconds) if code == Rejection.RATE_LIMITED else wait

    def _report(self, failed: Failed) -> None:
        if self._ongoing.start(failed.event, "", self._clock.now(), str(failed)):
            self._journal.error(failed.event, why=str(failed), next=failed.following)
        systemd.status(f"{failed.event}: {failed}")

    def _succeeded(self) -> None:
        if self._failures:
            self._journal.info("heartbeats_resumed", failures=self._failures)
            for event, _ in self._ongoing.lasting():
                self._ongoing.clear(event, "")
        self._failures = 0
        systemd.status(f"last heartbeat accepted at {_rfc3339(int(self._clock.now()))}")

    def rest(self, seconds: float) -> None:
        """Waits, and measures the latencies that are due in the meantime."""
        end = self._clock.steady() + seconds
        while (left := end - self._clock.steady()) > 0:
            systemd.notify("WATCHDOG=1")
            if not self._measure_latency(left):
                self._clock.sleep(min(left, PING_SECONDS))

    def _measure_latency(self, left: float) -> bool:
        """Measures one neighbour if one is due and there is time for it."""
        target = self._neighbours.due(self._clock.steady(), self._busy_percent, changed=self._changed)
        if target is None or left < latency.PROBES * latency.PROBE_SECONDS:
            return False
        found, at = latency.measure(target.address), _rfc3339(int(self._clock.now()))
        measurement = LatencyMeasurement(target.node_id, found.microseconds, found.loss_percent, at)
        self._neighbours.record(target, self._clock.steady(), measurement)
        return True


def _condition(sample: Sample) -> Condition:
    return sample.health.status, sample.services, tuple(gpu.state for gpu in sample.gpus)


def _rfc3339(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
