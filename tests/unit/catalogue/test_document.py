"""The catalogue as JSON, and what is free."""

import json
from dataclasses import replace

import pytest

from provider_daemon.catalogue.availability import availability
from provider_daemon.catalogue.build import completed
from provider_daemon.catalogue.document import (
    Catalogue,
    QueueWait,
    fields,
    read_availability,
    read_catalogue,
)
from provider_daemon.chain.signed_documents import canonical
from provider_daemon.errors import Unreadable
from provider_daemon.job.maintenance import Window, WindowSource
from provider_daemon.ports import Node, Offering, Preconfigured, Queue
from tests.unit.catalogue.examples import AVAILABILITY, CATALOGUE

IDLE = Node("n1", "IDLE", True, False, 16, 0, 65536, 0, 2, 0, "a100")
BUSY = replace(IDLE, host="n2", cpus_allocated=16, memory_allocated_mib=65000, gpus_allocated=1)
DOWN = replace(IDLE, host="n3", usable=False)


def test_both_documents_survive_json() -> None:
    assert read_catalogue(json.loads(canonical(fields(CATALOGUE)))) == CATALOGUE
    assert read_availability(json.loads(canonical(fields(AVAILABILITY)))) == AVAILABILITY


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert read_catalogue({**fields(CATALOGUE), "colour": "blue", "version": 2}) == replace(
        CATALOGUE, version=2
    )


@pytest.mark.parametrize("value", [None, [], {}, {**fields(CATALOGUE), "images": "all"}])
def test_another_form_is_unreadable(value: object) -> None:
    with pytest.raises(Unreadable, match="the catalogue cannot be read"):
        read_catalogue(value)


def test_what_is_free_counts_usable_nodes_only() -> None:
    free = availability("HPC-1", [IDLE, BUSY, DOWN], {"standard": [5, 1, 90], "gpu": []}, 100.9)
    assert (free.as_of, free.nodes_usable, free.nodes_free, free.cpus_free) == (100, 2, 1, 16)
    assert (free.memory_gb_free, free.gpus_free) == (64, {"a100": 3})
    assert free.waits == (QueueWait("standard", 3, 5, 90),)


def test_the_catalogue_is_completed_with_what_changes() -> None:
    """Active offerings with the workloads that run here, windows, and the GPU types of the nodes."""
    base = replace(CATALOGUE, gpu_types=("nvidia-a100",), offerings=(), maintenance=())
    workloads = (
        Preconfigured("mpi", "", ""),
        Preconfigured("plain", "alpine:3", "true"),
        Preconfigured("other", "ghcr.io/x:1", "true"),
    )
    offering = Offering(
        "OFF-1",
        "HPC-1",
        (Queue("standard", 4, 60), Queue("long", 0, 0)),
        workloads,
        True,
        active=True,
        max_runtime=90,
    )
    windows = [Window(WindowSource.SLURM, 1, 2, 3, "rack-7")]
    made = completed(base, [offering, replace(offering, offering_id="OFF-2", active=False)], windows, [IDLE])
    assert made.gpu_types == ("a100", "nvidia-a100")
    assert [each.offering_id for each in made.offerings] == ["OFF-1"]
    assert made.offerings[0].workloads == ("mpi", "plain")
    queues = [(queue.name, queue.max_runtime_seconds) for queue in made.offerings[0].queues]
    assert queues == [("standard", 60), ("long", 90)]
    assert [(window.nodes_left, window.reason) for window in made.maintenance] == [(3, "rack-7")]


def test_a_catalogue_finds_its_offering() -> None:
    assert CATALOGUE.offering("OFF-1") is CATALOGUE.offerings[0]
    assert Catalogue("chain-1", "HPC-1", "ve1").offering("OFF-1") is None
