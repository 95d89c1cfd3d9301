"""Checks of SLURM's version, daemons and settings. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor import vulnerable
from provider_daemon.doctor.facts import SiteFacts
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn
from provider_daemon.job.lifecycle import SUBMIT_SECONDS
from provider_daemon.slurm.commands import COMMANDS, ORDERS_A_COMMAND
from provider_daemon.slurm.parse_config import number, release
from provider_daemon.slurm.query_range import MAX_WINDOWS, SPARE_SECONDS

OLDEST = "22.05"  # the oldest branch that provd is tested with
MIN_JOB_AGE = 60  # slurm.conf's MinJobAge in seconds: several polls, and slurmdbd's delay
SKEW_SECONDS = 5.0
BACKLOG = 1_000  # records: slurmdbd is behind, and no job's absence can be proven until it has caught up
# Period of a search by name in seconds: a day before a job, its run time, and a day after now.
NEEDED_RANGE = 3 * 86_400
FEW_WINDOWS = 10  # sacct commands per poll, a second in all
UPGRADE = "upgrade SLURM to 25.05.9, 25.11.8, 26.05.4 or newer"


def _setting(site: SiteFacts, name: str) -> str:
    return known(site.slurm.settings).get(name, "")


def commands(site: SiteFacts) -> Finding:
    """SLURM's commands are found on the login node."""
    there = known(site.slurm.commands)
    missing = sorted(COMMANDS - there)
    todo = "set clusters.slurm_path to the directory with SLURM's commands on the login node"
    return judge(
        not missing, f"not found: {', '.join(missing)}" if missing else f"{len(there)} commands found", todo
    )


def controller(site: SiteFacts) -> Finding:
    """slurmctld answers."""
    found = site.slurm.controller
    if isinstance(found, Unknown) and not found.cause:
        return fail(found.why, "check that slurmctld runs: `scontrol ping`")
    return ok(f"{known(found)} answers")


def database(site: SiteFacts) -> Finding:
    """slurmdbd answers and is not behind with its records."""
    found = site.slurm.database
    if isinstance(found, Unknown) and not found.cause:
        return fail(found.why, "check that slurmdbd and its database run; provd needs them to report usage")
    name, waiting = known(found), known(site.slurm.backlog)
    seen = f"{name} answers, {waiting} records are queued for it"
    return (
        ok(seen)
        if waiting < BACKLOG
        else warn(seen, "check slurmdbd's log and database until `sdiag` shows a DBD agent queue size near 0")
    )


def version(site: SiteFacts) -> Finding:
    """The versions of slurmctld and of the login node's commands are supported."""
    ours, theirs = known(site.slurm.version), _setting(site, "SLURM_VERSION")
    seen = f"slurmctld {theirs}, commands {ours}"
    if release(theirs)[0] < OLDEST:
        return fail(seen, f"upgrade SLURM: provd is tested with {OLDEST} and newer")
    return judge(
        release(ours)[0] <= release(theirs)[0],
        seen,
        "upgrade slurmctld: the commands must not be newer than the daemons",
    )


def vulnerabilities(site: SiteFacts) -> Finding:
    """slurmctld's version has no known vulnerability that its package's changelog does not list as fixed."""
    running = _setting(site, "SLURM_VERSION")
    packaged = known(site.slurm.mended) if running == known(site.slurm.version) else frozenset()
    found = vulnerable.of(running, _setting(site, "SwitchType"), packaged)
    if not found:
        return ok(f"no known vulnerability in {running}" + (" as packaged here" if packaged else ""))
    branch = release(running)[0]
    seen = f"{len(found)} known vulnerabilities in {running}: {', '.join(each.cve for each in found)}"
    repaired = [good for each in found if (good := each.fixed[branch]) is not None]
    return (
        fail(seen, f"upgrade SLURM to {branch}.{max(repaired)} or newer") if repaired else warn(seen, UPGRADE)
    )


def clock(site: SiteFacts) -> Finding:
    """The login node's clock and this host's clock agree."""
    skew = known(site.slurm.skew)
    seen = f"the login node's clock is {abs(skew):.1f} s {'ahead' if skew >= 0 else 'behind'}"
    return judge(abs(skew) <= SKEW_SECONDS, seen, "synchronize both clocks with NTP")


def min_job_age(site: SiteFacts) -> Finding:
    """MinJobAge keeps finished jobs in squeue long enough."""
    value = _setting(site, "MinJobAge")
    age = number(value)
    return judge(
        age == 0 or age >= MIN_JOB_AGE,
        f"MinJobAge is {age} s",
        "set MinJobAge=300 (its default) in slurm.conf",
    )


def accounting_storage(site: SiteFacts) -> Finding:
    """AccountingStorageType stores usage in slurmdbd."""
    value = _setting(site, "AccountingStorageType")
    todo = "set AccountingStorageType=accounting_storage/slurmdbd in slurm.conf and run slurmdbd"
    return judge(
        value == "accounting_storage/slurmdbd", f"AccountingStorageType is {value or 'not set'}", todo
    )


def accounting_gpus(site: SiteFacts) -> Finding:
    """AccountingStorageTRES includes gres/gpu where the site has GPUs."""
    cards = sum(node.gpus for node in known(site.slurm.nodes))
    if not cards:
        return ok("the site has no GPUs")
    tracked = _setting(site, "AccountingStorageTRES").split(",")
    named = [name for name in tracked if name.startswith("gres/gpu")]
    seen = f"the site has {cards} GPUs, AccountingStorageTRES includes {', '.join(named) or 'no gres/gpu'}"
    return judge(
        "gres/gpu" in tracked,
        seen,
        "add gres/gpu to AccountingStorageTRES in slurm.conf; otherwise SLURM records no GPU use, and nobody "
        "is billed for it",
    )


def accounting_enforce(site: SiteFacts) -> Finding:
    """AccountingStorageEnforce makes SLURM enforce account limits."""
    value = _setting(site, "AccountingStorageEnforce")
    held = {"associations", "limits", "qos", "safe", "wckeys"} & set(value.split(","))
    seen = f"AccountingStorageEnforce is {value or 'not set'}"
    return (
        ok(seen)
        if held
        else warn(
            seen,
            (
                "set AccountingStorageEnforce=associations,limits,qos in slurm.conf; otherwise SLURM "
                "enforces no limits"
            ),
        )
    )


def rate_limit(site: SiteFacts) -> Finding:
    """SLURM's rate limit (SlurmctldParameters=rl_enable) allows a batch of submissions."""
    options = dict(part.partition("=")[::2] for part in _setting(site, "SlurmctldParameters").split(","))
    if "rl_enable" not in options:
        return ok("slurmctld has no rate limit")
    refill, period = int(options.get("rl_refill_rate") or 2), int(options.get("rl_refill_period") or 1)
    room = refill * SUBMIT_SECONDS // period
    seen = (
        f"the rate limit allows {refill} requests every {period} s per user: {room} submissions in "
        f"{SUBMIT_SECONDS} s"
    )
    return (
        ok(seen)
        if room >= ORDERS_A_COMMAND
        else warn(
            seen, f"increase rl_refill_rate: provd submits up to {ORDERS_A_COMMAND} jobs in one command"
        )
    )


def private_data(site: SiteFacts) -> Finding:
    """PrivateData does not hide nodes from provd's user."""
    value = _setting(site, "PrivateData") or "none"
    seen = f"PrivateData is {value}"
    todo = (
        "remove nodes from PrivateData in slurm.conf: provd must see the nodes that it reports to the chain"
    )
    return judge(not {"nodes", "all"} & set(value.split(",")), seen, todo)


def containment(site: SiteFacts) -> Finding:
    """ProctrackType and PrologFlags end all processes of a job with the job."""
    track, flags = _setting(site, "ProctrackType"), _setting(site, "PrologFlags")
    seen = f"ProctrackType is {track}, PrologFlags is {flags or 'not set'}"
    if track != "proctrack/cgroup":
        return warn(
            seen,
            (
                "set ProctrackType=proctrack/cgroup in slurm.conf; otherwise a customer's process can "
                "outlive its job"
            ),
        )
    if "contain" not in flags.lower():
        return warn(
            seen,
            (
                "set PrologFlags=Contain in slurm.conf; otherwise SSH sessions on a node (pam_slurm_adopt) "
                "belong to no job"
            ),
        )
    return ok(seen)


def nodes(site: SiteFacts) -> Finding:
    """At least one node accepts jobs."""
    found = known(site.slurm.nodes)
    usable = [node for node in found if node.usable]
    seen = f"{len(usable)} of {len(found)} nodes accept jobs"
    return judge(bool(usable), seen, "bring a node back; `sinfo -R` shows why each is down or drained")


def query_range(site: SiteFacts) -> Finding:
    """MaxQueryTimeRange allows sacct to search several days in a few commands."""
    seconds = known(site.slurm.query_range)
    if not seconds:
        return ok("MaxQueryTimeRange is unlimited")
    needed = NEEDED_RANGE // max(seconds - SPARE_SECONDS, 1) + 1
    seen = (
        f"MaxQueryTimeRange is {seconds} s: a search over {NEEDED_RANGE // 86_400} days needs {needed} "
        "sacct commands"
    )
    if needed > MAX_WINDOWS:
        return fail(
            seen,
            (
                "set MaxQueryTimeRange in slurmdbd.conf to 1-0 (a day) or more; otherwise provd cannot "
                "prove that a job does not exist"
            ),
        )
    return (
        ok(seen)
        if needed <= FEW_WINDOWS
        else warn(seen, "set MaxQueryTimeRange in slurmdbd.conf to 1-0 (a day) or more")
    )


def answers(site: SiteFacts) -> Finding:
    """SLURM's commands print valid records and nothing else."""
    odd = known(site.slurm.odd)
    if not odd:
        return ok("every line is a valid SLURM record")
    seen = "; ".join(f"{program}: {what}" for program, what in sorted(odd.items()))
    return warn(
        seen,
        "make wrappers of SLURM's commands print their notices to stderr, and check the named records; "
        "provd ignores such lines and records",
    )


def qos(site: SiteFacts) -> Finding:
    """The configured QOS exists and the account may use it."""
    wanted = site.config.qos
    if not wanted:
        return ok("clusters.qos is not set: the account's default applies")
    if wanted not in known(site.slurm.qos):
        return fail(
            f"QOS {wanted} does not exist", f"correct clusters.qos, or run `sacctmgr add qos {wanted}`"
        )
    allowed = {
        name
        for each in known(site.slurm.associations)
        for name in each.qos
        if not site.config.account or each.account == site.config.account
    }
    return judge(
        wanted in allowed,
        f"the account may use QOS {', '.join(sorted(allowed)) or 'none'}",
        f"run `sacctmgr modify account {site.config.account} set qos+={wanted}`",
    )


def account(site: SiteFacts) -> Finding:
    """The configured SLURM account exists."""
    wanted = site.config.account
    if not wanted:
        return ok("clusters.account is not set: the user's default applies")
    there = known(site.slurm.account_exists)
    return judge(
        there,
        f"account {wanted} {'exists' if there else 'does not exist'}",
        f"correct clusters.account, or run `sacctmgr add account {wanted}`",
    )


def account_user(site: SiteFacts) -> Finding:
    """provd's SLURM user may use the account on this cluster."""
    wanted, user = site.config.account, known(site.slurm.user)
    if wanted and not known(site.slurm.account_exists):
        return skipped(f"account {wanted} does not exist", "slurm-account")
    cluster = _setting(site, "ClusterName")
    found = [
        each
        for each in known(site.slurm.associations)
        if each.cluster == cluster and wanted in ("", each.account)
    ]
    seen = f"user {user} has {len(found)} associations" + (f" with account {wanted}" if wanted else "")
    return judge(bool(found), seen, f"run `sacctmgr add user {user} account={wanted or 'ACCOUNT'}`")


def job_limits(site: SiteFacts) -> Finding:
    """limits.max_jobs does not exceed SLURM's own job limit."""
    ours = site.config.limits.max_jobs
    held = [
        each.max_submit
        for each in known(site.slurm.associations)
        if each.max_submit is not None and site.config.account in ("", each.account)
    ]
    room = min([*held, number(_setting(site, "MaxJobCount"))])
    seen = f"SLURM accepts {room} jobs, limits.max_jobs is {ours or 'not set'}"
    if (held and not ours) or ours > room:
        return warn(seen, f"set limits.max_jobs to {room} or less; SLURM rejects jobs beyond its limit")
    return ok(seen)
