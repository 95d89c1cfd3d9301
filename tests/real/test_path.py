"""The whole path, on a chain that answers none or all of its Query calls.

test_reconcile.py has a chain that answers some of them.
"""

import asyncio
import json
import sys
from typing import Any

import pytest


async def run_demo(*arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "provider_daemon",
        "demo",
        "-o",
        "json",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode() + out.decode()
    document: dict[str, Any] = json.loads(out)
    return document


async def test_all_jobs_on_the_simulated_site() -> None:
    """Without SLURM the same daemon uses the simulated site, and the document states that."""
    document = await run_demo("--simulated")
    assert document["ok"]
    assert document["slurm"]["real"] is False


@pytest.mark.real
@pytest.mark.parametrize("queries", ["none", "all"])
async def test_all_jobs(queries: str) -> None:
    """Every job ends as expected, on a real SLURM, with verified evidence and settled to the uvirt."""
    document = await run_demo("--queries", queries)
    assert document["ok"]
    assert document["slurm"]["real"]
    assert document["escrowed"] == document["settled"]
    assert document["settlement"]["left_in_escrow"] == 0
    assert len(document["jobs"]) == 18
    for job in document["jobs"]:
        assert job["problems"] == []
        assert job["state"] == job["expected"]
        assert all(report["found"] and report["tx_hash"] for report in job["reports"])
