"""What `--compat published` does as the published source, and `report` as the module's test report: each row
of the page's table."""

from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.cli import devnet as cli
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.execute import handle
from provider_daemon.devnet.failures import ChainError
from provider_daemon.devnet.parse import _no_maps
from tests.fakes.chain import ALICE, PROVIDER, job, report
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import create, flag, heartbeat, register, update
from tests.unit.docs import page, table

PUBLISHED = ChainRules(compat="published", settlement="published")


def shop(rules: ChainRules, **offering: object) -> Module:
    module = Module(rules)
    module.do(register(), update(state=t.CLUSTER_STATE_ACTIVE), create(**offering))
    return module


def code(module: Module, message: Message) -> int:
    try:
        module.do(message)
    except ChainError as error:
        return error.code
    return 0


def dispute_answer(rules: ChainRules) -> str:
    module = shop(rules)
    module.do(job())
    work = module.context().branch()
    made = handle(work, flag())
    assert isinstance(made, tx_pb2.MsgFlagDisputeResponse)
    answer = made.dispute_id
    work.state.commit()
    stored = bool(module.raw(keyspace.DISPUTE, answer))
    return "the stored id" if stored else answer.replace("1", "n")


def environment(rules: ChainRules) -> str:
    try:
        _no_maps((job(workload_spec=t.JobWorkloadSpec(container_image="x", environment={"A": "1"})),), rules)
    except ChainError as error:
        return f"refused, {error.code}"
    return "accepted"


def identity(rules: ChainRules) -> str:
    found = code(shop(rules, required_identity_threshold=50), job())
    return f"refused, {found}" if found else "accepted"


def duration(rules: ChainRules) -> str:
    found = code(shop(rules, max_runtime_seconds=10**6), job(max_runtime_seconds=10**6))
    return f"refused, {found}" if found else "accepted"


def total_nodes(rules: ChainRules) -> str:
    module = shop(rules)
    module.do(*(heartbeat(node_id=f"alpha.n{number}") for number in range(5)))
    module.end_block()
    before = code(module, update(description="x"))
    assert code(module, update(total_nodes=5)) == 0
    return (
        f"every update fails, {before}, until one raises total_nodes"
        if before
        else "available_nodes stays at total_nodes"
    )


def deregistered(rules: ChainRules) -> str:
    module = shop(rules)
    module.do(heartbeat(state=t.NODE_STATE_DEREGISTERED))
    return f"refused, {code(module, heartbeat())}"


def offline(rules: ChainRules) -> str:
    """HPC-1 has a node that is silent while blocks come, HPC-2 has none and sees the chain stand still."""
    module = shop(rules)
    module.do(register(), update(cluster_id="HPC-2", state=t.CLUSTER_STATE_ACTIVE), heartbeat())
    for _ in range(5):
        module.later(100)
    silent = module.record(keyspace.CLUSTER, "HPC-1")["state"]
    module.later(400)
    halted = module.record(keyspace.CLUSTER, "HPC-2")["state"]
    return {
        ("offline", "active"): "when all its nodes are silent",
        ("active", "offline"): "when no block came",
    }[silent, halted]


def decision_id(rules: ChainRules) -> str:
    module = shop(rules)
    module.do(job())
    return (
        "on the job"
        if "scheduling_decision_id" in module.record(keyspace.JOB, "JOB-1")
        else "nowhere on the job"
    )


def slurm_job_id(rules: ChainRules) -> str:
    module = shop(rules)
    module.do(job(), report("queued", slurm_job_id="42"))
    return (
        "on the job" if "slurm_job_id" in module.record(keyspace.JOB, "JOB-1") else "in the transaction only"
    )


def settlement(rules: ChainRules) -> str:
    module = shop(rules)
    module.do(job(), report("queued"), report("running"))
    module.do(
        report(
            "completed",
            usage_metrics=t.HPCUsageMetrics(wall_clock_seconds=60, cpu_core_seconds=60, nodes_used=1),
        )
    )
    return "escrow, bill, settlement, reward" if module.raw(keyspace.REWARD, "hpc-reward-JOB-1") else "none"


def unresolved(rules: ChainRules) -> str:
    module = shop(rules)
    module.do(job(), flag())
    module.later(604_801)
    state = module.record(keyspace.DISPUTE, "hpc-dispute-2")["status"]
    return "rejected after dispute_resolution_period" if state == "rejected" else "stays open"


QUIRKS: dict[str, Callable[[ChainRules], str]] = {
    "FlagDispute answers": dispute_answer,
    "a job with an environment": environment,
    "a customer below required_identity_threshold": identity,
    "max_runtime_seconds over max_job_duration_seconds": duration,
    "more active nodes than total_nodes": total_nodes,
    "a heartbeat for a deregistered node": deregistered,
    "a cluster goes offline after cluster_heartbeat_timeout": offline,
    "the scheduling decision's id": decision_id,
    "the SLURM job's id in a report": slurm_job_id,
    "money": settlement,
    "a dispute that nobody resolves": unresolved,
}


def test_the_page_lists_them() -> None:
    """All of them, and the calls that are served."""
    assert [row[0] for row in table(page("devnet.md"), "what")] == [*QUIRKS, "the Query service"]


@pytest.mark.parametrize("quirk", QUIRKS)
def test_each_row(quirk: str) -> None:
    """Both ways, as the page says it."""
    (said,) = (row[1:] for row in table(page("devnet.md"), "what") if row[0] == quirk)
    assert [QUIRKS[quirk](ChainRules()), QUIRKS[quirk](PUBLISHED)] == said


def test_a_customer_with_a_score() -> None:
    """--identity gives one; at the threshold it is enough."""
    scored = ChainRules(identities={ALICE.address: 50})
    assert code(shop(scored, required_identity_threshold=50), job()) == 0
    assert code(shop(scored, required_identity_threshold=51), job()) == 2108


def test_the_same_on_both() -> None:
    """What the page says to hold on both: accepted jobs, states, global node ids, erased messages."""
    for rules in (ChainRules(), PUBLISHED):
        module = shop(rules)
        module.do(job(queue_name="nowhere", resources=t.JobResources(nodes=99), max_price=[]))
        module.do(
            job(workload_spec=t.JobWorkloadSpec(is_preconfigured=True, preconfigured_workload_id="none"))
        )
        module.do(report("queued", status_message="here"), report("running"))
        assert "status_message" not in module.record(keyspace.JOB, "JOB-1")
        module.do(tx_pb2.MsgUpdateOffering(provider_address=PROVIDER.address, offering_id="OFF-1"))
        assert code(module, job()) == 2103


def test_queries_and_settlement_follow_compat() -> None:
    """Unless they are told otherwise."""
    assert cli.as_compat(cli.Behaviour.REPORT, None, None) == ("report", "all")
    assert cli.as_compat(cli.Behaviour.PUBLISHED, None, None) == ("published", "published")
    assert cli.as_compat(cli.Behaviour.PUBLISHED, cli.Behaviour.REPORT, cli.Queries.NONE) == (
        "report",
        "none",
    )
