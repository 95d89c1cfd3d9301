"""Which nodes and GPUs are sold, by what their agents report."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.nodes.condition import (
    MAX_REASON,
    NO_GPUS,
    RECOVERY_SECONDS,
    AgentState,
    FailedGpus,
    UnhealthyPolicy,
    complaint,
    is_silent,
    next_failed_gpus,
    next_hold,
    state,
)
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.hold import NodeHold
from provider_daemon.nodes.report import Gpu, GpuState, Health, HealthStatus, Heartbeat, Services
from tests.fakes.agents import SICK, WELL, agent, gpus, heartbeat

UNAVAILABLE, DRAIN = UnhealthyPolicy.UNAVAILABLE, UnhealthyPolicy.DRAIN


@pytest.mark.parametrize(
    ("beat", "policy", "why"),
    [
        (heartbeat(), DRAIN, ""),
        (heartbeat(health=SICK), UNAVAILABLE, "the disk is read-only"),
        (heartbeat(health=Health(HealthStatus.OFFLINE)), UNAVAILABLE, "the node is offline"),
        (heartbeat(health=Health(HealthStatus.DEGRADED)), DRAIN, ""),
        (heartbeat(health=Health(HealthStatus.DRAINING)), DRAIN, ""),
        (heartbeat(services=Services(munge_running=True)), UNAVAILABLE, "slurmd is not running"),
        (heartbeat(gpus=gpus(2, [1])), UNAVAILABLE, ""),
        (heartbeat(gpus=gpus(2, [1])), DRAIN, "GPU 1 failed: fell off the bus"),
        (
            heartbeat(gpus=gpus(2, [0, 1])),
            UNAVAILABLE,
            "GPU 0 failed: fell off the bus; GPU 1 failed: fell off the bus",
        ),
    ],
)
def test_why_a_node_is_out(beat: Heartbeat, policy: UnhealthyPolicy, why: str) -> None:
    """A degraded node is sold. One dead GPU of several is a reason only where SLURM has to be told."""
    assert complaint(beat, policy) == why


@given(error=st.text(min_size=1, max_size=256))
def test_a_reason_is_one_printable_line(error: str) -> None:
    """Whoever is root on the node chose the text."""
    found = complaint(heartbeat(health=Health(HealthStatus.UNHEALTHY, last_error_message=error)), UNAVAILABLE)
    assert found.isprintable()
    assert 0 < len(found) <= MAX_REASON


@pytest.mark.parametrize(("age", "interval", "silent"), [
    (120, 10, False), (121, 10, True), (240, 60, False), (241, 60, True), (-119, 30, False), (-999, 30, True),
])  # fmt: skip
def test_silence(age: float, interval: int, silent: bool) -> None:
    """After four intervals and at least 120 s, and if the clock was set back by more than that."""
    assert is_silent(replace(agent(seen_at=10_000), interval=interval), 10_000 + age) is silent


def test_states_of_agents() -> None:
    """A silent agent is silent, however its node was; one failed GPU makes an active one unhealthy."""
    sick = agent(beat=heartbeat(gpus=gpus(2, [0])))
    assert state(agent(), 0) is AgentState.ACTIVE
    assert state(agent(beat=heartbeat()), 0) is AgentState.ACTIVE
    assert state(sick, 0) is AgentState.UNHEALTHY
    assert state(sick, 1000) is AgentState.SILENT


def holds(reports: list[tuple[float, Health | None]], policy: UnhealthyPolicy = UNAVAILABLE) -> list[bool]:
    """Whether the node is held, after each of these heartbeats (time, health; None: silent by then)."""
    hold: NodeHold | None = None
    found = []
    for now, health in reports:
        facts = agent(seen_at=now, beat=heartbeat(health=health)) if health else agent(seen_at=now - 500)
        hold = next_hold(hold, facts, "n1", policy, now)
        found.append(hold is not None)
    return found


def test_back_after_a_time_of_good_heartbeats() -> None:
    """90 s of them; a bad one and a silence start the time again."""
    assert holds([(0, WELL), (30, SICK), (60, WELL), (120, WELL), (149, WELL), (150, WELL)]) == [
        False, True, True, True, True, False,
    ]  # fmt: skip
    assert holds([(0, SICK), (30, WELL), (90, SICK), (120, WELL), (209, WELL), (210, WELL)])[-2:] == [
        True, False,
    ]  # fmt: skip
    assert holds([(0, SICK), (30, WELL), (600, None), (630, WELL), (719, WELL), (720, WELL)])[-2:] == [
        True, False,
    ]  # fmt: skip


def test_one_good_heartbeat_is_not_enough() -> None:
    """An agent that dies after it does not release its node, however late the next poll is."""
    first = next_hold(None, agent(seen_at=0, beat=heartbeat(health=SICK)), "n1", UNAVAILABLE, 0)
    good = agent(seen_at=30, beat=heartbeat())
    once = next_hold(first, good, "n1", UNAVAILABLE, 30)
    assert next_hold(once, good, "n1", UNAVAILABLE, 30 + RECOVERY_SECONDS) == once


def test_a_hold_keeps_its_beginning() -> None:
    """`since` is when the node became sick; the reason is the newest one."""
    first = next_hold(None, agent(seen_at=0, beat=heartbeat(health=SICK)), "n1", UNAVAILABLE, 0)
    facts = agent(seen_at=60, beat=heartbeat(services=Services()))
    again = next_hold(first, facts, "n1", UNAVAILABLE, 60)
    assert again is not None
    assert (again.since, again.reason) == (0, "slurmd is not running")


def after(before: FailedGpus, now: float, *listed: Gpu) -> FailedGpus:
    return next_failed_gpus(before, agent(seen_at=now, beat=heartbeat(gpus=listed)), now)


def test_failed_gpus() -> None:
    """Out at once, each one back after 90 s; one that the agent no longer lists stays out."""
    one = after(NO_GPUS, 10, *gpus(4, [2]))
    assert one.lost(4) == 1
    two = after(one, 40, *gpus(4, [3]))
    assert two.lost(4) == 2
    assert after(two, 130, *gpus(4, [3])) == FailedGpus(4, {3: 0.0})
    assert after(after(two, 60, *gpus(3)), 1000, *gpus(3)) == FailedGpus(4, {3: 0.0})
    assert after(after(one, 40, *gpus(4)), 129, *gpus(4)).lost(4) == 1
    assert after(after(one, 40, *gpus(4)), 130, *gpus(4)) == NO_GPUS
    assert after(one, 40) == FailedGpus(4, {2: 0.0})


def test_parts_of_gpus() -> None:
    """SLURM may count fourteen parts of two GPUs: seven of them are lost with one."""
    assert FailedGpus(2, {0: 0.0}).lost(14) == 7
    assert FailedGpus(3, {0: 0.0}).lost(2) == 1
    assert FailedGpus(2, {0: 0.0}).lost(0) == 0


STATES = st.lists(st.sampled_from([GpuState.OK, GpuState.FAILED]), max_size=4)


@given(reports=st.lists(st.tuples(st.floats(-100, 200), STATES, st.booleans()), max_size=12))
def test_what_is_failed_is_never_sold(reports: list[tuple[float, list[GpuState], bool]]) -> None:
    """Whatever the order of heartbeats and clocks: a GPU that the last heartbeat calls failed is out, and so
    is a node whose GPUs all failed or whose agent calls it unhealthy."""
    now, failed, hold = 1e9, NO_GPUS, None
    for step, states, sick in reports:
        now += step
        listed = tuple(Gpu(index, each) for index, each in enumerate(states))
        facts: AgentFacts = agent(seen_at=now, beat=heartbeat(health=SICK if sick else WELL, gpus=listed))
        failed, hold = next_failed_gpus(failed, facts, now), next_hold(hold, facts, "n1", UNAVAILABLE, now)
        assert failed.lost(len(listed)) >= states.count(GpuState.FAILED)
        out = sick or (bool(states) and set(states) == {GpuState.FAILED})
        assert not out or hold is not None
