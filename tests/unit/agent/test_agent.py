"""The agent over the wire: registration, heartbeats, and what it does when they fail."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provider_daemon.agent import latency
from provider_daemon.agent.agent import DESCRIBE_SECONDS
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.latency import Measured
from provider_daemon.agent.state import RESERVED_NUMBERS
from provider_daemon.node_protocol.answer import Neighbour
from provider_daemon.node_protocol.rejection import Rejection
from provider_daemon.node_protocol.request import HEARTBEAT_PATH, REGISTER_PATH
from provider_daemon.nodes.report import HealthStatus, Locality
from tests.unit.agent.far_end import HOST, NODE, FarCollector, collector, token
from tests.unit.agent.place import SAMPLE, Place
from tests.unit.sources.far_end import authority


@pytest.fixture
def far() -> Iterator[FarCollector]:
    with collector() as running:
        yield running
        assert not running.errors


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_node_registers_and_reports_over_tls(tmp_path: Path) -> None:
    """Token, key and signatures are right, the token's file is deleted, and what the node is comes once."""
    files = authority(tmp_path, "127.0.0.1")
    place = Place(tmp_path, AgentSettings(ca_file=str(files.ca), rack="7"))
    with collector(files.chain) as far:
        place.write_token(token(far.url))
        agent = place.agent()
        assert [agent.turn(), agent.turn()] == [30, 30]
    assert not far.errors
    assert far.paths == [REGISTER_PATH, *[HEARTBEAT_PATH.format(node_id=NODE)] * 2]
    assert far.registrations[0].hostname == HOST
    assert far.registrations[0].hardware_fingerprint == place.source.fingerprint
    first, second = far.heartbeats
    assert (first.locality, second.locality, second.hardware) == (Locality(rack="7"), None, None)
    assert (first.capacity, first.timestamp) == (SAMPLE.capacity, "2026-11-30T16:00:00Z")
    assert not place.token.exists()
    assert far.connections == 1


def test_an_unknown_certificate_is_not_accepted(
    tmp_path: Path, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent, and the line says what is wrong."""
    with collector(authority(tmp_path, "127.0.0.1").chain) as far:
        place.write_token(token(far.url))
        place.agent().turn()
        assert not far.paths
    (line,) = logged(capsys)
    assert (line["event"], line["level"]) == ("registration_failed", "error")
    assert "certificate is not accepted" in line["why"]


def test_sequence_numbers_grow_over_restarts(place: Place, far: FarCollector) -> None:
    """Each start skips the numbers that the one before might have used."""
    place.write_token(token(far.url))
    for _ in range(2):
        agent = place.agent()
        for _ in range(RESERVED_NUMBERS + 2):
            agent.turn()
    numbers = [beat.sequence_number for beat in far.heartbeats]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 2 * (RESERVED_NUMBERS + 2)
    assert len(far.registrations) == 1


def test_a_lost_state_continues_above_the_collectors_number(place: Place, far: FarCollector) -> None:
    """The refusal names it, so one heartbeat is lost at most."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    far.refusal, far.sequence_ack = Rejection.STALE_SEQUENCE, 1_000
    agent.turn()
    far.refusal = None
    agent.turn()
    assert far.heartbeats[-1].sequence_number == 1_001


def test_a_collector_cannot_use_up_the_numbers(place: Place, far: FarCollector) -> None:
    """After one that lies, another one accepts the node again."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    far.refusal, far.sequence_ack = Rejection.STALE_SEQUENCE, 2**62
    agent.turn()
    far.refusal, far.sequence_ack = None, 1
    agent.turn()
    assert far.heartbeats[-1].sequence_number == 3


def test_a_wrong_clock_is_named(place: Place, far: FarCollector, capsys: pytest.CaptureFixture[str]) -> None:
    """With the difference and its direction: nobody finds it otherwise."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    capsys.readouterr()
    far.refusal, place.clock.ahead = Rejection.WRONG_CLOCK, 421
    agent.turn()
    (line,) = logged(capsys)
    assert line["event"] == "heartbeat_rejected"
    assert "differs by +421 s" in line["why"]


def test_failures_wait_longer_and_are_logged_once(
    place: Place, far: FarCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then the end is logged. A proxy's page is no answer."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    capsys.readouterr()
    far.reply = (502, b"<html>Bad\nGateway</html>")
    assert [agent.turn() for _ in range(7)] == [2.5, 5, 10, 20, 40, 60, 60]
    (line,) = logged(capsys)
    assert "502" in line["why"]
    assert line["next"]
    far.reply = None
    assert agent.turn() == 30
    assert [line["event"] for line in logged(capsys)] == ["heartbeats_resumed"]


def test_a_rate_limited_agent_waits_as_long_as_the_collector_asks(place: Place, far: FarCollector) -> None:
    """Even if its own wait is shorter."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    far.refusal, far.next_seconds = Rejection.RATE_LIMITED, 90
    assert agent.turn() == 90


def test_an_idle_connection_that_was_closed_loses_no_heartbeat(place: Place, far: FarCollector) -> None:
    """The next one goes over a new connection at once."""
    place.write_token(token(far.url))
    agent, far.closes = place.agent(), True
    assert [agent.turn() for _ in range(3)] == [30, 30, 30]
    assert len(far.heartbeats) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "not a node token"),
        (token("http://127.0.0.1:1", hostname="c2"), "this node is c1"),
        (token("http://127.0.0.1:1", expires_at=1), "has expired"),
        (token("http://collector.example.org"), "plain http is only for this host"),
        (token("https://[collector"), "must be https://host:port"),
        (token("https://collector:port"), "must be https://host:port"),
    ],
)
def test_a_token_that_cannot_be_used(
    place: Place, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    """It is not sent, not shown, and the agent waits for another one."""
    place.write_token(text)
    place.agent().turn()
    (line,) = logged(capsys)
    assert why in line["why"]
    assert text[:40] not in str(line) or text == "nonsense"
    assert place.token.exists()


def test_a_token_that_others_can_read_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Another user could have registered a key with it."""
    place.write_token(token("http://127.0.0.1:1"))
    place.token.chmod(0o644)
    place.agent().turn()
    assert "chmod 600" in logged(capsys)[0]["why"]


def test_an_agent_without_a_token_waits_for_one(
    place: Place, far: FarCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log says where it is expected. The agent starts when it comes."""
    agent = place.agent()
    agent.turn()
    assert logged(capsys)[0]["event"] == "not_registered"
    place.write_token(token(far.url))
    assert agent.turn() == 30


def test_a_new_token_registers_a_registered_node_again(place: Place, far: FarCollector) -> None:
    """It is used once, also if its file is there again. One that is refused does not stop the heartbeats."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    place.write_token(token(far.url, nonce="11" * 32))
    assert [agent.turn(), agent.turn()] == [30, 30]
    place.write_token(token(far.url, nonce="11" * 32))
    agent.turn()
    assert not place.token.exists()
    place.write_token("nonsense")
    assert agent.turn() == 30
    assert (len(far.registrations), len(far.heartbeats)) == (2, 5)


def test_a_change_is_reported_sooner(place: Place, far: FarCollector) -> None:
    """The next heartbeat after a change of the node's health comes in half the time."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    sick = replace(SAMPLE.health, status=HealthStatus.UNHEALTHY)
    place.source.current = replace(SAMPLE, health=sick)
    assert [agent.turn(), agent.turn()] == [15, 30]
    assert far.heartbeats[1].health.status is HealthStatus.UNHEALTHY


def test_changed_hardware_is_reported_and_named(
    place: Place, far: FarCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read again every hour; the fingerprint on chain remains that of the registration."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    place.source.fingerprint = "cd" * 32
    place.clock.sleep(DESCRIBE_SECONDS)
    agent.turn()
    assert far.heartbeats[-1].hardware is not None
    assert "hardware_changed" in [line["event"] for line in logged(capsys)]


def test_latency_is_measured_between_heartbeats(
    place: Place, far: FarCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the neighbours that the collector names, and not again before the interval has passed."""
    measured: list[str] = []
    real = latency.measure
    monkeypatch.setattr(latency, "measure", lambda address: measured.append(address) or real(address))  # type: ignore[func-returns-value]
    place.write_token(token(far.url))
    agent, port = place.agent(), far.url.rpartition(":")[2]
    far.neighbours = (Neighbour("alpha.c2", f"127.0.0.1:{port}"), Neighbour("alpha.c3", "nowhere"))
    for _ in range(3):
        agent.rest(agent.turn())
    assert measured == [f"127.0.0.1:{port}", "nowhere"]
    reported = far.heartbeats[-1].latency
    by_node = {each.target_node_id: each for each in reported.measurements}
    assert (by_node["alpha.c2"].packet_loss_percent, by_node["alpha.c3"].packet_loss_percent) == (0, 100)
    assert 0 < reported.avg_cluster_latency_us == by_node["alpha.c2"].latency_us
    assert reported.gateway_latency_us > 0


def test_a_state_that_cannot_be_stored_sends_nothing(
    place: Place, far: FarCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number that is not on the disk could be used twice."""
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    (place.state / ".state.json.new").mkdir()
    for _ in range(RESERVED_NUMBERS):
        agent.turn()
    assert far.heartbeats[-1].sequence_number == RESERVED_NUMBERS
    assert "state_not_stored" in [line["event"] for line in logged(capsys)]


TEXT = st.text(max_size=5) | st.just("\ud800")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["command_id", "sequence", "kind"]), JSON).map(json.dumps)
ANSWERS = st.fixed_dictionaries(
    {
        "accepted": st.booleans(),
        "sequence_ack": st.integers(),
        "timestamp": st.integers() | TEXT,
        "next_heartbeat_seconds": st.integers(),
        "commands": st.lists(st.fixed_dictionaries({"document": TEXT | DOCUMENTS, "signature": TEXT})),
        "neighbours": st.lists(st.fixed_dictionaries({"node_id": TEXT, "address": TEXT}), max_size=3),
        "errors": st.lists(st.fixed_dictionaries({"code": TEXT, "message": TEXT}), max_size=2),
    }
)


UNENCODABLE = {
    "accepted": True,
    "commands": [{"document": json.dumps({"command_id": "\ud800"}), "signature": ""}],
    "neighbours": [{"node_id": "\ud800", "address": ""}],
}


@example(b"", UNENCODABLE)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()), answer=ANSWERS)
def test_no_answer_stops_the_agent(
    tmp_path: Path,
    far: FarCollector,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    answer: dict[str, object],
) -> None:
    """After anything that a collector may send, heartbeats are accepted again."""
    monkeypatch.setattr(latency, "measure", lambda _: Measured(5, 0))
    place = Place(Path(tempfile.mkdtemp(dir=tmp_path)))
    far.reply, far.sequence_ack = None, 0
    place.write_token(token(far.url))
    agent = place.agent()
    agent.turn()
    for body in (data, json.dumps(answer).encode()):
        far.reply = (200, body)
        agent.rest(agent.turn())
    far.reply, count = None, len(far.heartbeats)
    agent.turn()
    place.agent().turn()
    assert len(far.heartbeats) == count + 2
