"""The latency to other nodes: what counts as an answer, and odd addresses."""

import socket

import pytest

from provider_daemon.agent import latency
from provider_daemon.agent.latency import Measured, measure


def test_a_refused_connection_is_an_answer() -> None:
    """The other kernel has sent it: the node is reached, whether or not something listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        refused = measure(f"127.0.0.1:{port}")
        free.listen()
        accepted = measure(f"127.0.0.1:{port}")
    assert (refused.loss_percent, accepted.loss_percent) == (0, 0)
    assert min(refused.microseconds, accepted.microseconds) > 0


def test_a_node_that_does_not_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second for each probe, whatever the kernel's own patience is."""

    def connect(self: socket.socket, _: object) -> None:
        assert self.gettimeout() == latency.PROBE_SECONDS
        raise TimeoutError

    monkeypatch.setattr(socket, "socket", type("Silent", (socket.socket,), {"connect": connect}))
    assert measure("127.0.0.1:1") == Measured(0, 100)


@pytest.mark.parametrize("address", ["", ":", "n1", "n1:x", "127.0.0.1:99999", "127.0.0.1:-1", "\ud800:1"])
def test_an_odd_address_is_lost(address: str) -> None:
    """It came from the collector; nothing of it ends the agent."""
    assert measure(address) == Measured(0, 100)
