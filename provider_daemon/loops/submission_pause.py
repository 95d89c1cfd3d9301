"""Pauses submissions to a site that accepts none. One job at a time is submitted as a test."""

from collections import defaultdict
from dataclasses import dataclass

import structlog

from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, SubmissionResult

log = structlog.get_logger("provd.advance")

PAUSE_SECONDS = 30  # without submissions, before one job is submitted as a test
SITE = ""  # in place of a queue's name: all queues


@dataclass(slots=True)
class _Pause:
    trouble: SiteTrouble
    until: float
    probed: frozenset[str]  # jobs deferred during the pause; other jobs are tested first
    probing: str = ""  # the job that may be submitted in this tick


class SubmissionPause:
    """The pauses of one cluster, by queue: a drained partition does not hold up other queues."""

    def __init__(self, cluster: str, clock: Clock, ongoing: OngoingProblems) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ongoing = ongoing
        self._pauses: dict[str, _Pause] = {}
        # by queue, the jobs that could be submitted in the last tick
        self._asked: defaultdict[str, set[str]] = defaultdict(set)

    def begin_tick(self) -> None:
        tried = {scope: pause.probed for scope, pause in self._pauses.items()}
        for scope, pause in self._pauses.items():
            # A job held back by another pause cannot be a test for this one. The site's pause affects all
            # queues.
            others = tried.values() if scope == SITE else [tried.get(SITE, frozenset())]
            if self._asked[scope] <= pause.probed.union(*others):
                pause.probed = frozenset()  # every job that could be submitted as a test was
            pause.probing = ""
        self._asked.clear()

    def admits(self, job_id: str, queue: str) -> bool:
        """Returns whether the job may be submitted in this tick."""
        for scope in (SITE, queue):
            self._asked[scope].add(job_id)
        pauses = [self._pauses[scope] for scope in (SITE, queue) if scope in self._pauses]
        if not all(self._admits(pause, job_id) for pause in pauses):
            return False
        for pause in pauses:
            pause.probing = job_id
        return True

    def _admits(self, pause: _Pause, job_id: str) -> bool:
        return (
            self._clock.now() >= pause.until and pause.probing in ("", job_id) and job_id not in pause.probed
        )

    def note(self, job_id: str, queue: str, receipt: SubmissionResult) -> None:
        """Starts or ends pauses by a submission's outcome. An unknown one without trouble changes nothing."""
        if receipt.trouble is not None:
            self._begin(
                queue if receipt.trouble.of_queue else SITE,
                job_id,
                receipt.trouble,
                receipt.deferral or receipt.unknown,
            )
        elif receipt.slurm_id or receipt.refusal:
            self._end(SITE)
            self._end(queue)

    def _begin(self, scope: str, job_id: str, trouble: SiteTrouble, why: str) -> None:
        now, before = self._clock.now(), self._pauses.get(scope)
        probed = before.probed if before else frozenset[str]()
        self._pauses[scope] = _Pause(trouble, now + PAUSE_SECONDS, probed | {job_id})
        if self._ongoing.start("submissions_paused", self._subject(scope), now, trouble):
            following = (
                f"jobs wait, and one is submitted as a test every {PAUSE_SECONDS} s; fix what `why` names"
            )
            log.warning(
                "submissions_paused",
                cluster=self._cluster,
                queue=scope,
                trouble=trouble.value,
                why=why,
                next=following,
            )

    def _end(self, scope: str) -> None:
        if self._pauses.pop(scope, None) and self._ongoing.clear("submissions_paused", self._subject(scope)):
            log.info("submissions_resumed", cluster=self._cluster, queue=scope)

    def _subject(self, scope: str) -> str:
        return f"{self._cluster}/{scope}" if scope else self._cluster
