"""Derived data, kept beside the records so that no block has to read every record.

It is rebuilt when a devnet starts, so it matches imported records and the rules that the devnet started with.
"""

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import gas, jobs, settlement, tenants, waiting
from provider_daemon.devnet.context import Context

STORES = frozenset({gas.JOB_BYTES, jobs.RUNNING, tenants.STORE, waiting.STORE, settlement.UNSETTLED})


def rebuild(ctx: Context) -> None:
    for store in STORES:
        for key, _ in list(ctx.state.scan(store, b"")):
            ctx.state.delete(store, key)
    for job in ctx.every(types_pb2.HPCJob, keyspace.JOB):
        jobs.index(ctx, job)
    settlement.index(ctx)
