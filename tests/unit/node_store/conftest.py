from collections.abc import Iterator
from pathlib import Path

import pytest

from provider_daemon.node_store.store import NodeStore
from provider_daemon.node_store.writer import NodeStoreWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "collector" / "agents.sqlite"


@pytest.fixture
def writer(path: Path) -> Iterator[NodeStoreWriter]:
    opened = NodeStoreWriter.open(path)
    yield opened
    opened.close()


@pytest.fixture
def store(path: Path) -> NodeStore:
    return NodeStore(path)
