"""SLURM as a whole: version, daemons, settings. Pure: each check takes a Site; the first line of its docstring is in docs/doctor.md."""

from provider_daemon.doctor import vulnerable
from provider_daemon.doctor.facts import Site
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn
from provider_daemon.job.lifecycle import SUBMIT_SECONDS
from provider_daemon.slurm.commands import COMMANDS, ORDERS_A_COMMAND
from provider_daemon.slurm.query_range import MAX_WINDOWS, SPARE_SECONDS
from provider_daemon.slurm.settings import number, release

OLDEST = "22.05"  # the oldest branch that provd is tested with
MIN_JOB_AGE = 60  # slurm.conf's MinJobAge, seconds: some polls, and slurmdbd's delay
SKEW_SECONDS = 5.0
BACKLOG = 1_000  # records: slurmdbd is behind, and absence of a job cannot be proven until it has caught up
NEEDED_RANGE = 3 * 86_400  # seconds that a search by name covers: a day before a job, its life, and a day after now
FEW_WINDOWS = 10  # sacct commands in one look, a second in all
UPGRADE = "upgrade SLURM to 25.05.9, 25.11.8, 26.05.4 or newer"


def _setting(site: Site, name: str) -> str:
    return known(site.slurm.settings).get(name, "")


def commands(site: Site) -> Finding:
    """Whether SLURM's commands are found on the login node."""
    there = known(site.slurm.commands)
    missing = sorted(COMMANDS - there)
    todo = "set clusters.slurm_path to the directory of SLURM's commands on the login node"
    return judge(not missing, f"not found: {', '.join(missing)}" if missing else f"{len(there)} found", todo)


def controller(site: Site) -> Finding:
    """Whether slurmctld answers."""
    found = site.slurm.controller
    if isinstance(found, Unknown) and not found.blame:
        return fail(found.why, "see whether slurmctld runs: scontrol ping")
    return ok(f"{known(found)} answers")


def database(site: Site) -> Finding:
    """Whether slurmdbd answers, and how many records wait for it."""
    found = site.slurm.database
    if isinstance(found, Unknown) and not found.blame:
        return fail(found.why, "see whether slurmdbd and its database run; without it no job's end can be measured")
    name, waiting = known(found), known(site.slurm.backlog)
    seen = f"{name} answers, {waiting} records wait for it"
    return ok(seen) if waiting < BACKLOG else warn(seen, "look at slurmdbd's log and its database: sdiag must come down to 0")


def version(site: Site) -> Finding:
    """The versions of slurmctld and of the commands on the login node."""
    ours, theirs = known(site.slurm.version), _setting(site, "SLURM_VERSION")
    seen = f"slurmctld {theirs}, commands {ours}"
    if release(theirs)[0] < OLDEST:
        return fail(seen, f"upgrade SLURM: provd is tested with {OLDEST} and newer")
    return judge(release(ours)[0] <= release(theirs)[0], seen, "upgrade slurmctld: commands may not be newer than the daemons")


def vulnerabilities(site: Site) -> Finding:
    """Known vulnerabilities of slurmctld's version, without those that the package's changelog says are repaired."""
    running = _setting(site, "SLURM_VERSION")
    packaged = known(site.slurm.mended) if running == known(site.slurm.version) else frozenset()
    found = vulnerable.of(running, _setting(site, "SwitchType"), packaged)
    if not found:
        return ok(f"none known of {running}" + (" as packaged here" if packaged else ""))
    branch = release(running)[0]
    seen = f"{len(found)} known of {running}: {', '.join(each.cve for each in found)}"
    repaired = [good for each in found if (good := each.fixed[branch]) is not None]
    return fail(seen, f"upgrade SLURM to {branch}.{max(repaired)} or newer") if repaired else warn(seen, UPGRADE)


def clock(site: Site) -> Finding:
    """The login node's clock against this host's."""
    skew = known(site.slurm.skew)
    seen = f"the login node's clock is {abs(skew):.1f} s {'ahead' if skew >= 0 else 'behind'}"
    return judge(abs(skew) <= SKEW_SECONDS, seen, "set both clocks by NTP")


def min_job_age(site: Site) -> Finding:
    """MinJobAge: how long squeue still shows a job that ended."""
    value = _setting(site, "MinJobAge")
    age = number(value)
    return judge(age == 0 or age >= MIN_JOB_AGE, f"MinJobAge is {age} s", "set MinJobAge=300 (its default) in slurm.conf")


def accounting_storage(site: Site) -> Finding:
    """AccountingStorageType: where usage is kept."""
    value = _setting(site, "AccountingStorageType")
    todo = "set AccountingStorageType=accounting_storage/slurmdbd in slurm.conf and run slurmdbd"
    return judge(value == "accounting_storage/slurmdbd", f"AccountingStorageType is {value or 'not set'}", todo)


def accounting_gpus(site: Site) -> Finding:
    """AccountingStorageTRES of a site with GPUs: whether their use is accounted for."""
    cards = sum(node.gpus for node in known(site.slurm.nodes))
    if not cards:
        return ok("no GPUs here")
    tracked = _setting(site, "AccountingStorageTRES").split(",")
    named = [name for name in tracked if name.startswith("gres/gpu")]
    seen = f"{cards} GPUs, AccountingStorageTRES has {', '.join(named) or 'none of them'}"
    return judge("gres/gpu" in tracked, seen, "add gres/gpu to AccountingStorageTRES in slurm.conf: unaccounted GPUs are never paid")


def accounting_enforce(site: Site) -> Finding:
    """AccountingStorageEnforce: whether limits of accounts hold."""
    value = _setting(site, "AccountingStorageEnforce")
    held = {"associations", "limits", "qos", "safe", "wckeys"} & set(value.split(","))
    seen = f"AccountingStorageEnforce is {value or 'not set'}"
    return ok(seen) if held else warn(seen, "set AccountingStorageEnforce=associations,limits,qos: nobody's limits hold without it")


def rate_limit(site: Site) -> Finding:
    """SlurmctldParameters' rl_enable: how many requests a user may make."""
    options = dict(part.partition("=")[::2] for part in _setting(site, "SlurmctldParameters").split(","))
    if "rl_enable" not in options:
        return ok("slurmctld limits no requests")
    refill, period = int(options.get("rl_refill_rate") or 2), int(options.get("rl_refill_period") or 1)
    room = refill * SUBMIT_SECONDS // period
    seen = f"a user may make {refill} requests every {period} s: {room} submissions in {SUBMIT_SECONDS} s"
    return ok(seen) if room >= ORDERS_A_COMMAND else warn(seen, f"raise rl_refill_rate: provd submits {ORDERS_A_COMMAND} jobs at a time")


def private_data(site: Site) -> Finding:
    """PrivateData: what SLURM hides from our user."""
    value = _setting(site, "PrivateData") or "none"
    seen = f"PrivateData is {value}"
    todo = "take nodes out of PrivateData: provd reports nodes to the chain and may not see them"
    return judge(not {"nodes", "all"} & set(value.split(",")), seen, todo)


def containment(site: Site) -> Finding:
    """ProctrackType and PrologFlags: whether all processes of a job end with it."""
    track, flags = _setting(site, "ProctrackType"), _setting(site, "PrologFlags")
    seen = f"ProctrackType {track}, PrologFlags {flags or 'none'}"
    if track != "proctrack/cgroup":
        return warn(seen, "set ProctrackType=proctrack/cgroup: a customer's process can outlive its job otherwise")
    if "contain" not in flags.lower():
        return warn(seen, "set PrologFlags=Contain: logins to a node (pam_slurm_adopt) are in no job otherwise")
    return ok(seen)


def nodes(site: Site) -> Finding:
    """How many nodes take jobs."""
    found = known(site.slurm.nodes)
    usable = [node for node in found if node.usable]
    seen = f"{len(usable)} of {len(found)} nodes take jobs"
    return judge(bool(usable), seen, "bring a node back: sinfo -R tells why each is down or drained")


def query_range(site: Site) -> Finding:
    """MaxQueryTimeRange: how long a time one sacct may ask about."""
    seconds = known(site.slurm.query_range)
    if not seconds:
        return ok("MaxQueryTimeRange is unlimited")
    needed = NEEDED_RANGE // max(seconds - SPARE_SECONDS, 1) + 1
    seen = f"MaxQueryTimeRange is {seconds} s: a search over {NEEDED_RANGE // 86_400} days takes {needed} sacct commands"
    if needed > MAX_WINDOWS:
        return fail(seen, "raise MaxQueryTimeRange in slurmdbd.conf to a day or more: no job can be proven absent")
    return ok(seen) if needed <= FEW_WINDOWS else warn(seen, "raise MaxQueryTimeRange in slurmdbd.conf to a day or more")


def answers(site: Site) -> Finding:
    """Whether SLURM's commands print their answers and nothing else, and every record can be read."""
    odd = known(site.slurm.odd)
    if not odd:
        return ok("nothing but SLURM's own words")
    seen = "; ".join(f"{program}: {what}" for program, what in sorted(odd.items()))
    return warn(seen, "print notices on stderr, and repair the record; until then they are left out")


def qos(site: Site) -> Finding:
    """Whether the configured quality of service exists and is allowed to the account."""
    wanted = site.config.qos
    if not wanted:
        return ok("none configured: the account's default")
    if wanted not in known(site.slurm.qos):
        return fail(f"there is no QOS {wanted}", "correct clusters.qos, or: sacctmgr add qos")
    allowed = {
        name
        for each in known(site.slurm.associations)
        for name in each.qos
        if not site.config.account or each.account == site.config.account
    }
    return judge(wanted in allowed, f"allowed: {', '.join(sorted(allowed)) or 'none'}", f"sacctmgr modify account set qos+={wanted}")


def account(site: Site) -> Finding:
    """Whether the configured account exists."""
    wanted = site.config.account
    if not wanted:
        return ok("none configured: the user's default")
    return judge(known(site.slurm.account_exists), f"account {wanted}", f"correct clusters.account, or: sacctmgr add account {wanted}")


def account_user(site: Site) -> Finding:
    """Whether our user may use the account on this cluster."""
    wanted, user = site.config.account, known(site.slurm.user)
    if wanted and not known(site.slurm.account_exists):
        return skipped(f"there is no account {wanted}", "slurm-account")
    cluster = _setting(site, "ClusterName")
    found = [each for each in known(site.slurm.associations) if each.cluster == cluster and wanted in ("", each.account)]
    seen = f"user {user}, associations" + (f" with account {wanted}" if wanted else "") + f": {len(found)}"
    return judge(bool(found), seen, f"sacctmgr add user {user} account={wanted or 'ACCOUNT'}")


def job_limits(site: Site) -> Finding:
    """How many jobs the account may have in SLURM, against limits.max_jobs."""
    ours = site.config.limits.max_jobs
    held = [
        each.max_submit
        for each in known(site.slurm.associations)
        if each.max_submit is not None and site.config.account in ("", each.account)
    ]
    room = min([*held, number(_setting(site, "MaxJobCount"))])
    seen = f"SLURM takes {room} jobs, limits.max_jobs is {ours or 'not set'}"
    if (held and not ours) or ours > room:
        return warn(seen, f"set limits.max_jobs to {room} at most: more only wait outside")
    return ok(seen)
