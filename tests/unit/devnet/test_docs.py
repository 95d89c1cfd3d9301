"""docs/devnet.md says what the devnet does."""

import re

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
            ending = re.sub(r"^/cosmos/base/tendermint/v1beta1/|^/cosmos/bank/v1beta1/balances/\{address\}(?=/by)", "", route.path)
            assert ending in said, route.path
