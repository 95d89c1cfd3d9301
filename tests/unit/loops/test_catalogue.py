"""The catalogue loop: what it reads, signs and names on chain."""

import base64
import hashlib
import json
from functools import partial

import pytest

from provider_daemon.catalogue.document import Catalogue, read_availability, read_catalogue
from provider_daemon.chain import catalogue_marker
from provider_daemon.chain.market import offerings_of
from provider_daemon.chain.signed_documents import canonical, verify_document
from provider_daemon.errors import Transient
from provider_daemon.job.maintenance import Reservation, Window, WindowSource
from provider_daemon.ledger import maintenance, meta
from provider_daemon.loops.catalogue import CataloguePublisher
from tests.fakes.chain import CHAIN_ID, PROVIDER
from tests.unit.loops.conftest import House, house

__all__ = ["house"]

BASE = Catalogue(CHAIN_ID, "HPC-1", PROVIDER.address, gateway="https://gateway.example.org")


def publisher(house: House, base: Catalogue | None = BASE) -> CataloguePublisher:
    client = house.chain.client
    offerings, clock = partial(offerings_of, client), house.chain.clock
    return CataloguePublisher(
        house.ledger, house.scheduler, client, offerings, "HPC-1", PROVIDER, clock, base
    )


async def described(house: House) -> str:
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    return cluster.description


async def test_the_signed_catalogue_is_stored_and_its_hash_is_on_chain(house: House) -> None:
    """Anybody can check both signatures with the provider's key, and the hash with the chain's record."""
    loop = publisher(house)
    await loop.tick()
    await house.report()
    found = json.loads(house.ledger.get(meta.catalogue("HPC-1")))
    key = base64.b64decode(found["public_key"])
    for document, signature in (("catalogue", "signature"), ("availability", "availability_signature")):
        data = canonical(found[document])
        assert verify_document(data, found[signature], PROVIDER.address, key)
    assert [each.offering_id for each in read_catalogue(found["catalogue"]).offerings] == ["OFF-1"]
    assert read_availability(found["availability"]).nodes_free == 2
    sha256 = hashlib.sha256(canonical(found["catalogue"])).hexdigest()
    assert catalogue_marker.find(await described(house)) == sha256


async def test_an_unchanged_catalogue_costs_no_transaction(house: House) -> None:
    loop = publisher(house)
    for _ in range(2):
        await loop.tick()
        await house.report()
    await loop.tick()
    assert house.ledger.waiting_messages(PROVIDER.address) == []


async def test_an_update_that_is_on_its_way_is_not_stored_again(house: House) -> None:
    """Until the chain should have shown it."""
    loop = publisher(house)
    await loop.tick()
    (first,) = house.ledger.waiting_messages(PROVIDER.address)
    await loop.tick()
    assert house.ledger.waiting_messages(PROVIDER.address) == [first]
    house.chain.block(601)
    await loop.tick()
    (second,) = house.ledger.waiting_messages(PROVIDER.address)
    assert second.id != first.id


async def test_reservations_for_maintenance_become_windows(house: House) -> None:
    """And leave with the reservation. The chain names the next window in which nothing runs."""
    now = int(house.chain.clock.now())
    house.scheduler.reserved = (
        Reservation("maint", now + 60, now + 120, 2, maintenance=True),
        Reservation("course", now + 60, now + 120, 2, maintenance=False),
    )
    loop = publisher(house, base=None)
    await loop.tick()
    await house.report()
    (window,) = maintenance.windows(house.ledger, "HPC-1", now)
    assert (window.source, window.reason, window.nodes_left) == (WindowSource.SLURM, "maint", 0)
    assert await described(house) == f"maintenance={now + 60}/{now + 120}"
    house.scheduler.reserved = ()
    await loop.tick()
    assert maintenance.windows(house.ledger, "HPC-1", now) == ()


async def test_windows_stay_while_slurm_does_not_answer(house: House) -> None:
    """A failed query is never absence."""
    now = int(house.chain.clock.now())
    loop = publisher(house)
    with house.ledger.write():
        maintenance.add(house.ledger, "HPC-1", Window(WindowSource.SLURM, now, now + 60))
    house.scheduler.down = True
    with pytest.raises(Transient):
        await loop.tick()
    assert len(maintenance.windows(house.ledger, "HPC-1", now)) == 1
