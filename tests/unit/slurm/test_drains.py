"""Drains in SLURM: what is passed to scontrol, and whose drain it is."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.ports import Node
from provider_daemon.slurm import commands
from provider_daemon.slurm.drains import drain_reason, is_ours

DRAINED = Node("n1", "IDLE+DRAIN", False, True, 16, 0, 65536, 0, reason="provd: alpha: new disks")


@given(why=st.text(max_size=400))
def test_every_reason_can_be_passed(why: str) -> None:
    """Whatever an agent or operator wrote: one line, nothing that a shell or scontrol interprets, and SLURM's
    answer is recognised."""
    reason = drain_reason("alpha", why)
    command = commands.drain_node("n1", reason)
    assert command.payload.count(b"\n") == 2
    assert not re.search(r"[\"'$`\\\[\]=]", reason)
    shown = replace(DRAINED, reason=reason.strip())
    assert is_ours(shown, "alpha") or not reason.removeprefix("provd: alpha: ")


@pytest.mark.parametrize("host", ["", "-n1", "n1 State=DOWN", "n1\nx", "n[1-9]"])
def test_no_other_node(host: str) -> None:
    with pytest.raises(ValueError, match="invalid node name"):
        commands.undrain_node(host)


def test_whose_drain_it_is() -> None:
    """The reason decides, and that the node is still drained."""
    assert is_ours(DRAINED, "alpha")
    assert not is_ours(DRAINED, "alp")
    assert not is_ours(replace(DRAINED, reason="new disks"), "alpha")
    assert not is_ours(replace(DRAINED, draining=False), "alpha")
