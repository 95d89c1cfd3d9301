"""The running daemon's status: its loops, ongoing problems, chain endpoints and wallets."""

from provider_daemon import __version__
from provider_daemon.metrics import catalog
from provider_daemon.metrics.collector import Parts
from provider_daemon.metrics.server import troubled
from provider_daemon.status.overview import (
    DaemonStatus,
    EndpointStatus,
    LoopStatus,
    Trouble,
    WalletStatus,
)
from provider_daemon.status.units import LONGEST
from provider_daemon.text import printable


def daemon(parts: Parts) -> DaemonStatus:
    now = parts.clock.now()
    problems = dict(troubled(parts.loops, now))
    return DaemonStatus(
        version=__version__,
        parts=tuple(
            LoopStatus(loop.name, _shown(problems.get(loop.name, "")), loop.last_success)
            for loop in parts.loops
        ),
        troubles=tuple(Trouble(what, _shown(subject)) for what, subject in parts.ongoing.lasting()),
        endpoints=tuple(
            EndpointStatus(each.url, each.height, each.time, each.state, _shown(each.why))
            for each in parts.endpoints()
        ),
        wallets=_wallets(parts, now),
        ledger=str(parts.path),
        ledger_id=parts.ledger.id,
        config_problems=tuple(map(_shown, parts.reload.problems)),
        silent=tuple(parts.silent()),
    )


def _wallets(parts: Parts, now: float) -> tuple[WalletStatus, ...]:
    """Omits balances that have expired."""
    runways = {signer: seconds for (signer,), seconds in parts.meters.current(catalog.WALLET_RUNWAY, now)}
    return tuple(
        WalletStatus(signer, int(balance), denom, runways.get(signer))
        for (signer, denom), balance in parts.meters.current(catalog.WALLET_BALANCE, now)
    )


def _shown(text: str) -> str:
    return printable(text[:LONGEST])
