"""What one sample of the node agent costs on this machine: `make sampling`.

Nothing is imported besides the samplers, so that the resident memory is theirs and the interpreter's.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from provider_daemon.agent.pace import HEALTH, JOBS
from provider_daemon.agent.sampling import Sampler, SampleSettings

ROUNDS = 100
GOAL_PERCENT, GOAL_MB = 0.5, 40  # of one core at the usual interval, for the whole agent


def cpu_seconds() -> float:
    """Returns the processor time of this process and of the programs that it ran."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def cost(measure: Callable[[int], object], rounds: int) -> float:
    """Returns the milliseconds of processor time of one call."""
    before = cpu_seconds()
    for number in range(rounds):
        measure(number)
    return (cpu_seconds() - before) / rounds * 1000


def main() -> int:
    sampler, now = Sampler(SampleSettings(node_name=os.uname().nodename)), time.time()
    first = cost(lambda _: sampler.sample(now), 1)
    usual = cost(lambda number: sampler.sample(now + (number + 1) * JOBS.usual), ROUNDS)
    hardware = cost(lambda _: sampler.hardware(), 10)
    share, memory = usual / 10 / HEALTH.usual, resident_mb()
    print(f"first sample, with the versions of programs  {first:8.2f} ms")
    print(f"each further sample, everything read again   {usual:8.2f} ms")
    print(f"hardware and topology                        {hardware:8.2f} ms")
    print(
        f"share of a core, a sample each {HEALTH.usual:g} s         {share:8.3f} %  (goal {GOAL_PERCENT} %)"
    )
    print(f"resident memory, interpreter included        {memory:8.1f} MB (goal {GOAL_MB} MB)")
    return int(share > GOAL_PERCENT or memory > GOAL_MB)


if __name__ == "__main__":
    sys.exit(main())
