"""A shop and the messages that change it."""

from typing import Any

import pytest
from google.protobuf.message import Message

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.devnet.failures import ChainError
from tests.fakes.chain import ALICE, PROVIDER
from tests.unit.devnet.pure import Module

P = PROVIDER.address
QUEUE = t.QueueOption(partition_name="standard")


def register(**changes: Any) -> tx_pb2.MsgRegisterCluster:
    return tx_pb2.MsgRegisterCluster(
        **{"provider_address": P, "name": "alpha", "region": "eu", "total_nodes": 4, **changes}
    )


def update(**changes: Any) -> tx_pb2.MsgUpdateCluster:
    return tx_pb2.MsgUpdateCluster(**{"provider_address": P, "cluster_id": "HPC-1", **changes})


def create(**changes: Any) -> tx_pb2.MsgCreateOffering:
    values = {
        "provider_address": P,
        "cluster_id": "HPC-1",
        "name": "std",
        "queue_options": [QUEUE],
        "max_runtime_seconds": 3600,
    }
    return tx_pb2.MsgCreateOffering(**{**values, **changes})


def heartbeat(**changes: Any) -> tx_pb2.MsgUpdateNodeMetadata:
    values = {
        "provider_address": P,
        "node_id": "alpha.n1",
        "cluster_id": "HPC-1",
        "region": "eu",
        "active": True,
    }
    return tx_pb2.MsgUpdateNodeMetadata(**{**values, **changes})


def open_shop(made: Module) -> Module:
    """HPC-1 of the provider, active, with OFF-1."""
    made.do(register(), update(state=t.CLUSTER_STATE_ACTIVE), create())
    return made


def refused(module: Module, message: Message) -> tuple[str, int]:
    with pytest.raises(ChainError) as caught:
        module.do(message)
    return caught.value.codespace, caught.value.code


def flag(**changes: Any) -> tx_pb2.MsgFlagDispute:
    values = {
        "disputer_address": ALICE.address,
        "job_id": "JOB-1",
        "dispute_type": "usage",
        "reason": "wrong usage",
    }
    return tx_pb2.MsgFlagDispute(**{**values, **changes})


def resolve(**changes: Any) -> tx_pb2.MsgResolveDispute:
    values = {
        "resolver_address": bank.GOVERNANCE,
        "dispute_id": "hpc-dispute-2",
        "status": t.DISPUTE_STATUS_RESOLVED,
    }
    return tx_pb2.MsgResolveDispute(**{**values, "resolution": "paid back", **changes})
