from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from tests.fakes.chain import TestChain
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import create, register, update


@pytest_asyncio.fixture
async def chain() -> AsyncIterator[TestChain]:
    started = await TestChain().start()
    yield started
    await started.stop()


@pytest.fixture
def module() -> Module:
    """HPC-1 of the provider, pending."""
    made = Module()
    made.do(register())
    return made


@pytest.fixture
def shop(module: Module) -> Module:
    """The same, active, with OFF-1."""
    module.do(update(state=t.CLUSTER_STATE_ACTIVE), create())
    return module
