"""The check of the newest site audit. Pure; its first line is in docs/doctor.md."""

from provider_daemon.config.fingerprint import fingerprint
from provider_daemon.doctor.facts import SiteFacts
from provider_daemon.doctor.finding import Finding, known, ok, warn

MAX_AGE = 30 * 86_400.0  # seconds
REMEDY = "run `provd site audit`"


def site_audit(site: SiteFacts) -> Finding:
    """The newest `provd site audit` is recent, fits configuration and SLURM, and found nothing open."""
    audit = known(site.audit)
    if audit is None:
        return warn("the site was never audited", REMEDY)
    days = site.audited_ago / 86_400
    seen = (
        f"audited {days:.0f} days ago: {audit.closed} closed, {audit.open} open, {audit.not_tried} not tried"
    )
    if site.audited_ago > MAX_AGE:
        return warn(seen, REMEDY)
    if audit.configuration != fingerprint(site.config):
        return warn(f"{seen}; the configuration of the cluster has changed since", REMEDY)
    version = known(site.slurm.settings).get("SLURM_VERSION", "")
    if audit.slurm_version != version:
        return warn(f"{seen}; SLURM was {audit.slurm_version} then, and is {version}", REMEDY)
    if audit.open or audit.not_tried:
        return warn(seen, f"{REMEDY}: it prints advice for each row that is open or was not tried")
    return ok(seen)
