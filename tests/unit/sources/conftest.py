"""One private CA for all tests of sources."""

from pathlib import Path

import pytest

from tests.unit.sources.far_end import Authority, authority


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    directory: Path = tmp_path_factory.mktemp("ca")
    return authority(directory, "localhost", "data.example.org", "moving.example.org", "127.0.0.1", "::1")
