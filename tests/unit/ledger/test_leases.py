"""Leases in the ledger: one open lease of a Unix user, and a record of the others."""

from dataclasses import replace

import pytest

from provider_daemon.errors import LedgerError
from provider_daemon.job.leases import Lease
from provider_daemon.ledger import leases
from provider_daemon.ledger.ledger import Ledger
from tests.unit.job.jobs import JOB

FIRST = Lease("HPC-1", "u1", "ve1a", 10.0)


def test_a_lease_is_stored_and_changed(ledger: Ledger) -> None:
    """It comes back with every field; an ended one stays as a record and is not open."""
    with ledger.write():
        leases.save(ledger, [FIRST, Lease("HPC-2", "u1", "ve1b", 11.0, held_by="x", forced=True)])
    (stored,) = leases.open_leases(ledger, "HPC-1")
    assert replace(stored, id=0) == FIRST
    (other,) = leases.open_leases(ledger, "HPC-2")
    assert (other.held_by, other.forced) == ("x", True)
    ended = replace(stored, confirmed_at=12.0, released_at=13.0, free_at=14.0, ended_at=15.0, forced=True)
    with ledger.write():
        leases.save(ledger, [Lease("HPC-1", "u1", "ve1b", 15.0), ended])
    assert [each.customer for each in leases.open_leases(ledger, "HPC-1")] == ["ve1b"]
    assert leases.of_user(ledger, "HPC-1", "u1", 5)[1] == ended


def test_a_user_has_one_open_lease(ledger: Ledger) -> None:
    """The schema refuses a second one, and the transaction changes nothing."""
    with ledger.write():
        leases.save(ledger, [FIRST])
    with pytest.raises(LedgerError, match="nothing was changed"), ledger.write():
        leases.save(ledger, [Lease("HPC-1", "u2", "ve1b", 1.0), Lease("HPC-1", "u1", "ve1b", 1.0)])
    assert [each.user for each in leases.open_leases(ledger, "HPC-1")] == ["u1"]


def test_who_has_open_jobs(ledger: Ledger) -> None:
    """By customer; and when the last job of a customer as a Unix user was closed."""
    spec = replace(JOB.spec, job_id="JOB-2")
    with ledger.write():
        ledger.save_job(replace(JOB, user="u1"))
        ledger.save_job(replace(JOB, spec=spec, slurm_name="ve-2", user="u1", closed_at=5.0))
    assert leases.open_customers(ledger, JOB.spec.cluster_id) == {JOB.spec.customer}
    lease = replace(FIRST, cluster_id=JOB.spec.cluster_id, customer=JOB.spec.customer)
    assert leases.last_closed(ledger, lease) == 5.0
    assert leases.last_closed(ledger, replace(lease, user="u2")) == 0.0
    assert leases.last_closed(ledger, replace(lease, customer="ve1b")) == 0.0
