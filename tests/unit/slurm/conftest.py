from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.slurm.sshd import Site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    await made.start()
    yield made
    made.hold.set()
    made.server.close()
    for connection in made.connections:
        connection.abort()
