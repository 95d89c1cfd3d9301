"""Maintenance windows in the ledger."""

from provider_daemon.job.maintenance import Window, WindowSource
from provider_daemon.ledger import maintenance
from provider_daemon.ledger.ledger import Ledger

PLANNED = Window(WindowSource.OPERATOR, 100, 200, reason="new switches")
RESERVED = Window(WindowSource.SLURM, 50, 150, nodes_left=2, reason="rack-7")


def test_windows_of_a_cluster(ledger: Ledger) -> None:
    """Windows come back as they were stored, first those that start first, without those that are over."""
    with ledger.write():
        number = maintenance.add(ledger, "HPC-1", PLANNED)
        maintenance.add(ledger, "HPC-2", PLANNED)
        maintenance.replace_reserved(ledger, "HPC-1", [RESERVED])
    first, second = maintenance.windows(ledger, "HPC-1", 0)
    assert (first.reason, first.nodes_left, first.source) == ("rack-7", 2, WindowSource.SLURM)
    assert (second.id, second.reason, second.source) == (number, "new switches", WindowSource.OPERATOR)
    assert [window.reason for window in maintenance.windows(ledger, "HPC-1", 150)] == ["new switches"]
    assert maintenance.windows(ledger, "HPC-1", 200) == ()


def test_what_slurm_has_reserved_replaces_what_it_had(ledger: Ledger) -> None:
    """An operator's windows stay."""
    with ledger.write():
        maintenance.add(ledger, "HPC-1", PLANNED)
        maintenance.replace_reserved(ledger, "HPC-1", [RESERVED])
        maintenance.replace_reserved(ledger, "HPC-1", [])
    assert [window.reason for window in maintenance.windows(ledger, "HPC-1", 0)] == ["new switches"]


def test_only_an_operators_window_of_the_cluster_is_removed(ledger: Ledger) -> None:
    with ledger.write():
        number = maintenance.add(ledger, "HPC-1", PLANNED)
        reserved = maintenance.add(ledger, "HPC-1", RESERVED)
        assert not maintenance.remove(ledger, "HPC-2", number)
        assert not maintenance.remove(ledger, "HPC-1", reserved)
        assert maintenance.remove(ledger, "HPC-1", number)
        assert not maintenance.remove(ledger, "HPC-1", number)
