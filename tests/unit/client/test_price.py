"""What is held in escrow."""

import json
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from provider_daemon.cli.app import app
from provider_daemon.client import price
from provider_daemon.client.job_request import JobRequest, resources_fields
from provider_daemon.job.references import DataReference
from provider_daemon.job.spec import Resources, Workload
from provider_daemon.money.fixed import whole
from provider_daemon.money.rates import Component
from provider_daemon.money.rules import DEFAULT

ASKED = JobRequest(Workload(), Resources(2, 16, 64, 1, "nvidia-a100"), 5400)


def test_it_is_the_estimate_of_provd_bill(tmp_path: Path) -> None:
    """`provd bill estimate --spec` prints the same total."""
    path = tmp_path / "job.json"
    spec = {"resources": resources_fields(ASKED.resources), "max_runtime_seconds": ASKED.max_runtime_seconds}
    path.write_text(json.dumps(spec))
    result = CliRunner().invoke(app, ["bill", "estimate", "--spec", str(path), "-o", "json"])
    assert json.loads(result.stdout)["total"] == price.estimate(ASKED).total > 0


def test_storage_and_inputs_are_added() -> None:
    """Storage for every hour that begins, inputs once over the network."""
    asked = replace(
        ASKED,
        resources=replace(ASKED.resources, storage_gb=10),
        inputs=(DataReference(size_bytes=3 * 2**30), DataReference()),
    )
    found, plain = price.estimate(asked), price.estimate(ASKED)
    assert found.storage == 20 * whole(DEFAULT.rates.of(Component.STORAGE, ""))
    assert found.network == 3 * whole(DEFAULT.rates.of(Component.NETWORK, ""))
    assert found.total == plain.total + found.storage + found.network


def test_a_small_job_costs_the_minimum() -> None:
    tiny = JobRequest(Workload(), Resources(1, 1, 1), 60)
    assert price.estimate(tiny).total == DEFAULT.minimum_charge
