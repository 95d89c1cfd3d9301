"""What the metrics show of node agents."""

import pytest

from provider_daemon.errors import Transient
from provider_daemon.metrics import catalog
from provider_daemon.metrics.agents import MeasuredAgents
from provider_daemon.metrics.meters import Meters
from provider_daemon.nodes.condition import AgentState
from tests.fakes.agents import SICK, FakeAgents, gpus
from tests.fakes.chain import FakeClock


def shown(meters: Meters, now: float) -> dict[tuple[str, ...], float]:
    """Metric name and labels -> value."""
    wanted = {catalog.NODE_AGENTS.name, catalog.NODE_AGENT_SILENCE.name, catalog.GPUS_FAILED.name}
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in meters.collect(now)
        if family.name in wanted
        for sample in family.samples
    }


def test_agents_by_state() -> None:
    """The GPUs of a silent agent do not count, nor does the silence of a node that is powered down."""
    clock = FakeClock(1000.0)
    agents, meters = FakeAgents(clock), Meters()
    agents.report("n0")
    clock.time = 1100.0
    agents.report("n1", gpus=gpus(2, [0, 1]))
    clock.time = 2000.0
    agents.report("n2", gpus=gpus(4, [3]))
    agents.report("n3", SICK)
    agents.report("n4")
    MeasuredAgents(agents, meters, clock, lambda _: {"n0"}).facts("HPC-1")
    assert shown(meters, 2000.0) == {
        (catalog.NODE_AGENTS.name, "HPC-1", AgentState.ACTIVE): 1,
        (catalog.NODE_AGENTS.name, "HPC-1", AgentState.UNHEALTHY): 2,
        (catalog.NODE_AGENTS.name, "HPC-1", AgentState.SILENT): 1,
        (catalog.NODE_AGENTS.name, "HPC-1", AgentState.POWERED_DOWN): 1,
        (catalog.NODE_AGENT_SILENCE.name, "HPC-1"): 900,
        (catalog.GPUS_FAILED.name, "HPC-1"): 1,
    }


def test_an_unreadable_database_shows_nothing_new() -> None:
    """The last values stay for five minutes, and are then absent instead of wrong."""
    clock, meters = FakeClock(1000.0), Meters()
    agents = FakeAgents(clock)
    measured = MeasuredAgents(agents, meters, clock, lambda _: ())
    measured.facts("HPC-1")
    agents.unreadable = True
    with pytest.raises(Transient):
        measured.facts("HPC-1")
    assert shown(meters, 1299.0)
    assert not shown(meters, 1301.0)
