"""Recipient keys of customers, as the mover looks them up."""

import subprocess
import sys

from provider_daemon.config.model import ChainConfig
from provider_daemon.mover.adapters import LateChainKeys
from tests.fakes.chain import ALICE, CHAIN_ID, FakeClock
from tests.unit.chain.far_end import FarEnd


async def test_connects_at_the_first_lookup() -> None:
    """An account without keys has none; the chain is not asked before, nor needed to stop."""
    far = FarEnd()
    chain = ChainConfig(id=CHAIN_ID, endpoints=[await far.start()], quorum=1)
    await LateChainKeys(chain, FakeClock()).close()
    keys = LateChainKeys(chain, FakeClock())
    assert not far.calls
    assert await keys.usable(ALICE.address) is None
    assert await keys.usable(ALICE.address) is None
    assert far.calls
    await keys.close()
    await far.stop()


def test_the_mover_starts_without_the_chains_client() -> None:
    """It would need a sixth of the mover's memory."""
    code = "import sys, provider_daemon.mover.app; sys.exit('grpc' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
