"""The agent with a published daemon: paths, forms and signatures as that one handles them."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider_daemon.agent.config import AgentSettings
from provider_daemon.node_protocol import request, signature
from provider_daemon.node_protocol.published import signed_form
from provider_daemon.node_protocol.signature import NONCE_BYTES, Scheme
from provider_daemon.nodes import reading
from tests.unit.agent.far_end import CLUSTER, NOW, SIGNER, FarCollector, collector
from tests.unit.agent.place import Place

NODE = "n1"
TIME = "2026-11-30T16:00:00.123456789Z"


class PublishedDaemon:
    """Stores a key when it is registered, and verifies a heartbeat over its own encoding of it."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.sequence = 0
        self.paths: list[str] = []

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.paths.append(path)
        if path.endswith("/register"):
            found = json.loads(body)
            if found["provider_address"] != SIGNER.address:
                return 400, b"provider address mismatch\n"
            self.keys[found["node_id"]] = found["agent_pubkey"]
            return 200, json.dumps({"accepted": True, "node_id": found["node_id"]}).encode()
        return 200, json.dumps(self._judged(body)).encode()

    def _judged(self, body: bytes) -> dict[str, object]:
        found = request.read("heartbeat", body)
        assert found.auth is not None
        assert (found.auth.timestamp, len(base64.b64decode(found.auth.nonce))) == (NOW, NONCE_BYTES)
        beat = reading.heartbeat(found.payload)
        answer = {"timestamp": TIME, "next_heartbeat_seconds": 30, "sequence_ack": self.sequence}
        if beat.node_id not in self.keys:
            return answer | {"accepted": False, "errors": [{"code": "node_not_registered", "message": "m"}]}
        if not signature.verify(self.keys[beat.node_id], signed_form(beat), found.auth.signature):
            return answer | {"accepted": False, "errors": [{"code": "signature_invalid", "message": "m"}]}
        if beat.sequence_number <= self.sequence:
            return answer | {"accepted": False, "errors": [{"code": "stale_sequence", "message": "m"}]}
        self.sequence = beat.sequence_number
        return answer | {"accepted": True, "sequence_ack": self.sequence}


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> PublishedDaemon:
    found = PublishedDaemon()
    monkeypatch.setattr(FarCollector, "answer", lambda _, path, body: found.answer(path, body))
    return found


@pytest.fixture
def far(daemon: PublishedDaemon) -> Iterator[FarCollector]:
    with collector() as running:
        yield running
        assert not running.errors


def place(tmp_path: Path, far: FarCollector, provider: str = SIGNER.address) -> Place:
    settings = AgentSettings(
        protocol=Scheme.PUBLISHED,
        collector_url=far.url,
        node_id=NODE,
        cluster_id=CLUSTER,
        provider_address=provider,
    )
    return Place(tmp_path, settings)


def test_the_published_daemon_accepts_the_heartbeats(
    tmp_path: Path, far: FarCollector, daemon: PublishedDaemon
) -> None:
    """Without a token; the registration is repeated after a restart, the sequence is not."""
    for _ in range(2):
        agent = place(tmp_path, far).agent()
        assert [agent.turn(), agent.turn()] == [30, 30]
    once = ["/api/v1/hpc/nodes/register", *["/api/v1/hpc/nodes/n1/heartbeat"] * 2]
    assert daemon.paths == [*once, *once]


def test_its_plain_refusals_are_logged(
    tmp_path: Path, far: FarCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are lines of text, not JSON."""
    place(tmp_path, far, provider="ve1other").agent().turn()
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "registration_failed"
    assert "HTTP status 400" in line["why"]
    assert "provider address mismatch" in line["why"]


def test_a_daemon_that_forgot_the_node_gets_its_registration_again(
    tmp_path: Path, far: FarCollector, daemon: PublishedDaemon
) -> None:
    """It keeps nodes in memory."""
    agent = place(tmp_path, far).agent()
    agent.turn()
    daemon.keys.clear()
    agent.turn()
    assert agent.turn() == 30
    assert daemon.keys


def test_its_sequence_is_continued(tmp_path: Path, far: FarCollector, daemon: PublishedDaemon) -> None:
    """A node that the published agent reported for had numbers of that one."""
    agent, daemon.sequence = place(tmp_path, far).agent(), 500
    agent.turn()
    assert agent.turn() == 30
    assert daemon.sequence == 501
