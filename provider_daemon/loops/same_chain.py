"""Whether the chain is still the one that the ledger knows: one that began anew from genesis has other jobs under the same ids.

Its counter tells while it is behind; when it has come as far, only a job that both know does. Nothing is taken from another chain, and
nothing is said to it: a report would settle a stranger's job.
"""

from provider_daemon.errors import Refused, Unreadable
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Chain

OTHER_CHAIN = "other_chain"  # meta: by what it is known for another one, or empty


async def look(ledger: Ledger, chain: Chain) -> None:
    """Asks for the job that entered last. A node that does not have it, or cannot say it, proves nothing."""
    known = ledger.newest_job()
    if known is None:
        return
    try:
        record = await chain.job(known.spec.job_id)
    except Unreadable:
        return
    if record is not None:
        same = record.spec.created_ns == known.spec.created_ns
        _keep(ledger, "" if same else f"the chain's {known.spec.job_id} was made at another moment than the ledger's")


def _keep(ledger: Ledger, why: str) -> None:
    if ledger.get_meta(OTHER_CHAIN) != why:
        with ledger.write():
            ledger.set_meta(OTHER_CHAIN, why)


def insist(ledger: Ledger) -> None:
    """Raises Refused while the chain is another one."""
    if why := ledger.get_meta(OTHER_CHAIN):
        raise Refused(f"{why}: it is another chain under the same id, which needs a ledger of its own")
