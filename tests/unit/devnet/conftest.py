from collections.abc import AsyncIterator

import pytest_asyncio

from tests.fakes.chain import TestChain


@pytest_asyncio.fixture
async def chain() -> AsyncIterator[TestChain]:
    started = await TestChain().start()
    yield started
    await started.stop()
