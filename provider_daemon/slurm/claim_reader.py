"""Reads the claims of jobs that ended with an exit code of a claim, and warns while they cannot be read."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from provider_daemon.errors import Transient, TurnedAway, Unreadable
from provider_daemon.job.claim import claims_directory, root_of
from provider_daemon.job.snapshot import Sighting
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, Watch
from provider_daemon.slurm import accounting, claims

log = structlog.get_logger("provd.slurm")

# after a short job's end, until its record has a working directory (docs/slurm.md, 'Where a job can be seen')
RECORD_SECONDS = 60


class ClaimReader:
    """`links` reads the claims of some jobs below one directory as a user, and raises if it cannot."""

    def __init__(
        self,
        links: Callable[[str, str, Sequence[str]], Awaitable[Mapping[str, str]]],
        cluster: str,
        clock: Clock,
        ongoing: OngoingProblems,
    ) -> None:
        self._links = links
        self._cluster = cluster
        self._clock = clock
        self._ongoing = ongoing

    async def apply(
        self, sightings: Sequence[Sighting], watch: Watch
    ) -> tuple[list[Sighting], frozenset[str]]:
        """Returns the sightings with the claims of watched jobs, and the names of those that are unreadable.

        Such a job is not final: without its claim, nobody knows whether its program has run.
        """
        asked = [seen for seen in sightings if seen.name in watch.names and claims.in_question(seen)]
        links, failed = await self._read(asked, watch)
        found, unclear = list[Sighting](), set[str]()
        for seen in sightings:
            read = links.get(root_of(seen.directory))
            if seen not in asked:
                found.append(seen)
            elif read is not None:
                found.append(claims.judged(seen, read))
            else:
                found.append(accounting.undecided(seen))
                unclear.add(seen.name)
                if self._clock.now() - seen.ended_at > RECORD_SECONDS:
                    failed.setdefault(f"SLURM job {seen.slurm_id}", "its record has no working directory")
        self._note(failed)
        return found, frozenset(unclear)

    async def _read(
        self, asked: Sequence[Sighting], watch: Watch
    ) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
        """Returns (the claims by the directory above them, why some could not be read, by directory)."""
        links, failed = dict[str, Mapping[str, str]](), dict[str, str]()
        for root, names in claims.by_root(asked).items():
            try:
                links[root] = await self._links(root, watch.users.get(names[0], ""), names)
            except TurnedAway:
                raise
            except (Transient, Unreadable) as error:
                failed[claims_directory(root)] = str(error)
        return links, failed

    def _note(self, failed: Mapping[str, str]) -> None:
        if not failed:
            if self._ongoing.clear("claims_unreadable", self._cluster):
                log.info("claims_readable", cluster=self._cluster)
            return
        where, why = next(iter(failed.items()))
        if self._ongoing.start("claims_unreadable", self._cluster, self._clock.now(), why):
            following = "jobs that ended with exit code 90 or 91 wait until their claims can be read"
            log.warning("claims_unreadable", cluster=self._cluster, claims=where, why=why, next=following)
