"""S3 folders of accounts: the site's one key never reaches across customers."""

import pytest

from provider_daemon.mover.s3_folders import owner
from provider_daemon.transfers.rows import Delivery
from tests.fakes.chain import ALICE, BOB
from tests.unit.mover.test_results import ended
from tests.unit.mover.world import World


@pytest.mark.parametrize(
    ("key", "account"),
    [
        (f"{ALICE.address}/results.tar", ALICE.address),
        (f"{ALICE.address}/deep/results.tar", ALICE.address),
        (ALICE.address, ""),
        (f"public/{ALICE.address}/x", ""),
        (f"{ALICE.address.upper()}/x", ALICE.address.upper()),
        ("points.dat", ""),
        (f"{ALICE.address}%2Fx", ALICE.address),
    ],
)
def test_owner(key: str, account: str) -> None:
    """The first part of the key, if it is a valid account address; encoded slashes count as slashes."""
    assert owner(f"s3://minio/bucket/{key}") == account


@pytest.mark.parametrize(
    "key", ["results.tar", f"{BOB.address}/results.tar", f"x/{ALICE.address}/results.tar"]
)
async def test_results_for_another_place(world: World, key: str) -> None:
    """Nothing is sent but to the customer's own folder; the results stay with the gateway."""
    await ended(world, outputs_pointer=f"s3://minio/bucket/{key}")
    row = world.row("ve-1")
    assert row.delivery is Delivery.FAILED
    assert "own folder" in row.delivery_detail
    assert world.uploader.received == {}
