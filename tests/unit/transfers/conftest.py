from collections.abc import Iterator
from pathlib import Path

import pytest

from provider_daemon.transfers.store import TransferStore
from provider_daemon.transfers.writer import TransferWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mover" / "transfers.sqlite"


@pytest.fixture
def writer(path: Path) -> Iterator[TransferWriter]:
    opened = TransferWriter.open(path)
    yield opened
    opened.close()


@pytest.fixture
def store(path: Path) -> TransferStore:
    return TransferStore(path)
