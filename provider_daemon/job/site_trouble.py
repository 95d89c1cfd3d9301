"""The problems of a site that prevent submissions: fixed words for logs, troubles and labels."""

from enum import StrEnum


class SiteTrouble(StrEnum):
    FULL = "full"  # the site's account has reached its job limit
    QUEUE = "queue"  # one partition or its resources accept no jobs: drained, down, reserved
    CLOSED = "closed"  # submissions are disabled
    BUSY = "busy"  # slurmctld accepts no job at the moment: MaxJobCount, rate limits
    STORAGE = "storage"  # slurmctld cannot store the job: StateSaveLocation is full or read-only
    WORK_ROOT = "work_root"  # the job directory cannot be created or written
    CONTROLLER = "controller"  # slurmctld is down, on standby, or cannot be reached
    AUTHENTICATION = "authentication"  # munge
    ACCOUNT = "account"  # the site does not know provd's Unix account, or gives it no rights
    CONFIGURATION = "configuration"  # SLURM's programs, plugins or versions do not fit together
    SLOW = "slow"  # sbatch timed out
    CONNECTION = "connection"  # the submission was transferred incompletely

    @property
    def of_queue(self) -> bool:
        """Whether the problem may concern one queue only: other queues still get jobs."""
        return self in (SiteTrouble.FULL, SiteTrouble.QUEUE)
