"""Where each customer has a Unix user: the coordinator sees all jobs, and takes none for another's."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.config.model import parse
from provider_daemon.doctor import gather_site, gather_users
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import Parameters, SiteFacts
from provider_daemon.doctor.finding import CheckOutcome
from provider_daemon.doctor.registry import CHECKS, judged
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State
from provider_daemon.lab.site import pool
from provider_daemon.lab.site.cluster_table import cluster_table
from provider_daemon.lab.site.site import Site
from provider_daemon.ports import Submission, Watch
from provider_daemon.site_setup.script import sshd_lines
from provider_daemon.slurm.local import LocalTransport
from tests.contract.places import Place


@pytest.fixture
def pooled(place: Place) -> Place:
    if not place.user:
        pytest.skip("all jobs of this site have one user")
    return place


def named(place: Place, name: str, *argv: str) -> Submission:
    """A job of that place's user under a name that the test chooses."""
    order = place.order(*argv, wall_seconds=600)
    script, directory = (text.replace(order.name, name) for text in (order.script, order.directory))
    return replace(order, name=name, script=script, directory=directory)


async def test_another_users_job_under_the_name_is_not_the_job(pooled: Place) -> None:
    """A customer who submits under another customer's job name changes nothing about that job.

    That holds while the job's id is known, while it is not, and for a job that was never submitted.
    """
    victim, unsubmitted = pooled.order("sleep", "300", wall_seconds=600), pooled.order("true")
    thief = replace(pooled, user=pooled.site.pool[1])
    (receipt,) = await pooled.submit(victim)
    for name in (victim.name, unsubmitted.name):
        (stolen,) = await thief.submit(named(thief, name, "sleep", "300"))
        assert stolen.slurm_id
    (seen,) = (await pooled.look(victim.name, intents=[victim.name])).of(victim.name)
    assert seen.slurm_id == receipt.slurm_id
    snapshot = await pooled.look(unsubmitted.name, doubtful=[unsubmitted.name], intents=[unsubmitted.name])
    assert (snapshot.complete, snapshot.of(unsubmitted.name)) == (True, ())
    ids = {victim.name: receipt.slurm_id}
    await pooled.scheduler.cancel(pooled.known(ids, {victim.name: seen.submitted_at}))
    over = await pooled.until_phase(victim.name, Phase.ENDED, ids=ids)
    assert (over.slurm_id, over.outcome) == (receipt.slurm_id, State.CANCELLED)


async def test_one_query_has_the_jobs_of_all_users(pooled: Place) -> None:
    """The coordinator sees running and ended jobs of every user, and cancels them, with one command each."""
    places = [replace(pooled, user=user) for user in pooled.site.pool[:2]]
    orders = [place.order("sleep", "300", wall_seconds=600) for place in places]
    ids = {order.name: (await pooled.submit(order))[0].slurm_id for order in orders}
    users = {order.name: order.user for order in orders}
    watch = Watch(frozenset(ids), ids, since=pooled.since, users=users)
    await pooled.until_phase(orders[0].name, Phase.RUNNING, ids=ids)
    before = pooled.scheduler.rpcs
    snapshot = await pooled.scheduler.snapshot(watch)
    await pooled.scheduler.cancel(watch)
    assert pooled.scheduler.rpcs - before == 3  # squeue; then squeue and scancel
    assert all(len(snapshot.of(name)) == 1 for name in ids)
    for place, order in zip(places, orders, strict=True):
        over = await place.until_phase(order.name, Phase.ENDED, ids=ids)
        assert over.outcome is State.CANCELLED


@pytest.mark.real
@pytest.mark.xdist_group("real-slurm")
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sudo") is None, reason="needs root and sudo")
async def test_a_user_by_sudo(real_site: Site) -> None:
    """A daemon on the login node runs the same commands as a pool user through sudo."""
    user = real_site.pool[0]
    transport = LocalTransport(real_site.env, user=user)
    answer = await transport.run("id -un; scontrol ping; cat\n", bytes(range(1, 128)) * 1000, 20)
    assert answer.stdout.startswith(f"{user}\nSlurmctld(primary)")
    assert answer.stdout.endswith(bytes(range(1, 128)).decode() * 1000)
    assert (await transport.run("timeout 2 sleep 60\n", b"", 1)).exit_code is None
    async with transport.stream("cat\n") as stream:
        await stream.write(b"hello")
        assert await stream.read_exactly(5) == b"hello"


async def test_a_comparison_knows_whose_jobs_are_whose(pooled: Place) -> None:
    """A survey finds each watched job once, and not another user's job under its name."""
    name = f"ve-{uuid4().hex[:12]}-JOB-1"
    done = await pooled.run(named(pooled, name, "true"))
    thief = replace(pooled, user=pooled.site.pool[1])
    await thief.run(named(thief, name, "true"))
    watch = replace(pooled.known({name: done.slurm_id}), since=pooled.since)
    found = (await pooled.scheduler.survey(pooled.since, watch)).snapshot.of(name)
    assert [seen.slurm_id for seen in found] == [done.slurm_id]


@pytest.mark.real
@pytest.mark.xdist_group("real-slurm")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_site_is_prepared_once(real_site: Site, tmp_path: Path) -> None:
    """Running the script again changes nothing. sshd's lines apply to the group, not to others."""

    def state() -> str:
        associations = real_site.run("sacctmgr", "-nP", "show", "assoc", "format=account,user,id").stdout
        found = [
            (each.name, each.stat().st_mode, each.stat().st_uid) for each in real_site.work_root.iterdir()
        ]
        return f"{associations} {sorted(entry for entry in found if entry[0] in real_site.pool)}"

    before = state()
    pool.prepare(real_site.layout, real_site.env)
    assert state() == before
    lines = sshd_lines([f"    TrustedUserCAKeys {real_site.ca_key_file}.pub"])
    config = tmp_path / "sshd_config"
    config.write_text("\n".join([f"HostKey {real_site.layout.root}/ssh/host_ed25519", *lines, ""]))
    for user, trusts in ((real_site.pool[0], True), ("root", False)):
        asked = ["/usr/sbin/sshd", "-T", "-f", str(config), "-C", f"user={user},host=a,addr=127.0.0.1"]
        shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert (f"trustedusercakeys {real_site.ca_key_file}.pub" in shown) is trusts


@pytest.mark.real
@pytest.mark.xdist_group("real-slurm")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_the_doctor_of_a_prepared_site(real_site: Site) -> None:
    """From the configuration alone, provd logs in as users of the pool, and finds all as it was prepared."""
    head = '[chain]\nid = "test-1"\nendpoints = ["a:1"]\n[keys.main]\nkind = "credential"\nname = "key"\n'
    cluster, clock = parse(head + cluster_table(real_site), "provd.toml").clusters[0], SystemClock()
    deadline = Deadline(60)
    way = await gather_site.way(cluster, deadline, clock)
    slurm = await gather_site.slurm(cluster, way, deadline, clock)
    facts = await gather_users.gather(cluster, way, slurm, deadline)
    site = SiteFacts(cluster, way.ssh, slurm, frozenset(), "", None, (), Parameters(0, 0), pool=facts)
    found = {check.name: judged(check, site) for check in CHECKS if check.section == "users"}
    await way.close()
    assert {name for name, each in found.items() if each.outcome is not CheckOutcome.OK} == set(), found
