"""Jobs that ran, disputes about them, and what everybody holds."""

from typing import Any

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import ChainRules
from tests.fakes.chain import ALICE, PROVIDER, job, report
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import open_shop

HOUR = 3600
DAY = 24 * HOUR
USED = t.HPCUsageMetrics(wall_clock_seconds=HOUR, cpu_core_seconds=10 * HOUR, nodes_used=1)  # 100,000


def held(module: Module, denom: str = "uvirt") -> dict[str, int]:
    """Every balance."""
    rows = module.state.scan(bank.BANK, b"")
    return {
        key.decode().partition("/")[0]: int(value)
        for key, value in rows
        if key.decode().endswith(f"/{denom}")
    }


def running(module: Module, **changes: Any) -> None:
    module.do(job(**changes), report("queued"), report("running"))


def opened(**rules: Any) -> Module:
    return open_shop(Module(rules=ChainRules(**rules)))


def slow() -> Module:
    """The chain's own delays."""
    return opened(finalize_seconds=HOUR, settle_seconds=DAY)


def ran(module: Module, job_id: str = "JOB-1", usage: t.HPCUsageMetrics = USED, **changes: Any) -> None:
    module.do(
        job(**changes),
        report("queued", job_id),
        report("running", job_id),
        report("completed", job_id, usage_metrics=usage),
    )


def status(module: Module, job_id: str = "JOB-1") -> str:
    return str(module.record(keyspace.JOB_ACCOUNTING, job_id)["settlement_status"])


def earned(module: Module) -> int:
    return held(module)[PROVIDER.address] - 10**12


def dispute(module: Module, number: int = 2, **changes: Any) -> str:
    """Its stored id; the first is hpc-dispute-2."""
    values = {
        "disputer_address": ALICE.address,
        "job_id": "JOB-1",
        "dispute_type": "usage",
        "reason": "too much",
        **changes,
    }
    module.do(tx_pb2.MsgFlagDispute(**values))
    return f"hpc-dispute-{number}"


def resolve(module: Module, dispute_id: str, *, upheld: bool, resolution: str = "looked into") -> None:
    outcome = t.DISPUTE_STATUS_RESOLVED if upheld else t.DISPUTE_STATUS_REJECTED
    module.do(
        tx_pb2.MsgResolveDispute(
            resolver_address=bank.GOVERNANCE, dispute_id=dispute_id, status=outcome, resolution=resolution
        )
    )
