"""What of a site stands in the way of every submission: a fixed word each, for logs, troubles and labels."""

from enum import StrEnum


class SiteTrouble(StrEnum):
    FULL = "full"  # the site's account holds as many jobs as it may
    QUEUE = "queue"  # one partition, or what it has, accepts no jobs: drained, down, reserved
    CLOSED = "closed"  # submissions are switched off
    BUSY = "busy"  # slurmctld accepts no job at the moment: MaxJobCount, rate limits
    STORAGE = "storage"  # slurmctld cannot store the job: StateSaveLocation is full or read-only
    WORK_ROOT = "work_root"  # the job directory cannot be made or written
    CONTROLLER = "controller"  # slurmctld is down, standby, or lost on the way
    AUTHENTICATION = "authentication"  # munge
    ACCOUNT = "account"  # the site does not know our Unix account, or gives it no rights
    CONFIGURATION = "configuration"  # SLURM's programs, plugins or versions do not fit together
    SLOW = "slow"  # sbatch did not end in time
    CONNECTION = "connection"  # the submission did not arrive whole

    @property
    def of_queue(self) -> bool:
        """It may concern one queue alone: jobs of other queues are still submitted."""
        return self in (SiteTrouble.FULL, SiteTrouble.QUEUE)
