"""Applies jobs' claims (job/claim.py) to sightings: only a claim tells what the exit codes of one mean."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from provider_daemon import names
from provider_daemon.job.claim import CODES, read_claim, root_of
from provider_daemon.job.snapshot import Sighting


def in_question(seen: Sighting) -> bool:
    """Returns whether the SLURM job may have ended because it did not get the claim."""
    return seen.final and seen.exit_code in CODES and not seen.signal


def by_root(sightings: Iterable[Sighting]) -> dict[str, list[str]]:
    """Returns the names of the jobs by the directory that has their claims.

    Those in whose record no directory can be read are left out.
    """
    found = defaultdict[str, set[str]](set)
    for seen in sightings:
        if names.matches(names.PATH, seen.directory):
            found[root_of(seen.directory)].add(seen.name)
    return {root: sorted(some) for root, some in found.items()}


def judged(seen: Sighting, links: Mapping[str, str]) -> Sighting:
    """Returns the sighting of a job in question. `links`: the claims below its root, by job name."""
    root = root_of(seen.directory)
    if seen.name not in links:
        return replace(seen, unclaimed=True)
    claim = read_claim(links[seen.name], seen.name, root)
    own = (claim.slurm_id, claim.directory) == (seen.slurm_id, seen.directory)
    return seen if own else replace(seen, duplicate=claim)
