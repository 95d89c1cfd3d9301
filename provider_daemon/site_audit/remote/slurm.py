"""SLURM's commands, run from inside the job."""

import subprocess
from typing import List, Tuple

from provider_daemon.site_audit.remote.report import ABSENT, REACHED, REFUSED, SKIPPED, Attempt

SECONDS, CONTACT_SECONDS = 15, 5
DENIALS = ("denied", "not permitted", "Invalid user", "Invalid account")


def ran(*argv: str, seconds: float = SECONDS) -> Tuple[int, str]:
    """Returns (exit code, output)."""
    done = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output = done.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        done.kill()
        output = done.communicate()[0]
    return done.returncode, " ".join(output.decode("utf-8", "replace").split())


def tried(*argv: str) -> Attempt:
    """Refused is SLURM's denial. Absent: SLURM could not be asked from here with these commands."""
    try:
        code, output = ran(*argv)
    except FileNotFoundError:
        return ABSENT, "the job has no %s" % argv[0]
    except OSError as error:
        return SKIPPED, "%s: %s" % (argv[0], error)
    if code == 0:
        return REACHED, "%s succeeded %s" % (argv[0], output[-120:])
    denied = any(word in output for word in DENIALS)
    return (REFUSED if denied else ABSENT), "%s: %s" % (argv[0], output[-160:])


def contact() -> str:
    """Returns why no command of this job reaches slurmctld, or "". Without a configuration each tries for a
    minute."""
    try:
        code, output = ran("scontrol", "ping", seconds=CONTACT_SECONDS)
    except OSError as error:
        return "the job has no scontrol (%s)" % error.strerror
    return "scontrol ping: %s" % output[-160:] if code else ""


def submission(name: str, account: str, partition: str) -> Attempt:
    """Submits a job that never starts: it is held. provd cancels it."""
    options: List[str] = ["--account=%s" % account] if account else []
    options += ["--partition=%s" % partition] if partition else []
    return tried(
        "sbatch",
        "--parsable",
        "--hold",
        "--job-name=%s" % name,
        "--time=1",
        "--output=/dev/null",
        *options,
        "--wrap=true",
    )
