from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.mover.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    made.start()
    yield made
    await made.stop()
