"""`accounts = "pool"` as a whole, on a real site, with the real daemon, data mover and gateway."""

import os
import pwd
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.config.model import load
from provider_daemon.daemon.build import served_cluster
from provider_daemon.demo.accounts import Account
from provider_daemon.demo.data import client, fetched
from provider_daemon.demo.environment import Environment
from provider_daemon.demo.jobs import DemoJob, data_jobs, shell
from provider_daemon.demo.market import CHAIN_ID, CLUSTER, order
from provider_daemon.demo.processes import Process
from provider_daemon.demo.scenario import Scenario
from provider_daemon.demo.sites import RealSite
from provider_daemon.demo.verdict import read
from provider_daemon.job.claim import CLAIMED
from provider_daemon.job.leases import COMMAND_SECONDS, LeaseState, content, owner
from provider_daemon.job.state import State
from provider_daemon.lab.site.layout import free_ports
from provider_daemon.ledger import leases as stored
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.lease_return import LeaseReturn
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.slurm.connect import logins
from provider_daemon.slurm.pool_site import SlurmPoolSite
from tests.fakes.chain import FakeClock
from tests.waiting import until

pytestmark = pytest.mark.real


def site_of(stage: Environment) -> RealSite:
    assert isinstance(stage.site, RealSite)
    return stage.site


def lease_files(stage: Environment) -> dict[str, str]:
    return {file.name: file.read_text().strip() for file in stage.site.work_root.glob(".provd-leases/*")}


def users_in_slurm(stage: Environment) -> dict[str, list[str]]:
    """Returns job name -> the users of SLURM's jobs of that name."""
    shown = (
        site_of(stage)
        .slurm.run("sacct", "-a", "-X", "-D", "-n", "-P", "-S", "now-1day", "-o", "JobName,User")
        .stdout
    )
    found = dict[str, list[str]]()
    for line in shown.splitlines():
        name, user = line.split("|")
        found.setdefault(name, []).append(user)
    return found


async def submit(stage: Environment) -> dict[str, DemoJob]:
    """Both customers bring the same input; one of the jobs is to be cancelled."""
    first, second = stage.market.customers
    await stage.data.bring(stage.market, first, stage.url)
    upload = stage.directory / "points"
    upload.write_bytes(stage.data.uploaded)
    async with client(stage.market, second, stage.url) as asked:
        await asked.upload(upload)
    reads = replace(
        data_jobs(stage.data.references, "")[0],
        arguments=shell("id -un; wc -c <inputs/points.dat; sleep 10"),
    )
    waits = DemoJob(
        "waits", 0, State.CANCELLED, None, arguments=shell("sleep 600"), cancelled_by_customer=True
    )
    jobs = [(first, reads), (first, waits), (second, replace(reads, customer=1))]
    return {(await order(customer, job))[0]: job for customer, job in jobs}


async def lose_the_ledger(stage: Environment) -> None:
    """As a broken disk does, while all jobs run."""
    stage.daemon.kill()
    for file in stage.directory.glob("ledger.sqlite*"):
        file.unlink()
    stage.daemon.start()


def end_idle_programs(user: str) -> None:
    """Ends the programs that gateway and data mover keep for a minute. Their logins stay open."""
    subprocess.run(["pkill", "-x", "-u", user, "python3"], check=False)
    shown = subprocess.run(["ps", "-u", user, "-o", "args="], capture_output=True, text=True, check=False)
    assert "sshd" in shown.stdout


async def return_user(stage: Environment, user: str) -> None:
    """Returns the user as the daemon does, which tries again while others run programs as it."""
    config, clock = load(stage.config), FakeClock(time.time())
    lease_file = stage.site.work_root / ".provd-leases" / user
    (cluster,) = config.clusters
    served = served_cluster(cluster, stage.market.provider.signer, 10**6)
    reached = logins(cluster, clock)
    ledger = Ledger.open(Path(config.ledger.path))
    returning = LeaseReturn(
        ledger, SlurmPoolSite(reached, cluster.work_root), served, clock, OngoingProblems()
    )
    try:
        with ledger.write():
            found = stored.open_leases(ledger, CLUSTER)
            stored.save(ledger, [replace(lease, forced=True) for lease in found if lease.user == user])
        seen = list[LeaseState]()

        async def returned() -> bool:
            end_idle_programs(user)
            os.utime(lease_file, (time.time() - COMMAND_SECONDS - 24 * 3600,) * 2)
            await returning.tick()
            clock.time += 24 * 3600
            left = {lease.user: lease.state for lease in stored.open_leases(ledger, CLUSTER)}
            if left.get(user) is LeaseState.QUARANTINED:
                assert list((stage.site.work_root / user).iterdir()) == []
                assert lease_file.exists()
            seen.extend([left[user]] if user in left else [])
            return user not in left

        await until("the lease has ended", returned, limit=60)
        assert seen[-1] is LeaseState.QUARANTINED
    finally:
        ledger.close()
        await reached.close()


async def check_job(stage: Environment, job_id: str, job: DemoJob, user: str) -> None:
    """State, exit code, bill and evidence are right, and SLURM ran it once, as the user."""
    row = await read(stage.market, job, job_id, site_of(stage).accounting())
    assert row.problems == []
    owner_of, other = (stage.market.customers[(job.customer + turn) % 2] for turn in (0, 1))
    results, problems = await fetched(stage.market, owner_of, other, stage.url, job_id)
    assert (results.split()[0] != "NONE", problems) == (True, [])
    (directory,) = (stage.site.work_root / user).glob(f"*-{job_id}.*")
    assert users_in_slurm(stage)[directory.name.partition(".")[0]] == [user]
    assert pwd.getpwuid(directory.stat().st_uid).pw_name == user
    assert directory.stat().st_mode & 0o777 == 0o700
    if not job.cancelled_by_customer:
        assert (directory / "output.txt").read_text().split()[0] == user


async def test_two_customers_and_a_lost_ledger(pool_stage: Environment) -> None:
    """Each customer's jobs run as his own Unix user, also when the ledger is lost while they run.

    The leases come back from the site. Nobody gets another customer's results, and a user that is returned
    has neither files nor a lease.
    """
    stage, ours = pool_stage, owner(CHAIN_ID, CLUSTER)
    jobs = await submit(stage)
    await until("all jobs run", lambda: len(lease_files(stage)) == 2 and running(stage, len(jobs)), limit=60)
    before = lease_files(stage)
    users = {
        customer.address: user_of(before, content(customer.address, ours)) for customer in customers(stage)
    }
    assert sorted(users.values()) == sorted(stage.site.pool)
    await lose_the_ledger(stage)
    assert await Scenario(stage, lambda _: None, jobs=jobs, limit=60).watch() == []
    assert lease_files(stage) == before
    for job_id, job in jobs.items():
        await check_job(stage, job_id, job, users[customers(stage)[job.customer].address])
    stage.daemon.stop()
    first = users[customers(stage)[0].address]
    await return_user(stage, first)
    assert lease_files(stage) == {user: text for user, text in before.items() if user != first}


def another_daemon(stage: Environment) -> Process:
    """A daemon with the same configuration, key and pool, and a ledger of its own."""
    directory = stage.directory / "second"
    directory.mkdir()
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    config = directory / "provd.toml"
    text = stage.config.read_text().replace(load(stage.config).metrics.listen, listen)
    config.write_text(text.replace(f"{stage.directory}/ledger", f"{directory}/ledger"))
    return Process("the other daemon", ["run", "-c", str(config)], directory / "provd.log")


async def test_two_daemons_with_a_ledger_each(pool_stage: Environment) -> None:
    """They agree on the user of each customer, by the site's lease files, and each job runs once: a SLURM job
    without the claim ends at once, with the code that says so."""
    stage, second = pool_stage, another_daemon(pool_stage)
    second.start()
    try:
        second.wait_for("provd_started")
        jobs = [DemoJob(f"job {n}", n % 2, State.COMPLETED, 0, arguments=shell("sleep 2")) for n in range(6)]
        ordered = {(await order(customers(stage)[job.customer], job))[0]: job for job in jobs}
        assert await Scenario(stage, lambda _: None, jobs=ordered, limit=90).watch() == []
    finally:
        second.stop()
    files, ours, users = lease_files(stage), owner(CHAIN_ID, CLUSTER), users_in_slurm(stage)
    for job_id, job in ordered.items():
        (name,) = (name for name in users if name.endswith(f"-{job_id}"))
        assert set(users[name]) == {user_of(files, content(customers(stage)[job.customer].address, ours))}
        codes = [code for _, code in site_of(stage).accounting()[name]]
        assert codes.count("0:0") == 1
        assert set(codes) <= {"0:0", f"{CLAIMED}:0"}


def customers(stage: Environment) -> tuple[Account, ...]:
    return stage.market.customers


def user_of(files: dict[str, str], text: str) -> str:
    (user,) = (user for user, found in files.items() if found == text)
    return user


def running(stage: Environment, count: int) -> bool:
    return len(site_of(stage).slurm.run("squeue", "-h", "-t", "R", "-o", "%i").stdout.split()) == count
