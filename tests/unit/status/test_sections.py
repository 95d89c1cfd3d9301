"""The overview as rows of text."""

from dataclasses import replace

import pytest

from provider_daemon.job.payment import ChainSettlement
from provider_daemon.ledger import listing, meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.status.overview import (
    DaemonStatus,
    EndpointStatus,
    LoopStatus,
    Overview,
    Trouble,
    WalletStatus,
    lines,
    overview,
)
from provider_daemon.status.sections import headline, sections
from provider_daemon.status.units import age
from tests.unit.metrics.parts import fill

DAEMON = DaemonStatus(
    version="9.9",
    parts=(LoopStatus("intake", "", 998.0), LoopStatus("advance:alpha", "no endpoint answers", 0.0)),
    troubles=(Trouble("endpoint_down", "127.0.0.1:9090"),),
    endpoints=(EndpointStatus("127.0.0.1:9090", 7, 940.0, "healthy", ""),),
    wallets=(
        WalletStatus("ve1p", 55, "uve", 86400.0 * 3),
        WalletStatus("ve1q", 5, "uve", None),
        WalletStatus("ve1r", 10**12, "uve", 1e10),
    ),
    ledger="/var/lib/provd/ledger.sqlite",
    ledger_id="ab" * 16,
)


def seen(ledger: Ledger, daemon: DaemonStatus | None) -> Overview:
    return overview(listing.read(ledger), daemon, 1000.0)


def test_headline(ledger: Ledger) -> None:
    """Down, not ready, ready; and the jobs."""
    assert headline(seen(ledger, None), "127.0.0.1:9464") == (
        "provd does not answer at 127.0.0.1:9464, showing the ledger only; no open jobs; 0 jobs in the ledger"
    )
    fill(ledger)
    jobs = "2 parked on HPC-1, 2 running on HPC-1, 1 waiting on HPC-1; 6 jobs in the ledger"
    assert headline(seen(ledger, DAEMON), "") == f"provd 9.9 is NOT ready; {jobs}"
    well = DaemonStatus("9.9", DAEMON.parts[:1], (), (), ())
    assert headline(seen(ledger, well), "") == f"provd 9.9 is ready; {jobs}"
    assert headline(replace(seen(ledger, well), total=1), "").endswith("; 1 job in the ledger")


def test_a_chain_that_settles_nothing(ledger: Ledger) -> None:
    """It is said until it is over."""
    with ledger.write():
        ledger.set(meta.SETTLEMENT, ChainSettlement.PROMISE)
    (section,) = sections(seen(ledger, None), ())
    assert section.rows == (("this chain holds no escrow and pays no bills: customers only promise to pay",),)
    with ledger.write():
        ledger.set(meta.SETTLEMENT, ChainSettlement.ESCROW)
    assert sections(seen(ledger, None), ()) == []


def test_sections(ledger: Ledger) -> None:
    """What is wrong first; each row fills its headings; nothing is shown of what has no row."""
    assert sections(seen(ledger, None), ()) == []
    fill(ledger)
    found = sections(seen(ledger, DAEMON), lines(listing.jobs(ledger, show=listing.Show.OPEN)))
    titles = [section.title for section in found]
    assert titles[:3] == ["Parked jobs (operator action needed)", "Unreadable records on chain", "Problems"]
    assert titles[3:5] == ["Open jobs", "Customers and prices of open jobs"]
    assert titles[5:] == ["Outbox", "Loops", "Chain", "Wallets", "Latest transactions"]
    for section in found:
        assert {len(row) for row in section.rows} == {len(section.headings)}
    assert found[6].rows == (("intake", "ok, 2 s ago"), ("advance:alpha", "no endpoint answers"))
    assert found[8].rows == (
        ("ve1p", "55uve", "3 d"),
        ("ve1q", "5uve", ""),
        ("ve1r", "1000000000000uve", "over 10 years"),
    )


def test_a_refused_reload(ledger: Ledger) -> None:
    """Each line of the refusal stands there until a reload is accepted."""
    line = "/etc/provd/provd.toml:9: log.level: must be one of debug, info"
    (found,) = sections(seen(ledger, DaemonStatus("9.9", (), (), (), (), config_problems=(line,))), ())
    assert found.title == "Configuration file not in effect (refused at the last reload)"
    assert found.rows == ((line,),)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7199, "1 h"),
        (86399, "23 h"),
        (200_000, "2 d"),
    ],
)
def test_age(seconds: float, said: str) -> None:
    assert age(seconds) == said
