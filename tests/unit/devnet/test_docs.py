"""docs/devnet.md says what the devnet does."""

import re

from provider_daemon.chain import paging
from provider_daemon.cli import devnet as cli
from provider_daemon.devnet import genesis, genesis_sections, nodes, scoring, sums, tenants
from provider_daemon.devnet.rest import routes
from tests.unit.docs import page, table


def test_every_path_of_the_module() -> None:
    """The table is the gateway's."""
    rows = table(page("devnet.md"), "call")
    assert {row[0]: row[1].removeprefix("/") for row in rows} == routes.HPC


def test_every_path_of_the_sdk() -> None:
    """Each is served, and each that is served can be found."""
    said = " ".join(cell for row in table(page("devnet.md"), "what a client asks") for cell in row)
    for route in routes.every():
        if route.path.startswith("/cosmos"):
            ending = re.sub(
                r"^/cosmos/base/tendermint/v1beta1/|^/cosmos/bank/v1beta1/balances/\{address\}(?=/by)",
                "",
                route.path,
            )
            assert ending in said, route.path


def test_numbers() -> None:
    """Those of the table of every block, and of docs/protocol.md."""
    assert (genesis.PARAMS.node_heartbeat_timeout, nodes.OFFLINE_SECONDS, nodes.DEREGISTERED_SECONDS) == (
        120,
        300,
        3_600,
    )
    assert (tenants.RUNNING, tenants.RUNNING_BURST, tenants.QUEUED, tenants.QUEUED_BURST) == (12, 18, 24, 36)
    assert (scoring.AGE_SECONDS, scoring.TOP_PRIORITY, scoring.BACKFILL_SECONDS) == (3_600, 1_000, 1_800)
    assert (scoring.AGE_WEIGHT, scoring.SIZE_WEIGHT, scoring.PARTITION_WEIGHT) == (400_000, 300_000, 300_000)
    assert (genesis.PARAMS.latency_weight_factor, genesis.PARAMS.capacity_weight_factor) == (
        "600000",
        "400000",
    )
    assert (paging.DEFAULT_LIMIT, sums.EVERYWHERE, str(cli.HOME)) == (100, "all", "~/.provd-devnet")


def test_sections_of_a_genesis_file() -> None:
    """Each that has a form of its own stands in the table."""
    said = [row[0] for row in table(page("devnet.md"), "in the file")]
    assert {f"`app_state.{name}`" for name in genesis_sections.SECTIONS} <= set(said)
