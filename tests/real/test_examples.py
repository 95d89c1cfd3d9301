"""docs/examples, as a customer submits them."""

from pathlib import Path

import pytest

from provider_daemon.demo.environment import Environment
from tests.e2e.examples import play_all

pytestmark = pytest.mark.real


async def test_every_example_ends_with_its_results_on_disk(stage: Environment, tmp_path: Path) -> None:
    """One command from an empty directory, without the internet; the exit status is the job's."""
    assert await play_all(stage, tmp_path) == []
