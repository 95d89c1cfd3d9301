"""Registrations and heartbeats: what is accepted, what is stored, and what is answered."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.node_protocol import command
from provider_daemon.node_protocol.answer import Neighbour
from provider_daemon.node_protocol.command import NodeCommand
from provider_daemon.node_protocol.request import REGISTER_PATH
from provider_daemon.node_protocol.signature import sign
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.command import CommandKind, CommandResult, IssuedCommand, SignedCommand
from provider_daemon.nodes.report import Acknowledgement, Gpu, GpuState, Hardware, Health, HealthStatus
from tests.fakes.chain import PROVIDER, FakeClock
from tests.unit.collector.agents import CLUSTER, SigningAgent
from tests.unit.collector.conftest import Running, serving
from tests.unit.node_protocol.test_published import KEY, PUBLIC, SIGNATURE, TEXT


def issued(running: Running, number: int, node_id: str = "alpha.c1") -> IssuedCommand:
    """Stores a command as the daemon does."""
    now = int(running.clock.time)
    made = NodeCommand(f"C-{number}", CLUSTER, node_id, number, CommandKind.DRAIN, now, now + 300)
    signed = command.sign(made, PROVIDER)
    stored = IssuedCommand(
        made.command_id, node_id, CLUSTER, number, made.kind, signed, now, made.deadline, "ann"
    )
    with running.ledger.write():
        nodes.add_command(running.ledger, stored)
    return stored


async def test_registration_and_heartbeats(running: Running) -> None:
    """The daemon reads what the agent said, as soon as the agent has its answer."""
    agent = await running.registered()
    facts = running.facts()
    assert (facts.public_key, facts.fingerprint, facts.heartbeat) == (agent.public_key, "f" * 64, None)
    running.clock.time += 30
    status, answer = await running.beat(agent, hardware=Hardware(cpu_model="EPYC"))
    assert (status, answer.accepted, answer.sequence_ack) == (200, True, 1)
    assert (answer.timestamp, answer.next_heartbeat_seconds) == (int(running.clock.time), 30)
    facts = running.facts()
    assert facts.heartbeat is not None
    assert (facts.heartbeat.sequence_number, facts.seen_at) == (1, running.clock.time)
    assert facts.hardware == Hardware(cpu_model="EPYC")


async def test_a_node_that_is_not_healthy_reports_more_often(running: Running) -> None:
    """So its recovery is seen soon."""
    agent = await running.registered()
    _, answer = await running.beat(agent, gpus=(Gpu(0, GpuState.FAILED),))
    assert answer.next_heartbeat_seconds == 15
    _, answer = await running.beat(agent, health=Health(HealthStatus.DEGRADED))
    assert (answer.next_heartbeat_seconds, running.facts().interval) == (15, 15)


async def test_a_lost_answer_to_a_registration(running: Running) -> None:
    """The agent sends it again, and the collector answers again; the sequence continues."""
    text, agent = running.token(), SigningAgent("c1")
    for _ in range(2):
        assert (await running.register(agent, text))[0] == 200
    await running.beat(agent)
    status, answer = await running.register(agent, text)
    assert (status, answer.sequence_ack) == (200, 1)


async def test_one_token_one_key(running: Running) -> None:
    """Of two keys that register at the same time with one token, one wins."""
    text = running.token()
    both = [SigningAgent("c1"), SigningAgent("c1")]
    found = await asyncio.gather(*(running.register(each, text) for each in both))
    assert sorted(status for status, _ in found) == [200, 403]
    assert [each.errors[0].code for _, each in found if not each.accepted] == ["token_used"]
    (winner,) = (agent for agent, (status, _) in zip(both, found, strict=True) if status == 200)
    assert running.facts().public_key == winner.public_key


async def test_a_new_token_replaces_the_key(running: Running) -> None:
    """A node that was installed again starts its sequence again; the old key is refused."""
    old = await running.registered()
    for _ in range(3):
        await running.beat(old)
    new = await running.registered()
    assert running.facts().heartbeat is None
    assert (await running.beat(new))[0] == 200
    assert await running.reason(running.beat(old)) == (401, "signature_invalid")


async def test_sequences_survive_a_restart(tmp_path: Path, ledger: Ledger, clock: FakeClock) -> None:
    """What the first collector accepted, the second one refuses: heartbeats, registrations and tokens."""
    async with serving(tmp_path, ledger, clock) as first:
        text, agent = first.token(), SigningAgent("c1")
        registration = agent.registration(text, clock.time)
        assert (await first.post(REGISTER_PATH, registration))[0] == 200
        recorded = agent.heartbeat(clock.time)
        assert (await first.post(agent.heartbeat_path, recorded))[0] == 200
    async with serving(tmp_path, ledger, clock) as second:
        status, answer = await second.post(agent.heartbeat_path, recorded)
        assert (status, answer.errors[0].code, answer.sequence_ack) == (409, "stale_sequence", 1)
        assert await second.reason(second.post(REGISTER_PATH, registration)) == (409, "replayed")
        assert await second.reason(second.register(SigningAgent("c1"), text)) == (403, "token_used")
        assert (await second.beat(agent))[0] == 200


async def test_commands_and_their_answers(running: Running) -> None:
    """A command is in each answer until the agent acknowledges it, and the daemon reads what became of it."""
    agent = await running.registered()
    first, second = issued(running, 1), issued(running, 2)
    issued(running, 3, "alpha.c2")
    await running.refresh()
    _, answer = await running.beat(agent)
    assert (answer.commands, answer.next_heartbeat_seconds) == ((first.signed, second.signed), 10)
    done = Acknowledgement("C-1", CommandResult.DONE, "drained")
    _, answer = await running.beat(agent, acknowledgements=(done,))
    assert answer.commands == (second.signed,)
    assert running.store.acknowledgements(CLUSTER) == {"C-1": done}
    assert "C-1: done" in "".join(each.read_text() for each in running.audit.glob("*.jsonl"))


async def test_a_command_that_cannot_be_read(running: Running) -> None:
    """The node's other commands are handed out, and those of other nodes."""
    agent = await running.registered()
    damaged = replace(issued(running, 1), command_id="C-0", sequence=0)
    with running.ledger.write():
        nodes.add_command(running.ledger, replace(damaged, signed=SignedCommand("{", "")))
    await running.refresh()
    assert running.directory.problem == ""
    _, answer = await running.beat(agent)
    assert answer.commands == (damaged.signed,)


async def test_a_node_answers_its_own_commands_only(running: Running) -> None:
    """It cannot tell the operator that another node did what it was asked for."""
    agent = await running.registered()
    issued(running, 3, "alpha.c2")
    running.token("c2")
    await running.refresh()
    wrong = (Acknowledgement("C-3", CommandResult.DONE), Acknowledgement("C-9", CommandResult.DONE))
    assert (await running.beat(agent, acknowledgements=wrong))[0] == 200
    assert running.store.acknowledgements(CLUSTER) == {}


async def test_neighbours(running: Running) -> None:
    """The next three registered nodes of the cluster, as a ring, and never the node itself."""
    agents = [await running.registered(f"c{number}") for number in range(1, 6)]
    running.token("c9")  # not registered
    await running.refresh()
    _, answer = await running.beat(agents[3])
    assert answer.neighbours == tuple(Neighbour(f"alpha.{host}", f"{host}:1") for host in ("c5", "c1", "c2"))


async def test_revoked_and_allowed_again(running: Running) -> None:
    """A revoked node is refused within seconds; afterwards only a registration with a new token counts."""
    agent = await running.registered()
    running.clock.time += 10
    with running.ledger.write():
        nodes.revoke(running.ledger, agent.node_id, "ann", running.clock.time)
    await running.refresh()
    recorded = agent.heartbeat(running.clock.time)
    assert await running.reason(running.post(agent.heartbeat_path, recorded)) == (403, "revoked")
    assert running.directory.trusted(running.agents.known) == []
    running.clock.time += 10
    text = running.token()
    assert await running.reason(running.beat(agent)) == (403, "revoked")  # its key is from before
    assert (await running.register(agent, text))[0] == 200
    assert (await running.beat(agent))[0] == 200
    assert len(running.directory.trusted(running.agents.known)) == 1
    assert await running.reason(running.post(agent.heartbeat_path, recorded)) == (409, "stale_sequence")


async def test_a_node_that_moves_to_another_cluster(running: Running) -> None:
    """Its agent registers with a new token; the daemon then finds it in the new cluster alone."""
    agent = await running.registered()
    text = running.token(cluster_id="HPC-2")
    agent.cluster_id = "HPC-2"
    await running.refresh()
    assert await running.reason(running.beat(agent)) == (403, "node_not_registered")
    assert (await running.register(agent, text))[0] == 200
    assert (await running.beat(agent))[0] == 200
    assert (running.store.facts(CLUSTER), list(running.store.facts("HPC-2"))) == ({}, [agent.node_id])


async def test_a_token_that_was_just_issued(running: Running) -> None:
    """The collector reads the ledger again for a node that it does not know, but not for each request."""
    await running.refresh()
    text, agent = running.token(), SigningAgent("c1")
    assert await running.reason(running.register(agent, text)) == (403, "node_not_registered")
    running.clock.time += 1
    assert (await running.register(agent, text))[0] == 200


async def test_no_ledger_yet(running: Running, tmp_path: Path) -> None:
    """Nothing is decided about a node before the ledger was read once; the last reading stays in use."""
    text, agent = running.token(), SigningAgent("c1")
    hidden = tmp_path / "elsewhere"
    (tmp_path / "ledger.sqlite").rename(hidden)
    assert await running.reason(running.register(agent, text)) == (503, "unavailable")
    hidden.rename(tmp_path / "ledger.sqlite")
    running.clock.time += 1
    assert (await running.register(agent, text))[0] == 200
    (tmp_path / "ledger.sqlite").rename(hidden)
    await running.refresh()
    assert "cannot be read" in running.directory.problem
    assert (await running.beat(agent))[0] == 200


async def test_a_full_disk(running: Running) -> None:
    """An accepted heartbeat is on disk; otherwise it is refused, and accepted when there is space again."""
    agent = await running.registered()
    await running.commits.call(lambda writer: writer._db.execute("PRAGMA max_page_count = 1").fetchall())
    body = agent.heartbeat(running.clock.time, hardware=Hardware(features=("x" * 128,) * 64))
    assert await running.reason(running.post(agent.heartbeat_path, body)) == (503, "unavailable")
    assert "cannot be written" in running.commits.problem
    await running.commits.call(lambda writer: writer._db.execute("PRAGMA max_page_count = 9999").fetchall())
    assert (await running.post(agent.heartbeat_path, body))[0] == 200
    assert running.commits.problem == ""


async def test_many_heartbeats_in_few_commits(running: Running) -> None:
    """Answers wait for a commit together."""
    agents = [await running.registered(f"c{number}") for number in range(15)]
    commits: list[int] = []
    running.commits._observe = lambda _: commits.append(1)
    found = await asyncio.gather(*(running.beat(each) for each in agents))
    assert {status for status, _ in found} == {200}
    assert len(commits) < 8


async def test_the_published_agent(tmp_path: Path, ledger: Ledger, clock: FakeClock) -> None:
    """It registers without a signature, and starts its sequence again; the signed time protects it."""
    async with serving(tmp_path, ledger, clock, published_agents=True) as running:
        agent = SigningAgent("c1")
        text = running.token()
        allowed = next(iter(nodes.allowed(ledger, CLUSTER).values()))
        running.allow(replace(allowed, token_sha256="", agent_key=agent.public_key))
        plain = agent.registration(text, clock.time).split(b',"auth":')[0].removeprefix(b'{"registration":')
        assert (await running.post(REGISTER_PATH, plain))[0] == 200
        recorded = agent.published_heartbeat(clock.time)
        assert (await running.post(agent.heartbeat_path, recorded))[0] == 200
        assert await running.reason(running.post(agent.heartbeat_path, recorded)) == (409, "stale_sequence")
        clock.time += 30
        agent.sequence = 0  # it was restarted
        issued(running, 1)
        await running.refresh()
        assert (await running.post(REGISTER_PATH, plain.replace(b"f" * 64, b"0" * 64)))[0] == 200
        assert running.facts().fingerprint == "f" * 64  # nobody signed the second one
        status, answer = await running.post(agent.heartbeat_path, agent.published_heartbeat(clock.time))
        assert (status, answer.commands) == (200, ())  # it could not verify one
        assert await running.reason(running.beat(agent)) == (400, "unsupported_scheme")
        other = SigningAgent("c1").registration(text, clock.time)
        assert await running.reason(running.post(REGISTER_PATH, other)) == (403, "node_not_registered")


async def test_the_published_agent_without_the_option(running: Running) -> None:
    """A signature without purpose and nonce is accepted only where the operator wants it."""
    agent = SigningAgent("c1")
    running.token()
    allowed = next(iter(nodes.allowed(running.ledger, CLUSTER).values()))
    running.allow(replace(allowed, token_sha256="", agent_key=agent.public_key))
    body = agent.published_heartbeat(running.clock.time)
    assert await running.reason(running.post(agent.heartbeat_path, body)) == (400, "unsupported_scheme")


GO_BEAT = (
    '{"node_id":"HPC-1.c1","cluster_id":"HPC-1","sequence_number":2,'
    '"timestamp":"2026-01-30T14:05:30.123456789Z","agent_version":"0.1.0",'
    '"capacity":{"cpu_cores_total":64,"cpu_cores_available":64,"cpu_cores_allocated":0,"gpu_type":"A\\u0026B"},'
    '"health":{"status":"healthy","uptime_seconds":60,"last_error_message":"x \\u003c y\\u2028"},'
    '"latency":{"gateway_latency_us":0},"jobs":{"running_count":0},"services":{"slurmd_running":true}}'
)


async def test_the_published_agents_own_bytes(tmp_path: Path, ledger: Ledger) -> None:
    """The vector is accepted, and so is JSON that no encoder of ours writes, with Go's escapes and times."""
    agent = SigningAgent("c1", KEY)
    clock = FakeClock(time=datetime(2026, 1, 30, 14, 5, 31, tzinfo=UTC).timestamp())
    node = AllowedNode("HPC-1.c1", CLUSTER, "c1", PROVIDER.address, "", clock.time, clock.time, PUBLIC)
    async with serving(tmp_path, ledger, clock, published_agents=True) as running:
        running.allow(node)
        plain = agent.registration("", clock.time, node_id="HPC-1.c1").split(b',"auth":')[0]
        assert (await running.post(REGISTER_PATH, plain.removeprefix(b'{"registration":')))[0] == 200
        for text, signed in ((TEXT, SIGNATURE), (GO_BEAT.encode(), sign(KEY, GO_BEAT.encode()))):
            auth = f'"auth":{{"signature":"{signed}","nonce":"eyJub2RlX2lkIjoiSA==","timestamp":1}}'
            body = b'{"heartbeat":' + text + b"," + auth.encode() + b"}"
            url = f"http://127.0.0.1:{running.port}/api/v1/hpc/nodes/HPC-1.c1/heartbeat"
            async with running.http.post(url, data=body) as found:
                assert found.status == 200
                said = await found.json()
        assert said == {
            "accepted": True,
            "sequence_ack": 2,
            "timestamp": "2026-01-30T14:05:31Z",  # it parses nothing else
            "next_heartbeat_seconds": 30,
        }
        facts = running.store.facts(CLUSTER)["HPC-1.c1"]
        assert facts.heartbeat is not None
        assert facts.heartbeat.health.last_error_message == "x < y\u2028"
