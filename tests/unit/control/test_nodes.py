"""Operations about compute nodes: tokens, revocation, holds and signed commands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from provider_daemon.config.model import load
from provider_daemon.control import node_access, node_commands
from provider_daemon.control.operation import Answer, Asked, Context, Operation
from provider_daemon.control.perform import perform
from provider_daemon.errors import Refused
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.node_protocol import command, token
from provider_daemon.nodes.command import CommandKind, CommandResult
from provider_daemon.nodes.hold import HoldSource, NodeHold
from tests.fakes.chain import PROVIDER
from tests.unit.control.nodes import URL, heartbeat, node, report, write_config

NOW = 1_000_000.0
KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


@dataclass
class Desk:
    """Performs operations at a time, with the daemon's key."""

    directory: Path
    ledger: Ledger
    now: float = NOW
    collector: str = ""
    clusters: tuple[str, ...] = ("alpha",)

    def ask(self, operation: Operation[Asked, Answer], **fields: Any) -> Answer:
        file = write_config(self.directory, self.collector, dict.fromkeys(self.clusters, "main"))
        context = Context(self.ledger, load(file), "ann", self.now, {}, {"main": PROVIDER})
        return perform(operation, operation.asked.model_validate(fields), context)

    def issue(self, *hosts: str, **fields: Any) -> list[str]:
        return [each.token for each in self.ask(node_access.TOKEN, hosts=hosts, **fields).tokens]

    def directory_now(self) -> Any:
        return nodes.allowed(self.ledger, "HPC-1")

    def audited(self) -> str:
        return "".join(file.read_text() for file in sorted((self.directory / "audit").glob("*.jsonl")))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    report(ledger, NOW - 60, heartbeat("alpha.n1", node("n1")), heartbeat("alpha.n2~2", node("n2")))
    return Desk(tmp_path, ledger)


def test_a_token_names_one_node(desk: Desk) -> None:
    """Signed by the cluster's key, with a nonce of its own; the ledger and the audit log have no token."""
    first, second = desk.issue("n1", "n2", valid_hours=2)
    read = token.read(first)
    assert (read.node_id, read.hostname, read.cluster_id, read.collector_url) == (
        "alpha.n1",
        "n1",
        "HPC-1",
        URL,
    )
    assert read.provider_address == PROVIDER.address
    assert read.expires_at - read.issued_at == 7200
    assert token.read(second).node_id == "alpha.n2"
    assert token.read(second).nonce != read.nonce
    allowed = desk.directory_now()
    assert allowed["alpha.n1"].token_sha256 == token.digest(first)
    assert first not in repr(allowed) + desk.audited()
    assert desk.audited().count('"node_token_issued"') == 2


def test_a_second_token_replaces_the_first(desk: Desk) -> None:
    """One token a node is good at any time, also if one request names a node twice."""
    (first,) = desk.issue("n1", "n1")
    (second,) = desk.issue("n1")
    assert desk.directory_now()["alpha.n1"].token_sha256 == token.digest(second) != token.digest(first)


def test_a_token_never_shows_in_a_repr(desk: Desk) -> None:
    """An answer that lands in a log shows the node, not the token."""
    answer = desk.ask(node_access.TOKEN, hosts=["n1"])
    assert answer.tokens[0].token not in repr(answer)


def test_hosts_that_slurm_does_not_have(desk: Desk) -> None:
    """Refused with those that it has, and nothing is changed for the others; before the first heartbeat every
    host is accepted."""
    with pytest.raises(Refused, match="n9: not a node of HPC-1; SLURM has n1, n2"):
        desk.issue("n1", "n9")
    with pytest.raises(Refused, match="n9: not a node"):
        desk.ask(node_commands.DRAIN, hosts=["n1", "n9"], reason="x")
    assert desk.directory_now() == {}
    assert nodes.holds(desk.ledger, "HPC-1") == []
    desk.now += 4000
    assert len(desk.issue("n9")) == 1
    for wrong in (["n1\n"], ["-x"], [], ["n"] * 201):
        with pytest.raises(ValidationError):
            desk.issue(*wrong)


def test_which_cluster(desk: Desk) -> None:
    """It must be named where several are served."""
    desk.clusters = ("alpha", "beta")
    with pytest.raises(Refused, match="name one of HPC-1, HPC-2"):
        desk.issue("n1")
    with pytest.raises(Refused, match="no cluster 'gamma'"):
        desk.issue("n1", cluster="gamma")
    assert token.read(*desk.issue("b1", cluster="beta")).node_id == "beta.b1"


def test_a_published_agent_needs_the_option(desk: Desk) -> None:
    """And a key that is one. It gets no commands, which it would only print."""
    with pytest.raises(Refused, match="published_agents is off"):
        desk.ask(node_access.ALLOW, host="n1", agent_key=KEY)
    desk.collector = "published_agents = true"
    with pytest.raises(Refused, match="base64"):
        desk.ask(node_access.ALLOW, host="n1", agent_key=KEY[:-4])
    desk.ask(node_access.ALLOW, host="n1", agent_key=KEY)
    allowed = desk.directory_now()["alpha.n1"]
    assert (allowed.agent_key, allowed.token_sha256, allowed.operator) == (KEY, "", "ann")
    (drained,) = desk.ask(node_commands.DRAIN, hosts=["n1"], reason="x").nodes
    assert (drained.changed, drained.command_id) == (True, "")
    with pytest.raises(Refused, match="no agent that executes commands"):
        desk.ask(node_commands.COMMAND, host="n1", kind="run_diagnostic")


def test_a_revoked_node_gets_no_commands(desk: Desk) -> None:
    """Revoking twice changes nothing; a new token admits the node again, but no older key."""
    desk.issue("n1")
    with pytest.raises(Refused, match="n2: no agent is allowed there; nothing was changed"):
        desk.ask(node_access.REVOKE, hosts=["n1", "n2"])
    assert desk.ask(node_access.REVOKE, hosts=["n1"], reason="stolen").hosts == ("n1",)
    assert desk.ask(node_access.REVOKE, hosts=["n1"]).hosts == ()
    assert desk.audited().count('"node_revoked"') == 1
    assert desk.ask(node_commands.DRAIN, hosts=["n1"], reason="x").nodes[0].command_id == ""
    desk.now += 10
    desk.issue("n1")
    found = desk.directory_now()["alpha.n1"]
    assert (found.revoked_at, found.keys_since) == (0.0, NOW)


def test_a_drained_node_is_held_at_once(desk: Desk) -> None:
    """With and without an agent; only the agent's node gets a command. Again: the newer reason, since the
    first time."""
    desk.issue("n1")
    first, second = desk.ask(node_commands.DRAIN, hosts=["n1", "n2"], reason="new fan").nodes
    assert (first.held, bool(first.command_id)) == ("operator: new fan", True)
    assert (second.held, second.command_id) == ("operator: new fan", "")
    desk.now += 5
    (again,) = desk.ask(node_commands.DRAIN, hosts=["n2"], reason="new fan").nodes
    assert not again.changed
    (again,) = desk.ask(node_commands.DRAIN, hosts=["n2"], reason="new disk").nodes
    assert again.changed
    assert nodes.holds(desk.ledger, "HPC-1")[1] == NodeHold(
        "HPC-1", "n2", HoldSource.OPERATOR, NOW, "new disk"
    )
    assert desk.audited().count('"node_drained"') == 3
    assert desk.audited().count('"object":"alpha.n2"') == 2


def test_a_command_verifies_at_the_agent(desk: Desk) -> None:
    """Signed by the provider, for its node alone, with reason and deadline; each has a higher sequence."""
    desk.issue("n1")
    sent = [desk.ask(node_commands.COMMAND, host="n1", kind="run_diagnostic", reason="r") for _ in range(2)]
    newer, older = nodes.commands(desk.ledger, "alpha.n1")
    assert [older.command_id, newer.command_id] == [each.command_id for each in sent]
    read = command.verify(newer.signed, PROVIDER.address, PROVIDER.public_key)
    assert (read.node_id, read.kind, read.parameters) == (
        "alpha.n1",
        CommandKind.RUN_DIAGNOSTIC,
        {"reason": "r"},
    )
    assert (read.issued_at, read.deadline) == (NOW, NOW + 300)
    assert read.sequence == newer.sequence == older.sequence + 1 == NOW + 1


def test_resume_replaces_what_drain_left(desk: Desk) -> None:
    """Of drain and resume only the newest waits for the agent. A hold for its health stays, and is named."""
    desk.issue("n1")
    sick = NodeHold("HPC-1", "n1", HoldSource.HEALTH, NOW, "GPU 0 failed")
    with desk.ledger.write():
        nodes.hold(desk.ledger, sick)
    diagnosed = desk.ask(node_commands.COMMAND, host="n1", kind="run_diagnostic")
    (drained,) = desk.ask(node_commands.DRAIN, hosts=["n1"], reason="x").nodes
    assert drained.held == "health: GPU 0 failed; operator: x"
    (resumed,) = desk.ask(node_commands.RESUME, hosts=["n1"], reason="done").nodes
    assert (resumed.changed, resumed.held) == (True, "health: GPU 0 failed")
    waiting = [each.command_id for each in nodes.open_commands(desk.ledger)]
    assert waiting == [diagnosed.command_id, resumed.command_id]
    fate = desk.ask(node_commands.FIND, command_id=drained.command_id)
    assert (fate.result, fate.output) == (CommandResult.EXPIRED, f"replaced by resume {resumed.command_id}")
    (again,) = desk.ask(node_commands.RESUME, hosts=["n2"]).nodes
    assert (again.changed, again.command_id) == (False, "")
    assert desk.audited().count('"node_resumed"') == 1


def test_a_node_that_left_slurm_can_be_released(desk: Desk) -> None:
    """Its hold would stay for ever otherwise."""
    with desk.ledger.write():
        nodes.hold(desk.ledger, NodeHold("HPC-1", "gone", HoldSource.OPERATOR, NOW, "x"))
    assert desk.ask(node_commands.RESUME, hosts=["gone"]).nodes[0].changed
    with pytest.raises(Refused, match="gone: not a node"):
        desk.ask(node_commands.RESUME, hosts=["gone"])


def test_commands_that_no_agent_answers_are_bounded(desk: Desk) -> None:
    """Drain and resume are not counted: they replace each other. Those after their deadline neither."""
    desk.issue("n1")
    for _ in range(node_commands.MAX_OPEN):
        desk.ask(node_commands.COMMAND, host="n1", kind="run_diagnostic")
    with pytest.raises(Refused, match="8 commands that its agent has not answered"):
        desk.ask(node_commands.COMMAND, host="n1", kind="shutdown", reason="x")
    assert desk.ask(node_commands.DRAIN, hosts=["n1"], reason="x").nodes[0].command_id
    desk.now += 301
    assert desk.ask(node_commands.COMMAND, host="n1", kind="run_diagnostic").result == ""


def test_only_known_commands(desk: Desk) -> None:
    """Drain and resume go with a hold, not alone; there is no other command, and no unknown id."""
    for kind in ("drain", "resume", "reboot"):
        with pytest.raises(ValidationError):
            desk.ask(node_commands.COMMAND, host="n1", kind=kind)
    with pytest.raises(Refused, match="no command x"):
        desk.ask(node_commands.FIND, command_id="x")


def test_nothing_is_changed_without_its_record(desk: Desk) -> None:
    """Where the audit log cannot be written, no token is issued."""
    (desk.directory / "audit").write_text("a file where the directory belongs")
    with pytest.raises(Exception, match="nothing was changed"):
        desk.issue("n1")
    assert desk.directory_now() == {}
