"""How much storage a job used, and whether it exceeds its quota."""

from provider_daemon.config.model import ClusterDataConfig
from provider_daemon.transfers.rows import JobTransfer

GB = 10**9


def byte_seconds(row: JobTransfer, size: int, now: float, wall_seconds: int | None) -> int:
    """Returns the integral of the directory's size over time until now, when it has `size` bytes.

    Between two samples the size counts as the mean of both. `wall_seconds` is None at a sample while the job
    runs; the first one begins the integral. It is the job's run time at the last sample, which is taken some
    time after the end: no span is longer than the run, and a job without any sample before counts as one that
    began with an empty directory.
    """
    if row.sampled_at is None:
        return 0 if wall_seconds is None else size * wall_seconds // 2
    span = max(0.0, now - row.sampled_at)
    if wall_seconds is not None:
        span = min(span, wall_seconds)
    return row.transfer.storage_byte_seconds + int((row.storage_bytes + size) * span / 2)


def over_quota(size: int, inodes: int, limits: ClusterDataConfig) -> str:
    """Returns which limit a job's directory exceeds, for its customer; "" if none."""
    if limits.scratch_quota_gb and size > limits.scratch_quota_gb * GB:
        return (
            f"the job's directory has {size / GB:.1f} GB, and this cluster allows "
            f"{limits.scratch_quota_gb} GB"
        )
    if limits.inodes and inodes > limits.inodes:
        return (
            f"the job's directory has {inodes} files and directories, and this cluster allows {limits.inodes}"
        )
    return ""
