"""Runs one audit: three jobs, what SLURM shows between them, and the verdicts.

The other customer's job runs first and stays. The attacker's job runs beside it on the same node. The third
job runs there after its end, reports what was left behind and removes it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex
from typing import TypeVar

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.site_audit import jobs
from provider_daemon.site_audit.answers import Answers, read
from provider_daemon.site_audit.jobs import Kind, Probe, Surroundings, Victim
from provider_daemon.site_audit.observations import Effects, observations, with_out_of_memory
from provider_daemon.site_audit.rows import AFTER, ATTACK, READY
from provider_daemon.site_audit.site import AuditSite
from provider_daemon.site_audit.verdicts import Judged, judge
from provider_daemon.slurm.shown_job import ShownJob

POLL_SECONDS = 1.0
START_SECONDS, ATTACK_SECONDS, AFTER_SECONDS = 180.0, 240.0, 180.0
SETTLE_SECONDS = 3.0  # after the job's end, for SLURM and provd to end what is left
BEAT_SECONDS = 3.0  # between two readings of a file at the site; the process writes four times a second

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parties:
    """The roots of two customers' job directories, and their Unix users; "" for the login's own."""

    roots: tuple[str, str]
    users: tuple[str, str]


@dataclass(slots=True)
class Course:
    """The state of an audit as it runs. `failure`: why it ended early, "" if it did not."""

    mark: str = field(default_factory=lambda: token_hex(8))
    answers: Answers = field(default_factory=Answers)
    effects: Effects = field(default_factory=Effects)
    node: str = ""
    failure: str = ""


async def run(
    site: AuditSite, served: ServedCluster, kind: Kind, parties: Parties, around: Surroundings
) -> tuple[str, tuple[Judged, ...]]:
    """Returns (the node, the judged rows). Whatever happens, the jobs are not cleaned up here."""
    course = Course()
    try:
        await _play(site, served, kind, parties, around, course)
    except ProvdError as error:
        course.failure = str(error)
    answers = with_out_of_memory(course.answers, course.effects.attacker)
    shared = parties.users[0] == parties.users[1]
    uncontained = shared and not jobs.launcher(served, kind)
    rows = judge(
        answers, observations(course.effects, answers), uncontained=uncontained, failure=course.failure
    )
    return course.node, rows


async def _play(
    site: AuditSite,
    served: ServedCluster,
    kind: Kind,
    parties: Parties,
    around: Surroundings,
    course: Course,
) -> None:
    other = await _victim(site, served, kind, site.probe(parties.roots[0], parties.users[0]))
    before = await site.job(other.slurm_id)
    course.node = before.node
    course.effects = replace(course.effects, before=before)
    attacker = site.probe(parties.roots[1], parties.users[1])
    order = jobs.attack(served, kind, attacker, course.node, other, around, course.mark)
    site.expected.append(jobs.submission_name(course.mark))
    slurm_id = await site.submit(attacker, order)
    limit = (await site.job(slurm_id)).limit
    ended = await _ended(site, slurm_id, "the attacking job", ATTACK_SECONDS)
    course.answers = read(await site.output(attacker), attacker.number, ATTACK)
    course.effects = await _effects(site, course, other, attacker, ended, limit)
    beats = await _beats(site, attacker)
    course.effects = replace(course.effects, beats=beats)
    last = site.probe(parties.roots[1], parties.users[1])
    last_id = await site.submit(last, jobs.after(served, kind, last, course.node, course.mark))
    await _ended(site, last_id, "the job after it", AFTER_SECONDS)
    course.answers = course.answers.joined(read(await site.output(last), last.number, AFTER))


async def _victim(site: AuditSite, served: ServedCluster, kind: Kind, probe: Probe) -> Victim:
    """Starts the other customer's job and waits until it is ready."""
    word = token_hex(16)
    slurm_id = await site.submit(probe, jobs.victim(served, kind, probe, word))

    async def ready() -> Victim | None:
        shown = await site.job(slurm_id)
        if shown.ended:
            text = (await site.output(probe)).decode("utf-8", "replace")
            raise Transient(f"the first probe job ended with {shown.state}: {' '.join(text.split())[-300:]}")
        answer = read(await site.output(probe), probe.number, (READY,)).found.get(READY)
        return Victim(probe, slurm_id, word, answer.count) if answer else None

    async def waiting() -> str:
        shown = await site.job(slurm_id)
        return f"the first probe job is {shown.state} ({shown.reason}) after {START_SECONDS:g} s"

    return await _until(ready, waiting, START_SECONDS)


async def _ended(site: AuditSite, slurm_id: str, what: str, seconds: float) -> ShownJob:
    async def over() -> ShownJob | None:
        shown = await site.job(slurm_id)
        return shown if shown.ended else None

    async def running() -> str:
        shown = await site.job(slurm_id)
        return f"{what} is {shown.state} ({shown.reason}) after {seconds:g} s"

    return await _until(over, running, seconds)


async def _until(
    question: Callable[[], Awaitable[T | None]], late: Callable[[], Awaitable[str]], seconds: float
) -> T:
    """Repeats the question until it has an answer. Raises Transient with `late` after `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        if (found := await question()) is not None:
            return found
        await asyncio.sleep(POLL_SECONDS)
    raise Transient(await late())


async def _effects(
    site: AuditSite, course: Course, other: Victim, attacker: Probe, ended: ShownJob, limit: int
) -> Effects:
    """A question that fails leaves its rows untried."""
    after = await _unless_failed(partial(site.job, other.slurm_id))
    submitted = await _unless_failed(partial(site.named, jobs.submission_name(course.mark), attacker.user))
    return replace(
        course.effects,
        after=after,
        own_limit=(limit, ended.limit),
        submitted=None if submitted is None else tuple(submitted),
        attacker=ended,
    )


async def _unless_failed(question: Callable[[], Awaitable[T]]) -> T | None:
    with contextlib.suppress(ProvdError):
        return await question()
    return None


async def _beats(site: AuditSite, attacker: Probe) -> tuple[int | None, int | None]:
    await asyncio.sleep(SETTLE_SECONDS)
    first = await _unless_failed(partial(site.heartbeats, attacker))
    await asyncio.sleep(BEAT_SECONDS)
    return first, await _unless_failed(partial(site.heartbeats, attacker))
