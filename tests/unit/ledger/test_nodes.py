"""Compute nodes in the ledger: who may report, commands to agents, holds, and what the collector reads."""

from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.errors import LedgerError, Transient
from provider_daemon.ledger import nodes
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.command import CommandKind, CommandResult, IssuedCommand, SignedCommand
from provider_daemon.nodes.hold import HoldSource, NodeHold

NODE = AllowedNode("c.n1", "HPC-1", "n1", "ve1p", "ab" * 32, 10.0, 20.0, operator="ann")


def issued(number: int, node_id: str = "c.n1", deadline: int = 100) -> IssuedCommand:
    signed = SignedCommand(f"{{{number}}}", f"s{number}")
    return IssuedCommand(
        f"{node_id}-{number}",
        node_id,
        "HPC-1",
        number,
        CommandKind.DRAIN,
        signed,
        5,
        deadline,
        "ann",
        "new fan",
    )


def add(ledger: Ledger, *commands: IssuedCommand) -> None:
    with ledger.write():
        for each in commands:
            nodes.add_command(ledger, each)


def test_a_new_token_replaces_the_old_one(ledger: Ledger) -> None:
    """One row a node, of its cluster alone, with every field as stored."""
    again = replace(NODE, token_sha256="cd" * 32, issued_at=11.0)
    with ledger.write():
        for each in (NODE, replace(NODE, node_id="d.n1", cluster_id="HPC-2"), again):
            nodes.allow(ledger, each)
    assert nodes.allowed(ledger, "HPC-1") == {"c.n1": again}


def test_a_revocation_outlasts_a_new_token(ledger: Ledger) -> None:
    """The node may register again; keys from before the revocation stay invalid."""
    with ledger.write():
        nodes.allow(ledger, NODE)
        assert nodes.revoke(ledger, "c.n1", "bob", 30.0)
        assert not nodes.revoke(ledger, "c.n1", "eve", 31.0)
        assert not nodes.revoke(ledger, "c.n2", "bob", 31.0)
    revoked = nodes.allowed(ledger, "HPC-1")["c.n1"]
    assert revoked == replace(NODE, revoked_at=30.0, keys_since=30.0, operator="bob")
    with ledger.write():
        nodes.allow(ledger, replace(NODE, issued_at=40.0))
    assert nodes.allowed(ledger, "HPC-1")["c.n1"] == replace(NODE, issued_at=40.0, keys_since=30.0)


def test_sequences_grow(ledger: Ledger) -> None:
    """With each command of a node, and past the time, so that a lost ledger repeats none."""
    assert nodes.next_sequence(ledger, "c.n1", 1000.9) == 1000
    add(ledger, issued(2000))
    assert nodes.next_sequence(ledger, "c.n1", 1000.0) == 2001
    assert nodes.next_sequence(ledger, "c.n2", 1000.0) == 1000
    with pytest.raises(LedgerError, match="nothing was changed"):
        add(ledger, replace(issued(2000), command_id="other"))


def test_commands_of_a_node_are_bounded(ledger: Ledger) -> None:
    """The newest come first, and the oldest are forgotten. Another node's stay."""
    add(ledger, issued(1, "c.n2"), *map(issued, range(nodes.KEPT_COMMANDS + 2)))
    kept = nodes.commands(ledger, "c.n1")
    assert [each.sequence for each in kept] == [*range(nodes.KEPT_COMMANDS + 1, 1, -1)]
    assert kept[0] == issued(nodes.KEPT_COMMANDS + 1)
    assert nodes.commands(ledger, "c.n2") == [issued(1, "c.n2")]


def test_a_command_ends_once(ledger: Ledger) -> None:
    """The first result counts; an agent that repeats its answer changes nothing."""
    add(ledger, issued(1), issued(2))
    with ledger.write():
        assert nodes.finish_command(ledger, "c.n1-1", CommandResult.DONE, "ok", 50.0)
        assert not nodes.finish_command(ledger, "c.n1-1", CommandResult.INVALID, "old", 51.0)
        assert not nodes.finish_command(ledger, "c.n1-9", CommandResult.DONE, "", 51.0)
    assert nodes.open_commands(ledger) == [issued(2)]
    ended = replace(issued(1), result=CommandResult.DONE, output="ok", finished_at=50.0)
    assert nodes.command(ledger, "c.n1-1") == ended
    assert nodes.command(ledger, "c.n1-9") is None


def test_a_hold_of_each_source(ledger: Ledger) -> None:
    """A node has at most one of each; releasing one keeps the other."""
    operator = NodeHold("HPC-1", "n1", HoldSource.OPERATOR, 1.0, "new fan")
    sick = NodeHold("HPC-1", "n1", HoldSource.HEALTH, 2.0, "GPU 0 failed")
    with ledger.write():
        for each in (operator, sick, replace(sick, host="n2"), replace(sick, cluster_id="HPC-2")):
            nodes.hold(ledger, each)
        nodes.hold(ledger, replace(sick, good_since=9.0))
        assert nodes.release(ledger, "HPC-1", "n1", HoldSource.OPERATOR)
        assert not nodes.release(ledger, "HPC-1", "n1", HoldSource.OPERATOR)
    assert nodes.holds(ledger, "HPC-1") == [replace(sick, good_since=9.0), replace(sick, host="n2")]


def test_what_the_collector_reads(ledger: Ledger, path: Path) -> None:
    """All allowed nodes, revoked ones too; of commands the open ones in time, in their order."""
    with ledger.write():
        nodes.allow(ledger, NODE)
        nodes.allow(ledger, replace(NODE, node_id="d.n1", cluster_id="HPC-2", revoked_at=1.0))
    add(ledger, issued(3), issued(2), issued(4, deadline=50), issued(1, "d.n1"), issued(1))
    with ledger.write():
        nodes.finish_command(ledger, "c.n1-1", CommandResult.DONE, "", 5.0)
    found = LedgerGuest(path).node_directory(50.0)
    assert {node_id: each.revoked_at for node_id, each in found.allowed.items()} == {"c.n1": 0, "d.n1": 1}
    assert found.allowed["c.n1"] == NODE
    assert found.commands == {
        "c.n1": (issued(2).signed, issued(3).signed),
        "d.n1": (issued(1).signed,),
    }


def test_an_unreadable_ledger_is_no_empty_directory(tmp_path: Path) -> None:
    """Without a ledger nothing is known: nobody is refused for it."""
    with pytest.raises(Transient):
        LedgerGuest(tmp_path / "none.sqlite").node_directory(1.0)
