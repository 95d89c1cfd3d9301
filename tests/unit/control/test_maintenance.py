"""`provd maintenance` beside the running daemon."""

import json

from provider_daemon.errors import ConfigError, Refused
from provider_daemon.job.maintenance import Window, WindowSource
from provider_daemon.ledger import maintenance
from tests.unit.control.conftest import Beside

LINE = "maintenance add alpha --from 2126-12-01T08:00 --to 2126-12-01T12:00"
TIMES = "maintenance from 2126-12-01 08:00 UTC to 2126-12-01 12:00 UTC"


def planned(beside: Beside) -> list[tuple[str, str]]:
    """What the audit log has of maintenance."""
    return [(action, thing) for action, thing, _ in beside.recorded() if action.startswith("maintenance")]


async def test_a_window_is_planned_listed_and_removed(beside: Beside) -> None:
    """With its reason for customers, and a hint as long as SLURM has reserved no nodes for it."""
    done = await beside.shop.run(f'{LINE} --reason "new switches"')
    assert done.stdout == f"HPC-1 (alpha), window 1: {TIMES} (new switches)\n"
    assert "starttime=uts4951785600 endtime=uts4951800000 flags=maint,ignore_jobs" in done.stderr
    (window,) = json.loads((await beside.shop.run("maintenance list -o json")).stdout)
    assert (window["number"], window["source"], window["reserved"]) == (1, "operator", False)
    removed = await beside.shop.run("maintenance remove HPC-1 1")
    assert removed.stdout == f"removed: HPC-1 (alpha), window 1: {TIMES} (new switches)\n"
    assert (await beside.shop.run("maintenance list")).stdout == "no maintenance is planned\n"
    assert planned(beside) == [
        ("maintenance_added", "HPC-1"),
        ("maintenance_removed", "HPC-1"),
    ]


async def test_a_window_that_slurm_has_reserved_needs_no_hint(beside: Beside) -> None:
    """The reservation itself is listed, and cannot be removed here."""
    reserved = Window(WindowSource.SLURM, 4951785600, 4951800000, reason="switches")
    with beside.daemon.ledger.write():
        maintenance.add(beside.daemon.ledger, "HPC-1", reserved)
    done = await beside.shop.run(f"{LINE} -o json")
    assert json.loads(done.stdout)["reserved"] is True
    assert done.stderr == ""
    listed = (await beside.shop.run("maintenance list HPC-1")).stdout
    assert f"HPC-1 (alpha), SLURM's reservation: {TIMES} (switches)\n" in listed
    refused = await beside.shop.run("maintenance remove HPC-1 1")
    assert str(refused.exception) == "window 1 is SLURM's reservation 'switches': change it with scontrol"


async def test_what_is_no_window(beside: Beside) -> None:
    """A time that cannot be read, an end before the start or in the past, unknown clusters and windows."""
    assert (await beside.shop.run("maintenance add HPC-1 --from soon --to later")).exit_code == 2
    for line, why in (
        ("add HPC-1 --from 2126-01-02T00:00Z --to 2126-01-02T00:30+01:00", "the end must be later"),
        ("add HPC-1 --from 2020-01-01T00:00 --to 2020-01-02T00:00", "the end must be later"),
        ("add HPC-7 --from 2126-01-01T00:00 --to 2126-01-02T00:00", "no cluster 'HPC-7'"),
        ("remove HPC-1 9", "HPC-1 has no maintenance window 9"),
    ):
        refused = await beside.shop.run(f"maintenance {line}")
        assert isinstance(refused.exception, Refused)
        assert str(refused.exception).startswith(why)
    empty = await beside.shop.run('maintenance remove "" 1')
    assert isinstance(empty.exception, ConfigError)
    assert planned(beside) == []
