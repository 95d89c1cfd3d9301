"""Maintenance windows in the ledger. Functions that write run inside `with ledger.write():`."""

from collections.abc import Iterable
from dataclasses import asdict

from provider_daemon.job.maintenance import Window, WindowSource
from provider_daemon.ledger.ledger import Ledger


def windows(ledger: Ledger, cluster_id: str, now: float) -> tuple[Window, ...]:
    """Returns the windows of a cluster that are not over, in the order of their start."""
    return tuple(
        Window(**{**dict(row), "source": WindowSource(row["source"])})
        for row in ledger._all("windows", cluster_id=cluster_id, now=now)
    )


def add(ledger: Ledger, cluster_id: str, window: Window) -> int:
    """Returns the number of the new window."""
    values = asdict(window)
    values.pop("id")
    return int(ledger._run("add_window", cluster_id=cluster_id, **values).lastrowid or 0)


def remove(ledger: Ledger, cluster_id: str, number: int) -> bool:
    """Removes a window of an operator. Returns whether there was one."""
    source = WindowSource.OPERATOR
    return ledger._run("remove_window", cluster_id=cluster_id, id=number, source=source).rowcount > 0


def replace_reserved(ledger: Ledger, cluster_id: str, reserved: Iterable[Window]) -> None:
    """Replaces the windows that SLURM had reserved by those that it has now."""
    ledger._run("remove_windows", cluster_id=cluster_id, source=WindowSource.SLURM)
    for window in reserved:
        add(ledger, cluster_id, window)
