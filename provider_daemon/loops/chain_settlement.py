"""Finds out from job records whether the chain holds escrow or only promises (job/payment.py)."""

import asyncio

import structlog

from provider_daemon.errors import ProvdError
from provider_daemon.job.payment import SETTLES_NOTHING, ChainSettlement, newest_settlement
from provider_daemon.job.spec import ChainJob
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Chain

log = structlog.get_logger("provd.payment")

NEWEST = 16  # job records that are read when there are new ones


async def newest_jobs(chain: Chain, end: int) -> list[ChainJob | None]:
    """Returns the newest records below the job counter `end`, newest first; None for one without answer."""
    numbers = range(end - 1, max(0, end - 1 - NEWEST), -1)
    return list(await asyncio.gather(*(_job(chain, f"JOB-{number}") for number in numbers)))


async def _job(chain: Chain, job_id: str) -> ChainJob | None:
    """Returns None also for a record that cannot be read: another one shows what the chain does."""
    try:
        return await chain.job(job_id)
    except ProvdError:
        return None


class SettlementWatch:
    """Reads the newest job records at each sweep. The result is in the ledger: `meta.SETTLEMENT`."""

    def __init__(self, ledger: Ledger, chain: Chain) -> None:
        self._ledger = ledger
        self._chain = chain
        self._read_up_to = 0
        self._logged: ChainSettlement | None = None

    async def examine(self, end: int) -> None:
        """Reads again until every record was read once. `end`: the chain's job counter."""
        if end != self._read_up_to:
            records = await newest_jobs(self._chain, end)
            if None not in records:
                self._read_up_to = end
            found = newest_settlement(records)
            if found not in (ChainSettlement.UNKNOWN, self._ledger.get(meta.SETTLEMENT)):
                with self._ledger.write():
                    self._ledger.set(meta.SETTLEMENT, found)
        self._log(self._ledger.get(meta.SETTLEMENT))

    def _log(self, settlement: ChainSettlement) -> None:
        """Logs what is known once after each start, and each change."""
        if settlement is self._logged:
            return
        self._logged = settlement
        if settlement is ChainSettlement.PROMISE:
            log.warning(
                "chain_settles_nothing",
                why=SETTLES_NOTHING,
                next="provd accepts jobs whose agreed price covers their highest possible bill, unless "
                "clusters.payment.mode is escrow; bill customers outside the chain",
            )
        else:
            log.info("chain_settlement", settlement=settlement.value)
