"""Checks of the gateway and the data mover. Pure; first lines are in docs/doctor.md."""

from datetime import UTC, datetime

from provider_daemon.doctor.facts import Certificate, DataFacts, GatewayFacts, MoverFacts
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn

DAYS = 14
SKEW_SECONDS = 5.0
OTHERS = 0o007
LOW_BYTES = 10 * 1024**3


class NotConfiguredError(Exception):
    """The process of a check is not configured; the text is the missing section."""


def _gateway(data: DataFacts) -> GatewayFacts:
    if data.gateway is None:
        raise NotConfiguredError("[gateway]")
    return data.gateway


def _mover(data: DataFacts) -> MoverFacts:
    if data.mover is None:
        raise NotConfiguredError("[data]")
    return data.mover


def certificate(data: DataFacts) -> Finding:
    """The gateway's TLS certificate can be read, fits its key, and is valid for another 14 days."""
    gateway = _gateway(data)
    return judged_certificate("gateway", gateway.certificate, gateway.now)


def judged_certificate(section: str, found: Certificate | Unknown | None, now: float) -> Finding:
    """`section`: of the process that serves with the certificate."""
    if found is None:
        return ok("no TLS certificate is configured: a reverse proxy must provide HTTPS")
    if isinstance(found, Unknown):
        return fail(found.why, f"correct {section}.certificate and {section}.key, or the modes of the files")
    if found.fits is False:
        return fail(f"{section}.key is not the key of {section}.certificate", "replace both files together")
    day = datetime.fromtimestamp(found.expires, UTC).strftime("%Y-%m-%d")
    seen = f"valid until {day}" + ("" if found.fits else f"; only the {section}'s user can read the key")
    if found.expires <= now:
        return fail(
            f"expired on {day}", f"renew the certificate; the {section} reads the files again within a minute"
        )
    return ok(seen) if found.expires - now > DAYS * 86400 else warn(seen, "renew the certificate")


def answers(data: DataFacts) -> Finding:
    """The gateway answers at gateway.url, for this chain, with a clock that agrees."""
    gateway = _gateway(data)
    if isinstance(gateway.info, Unknown):
        return warn(
            f"{gateway.url}: {gateway.info.why}",
            "start provd-gateway; check gateway.url, the proxy, the firewall",
        )
    chain_id, ahead = gateway.info
    if chain_id != gateway.chain_id:
        return fail(f"{gateway.url} serves chain {chain_id}", "correct gateway.url, or restart provd-gateway")
    seen = f"{gateway.url} serves {chain_id}, its clock differs by {abs(ahead):.0f} s"
    return judge(abs(ahead) <= SKEW_SECONDS, seen, "synchronize the clocks with NTP: logins depend on them")


def uploads(data: DataFacts) -> Finding:
    """Other users cannot read uploads, and their file system has free space."""
    found = _gateway(data).uploads
    return judged_directory(found, LOW_BYTES, "gateway.uploads", "free space, or lower gateway.uploads_gb")


def judged_directory(found: tuple[int, int] | Unknown, least: int, name: str, space: str) -> Finding:
    """`found`: mode bits and free bytes. `least`: of free bytes. `space`: what to do with less."""
    mode, free = known(found)
    if mode & OTHERS:
        return fail(f"the directory has mode {mode & 0o777:04o}", f"run `chmod 750` on {name}")
    seen = f"mode {mode & 0o777:04o}, {free / 1024**3:.0f} GiB free"
    return ok(seen) if free >= least else warn(seen, space)


def transfers(data: DataFacts) -> Finding:
    """The data mover's database exists, can be read, and has this provd's schema."""
    found = _mover(data).transfers
    if isinstance(found, Unknown):
        return fail(found.why, "start provd-mover; jobs with inputs wait until then")
    return ok(found)


def loops(data: DataFacts) -> Finding:
    """Every loop of the data mover makes progress."""
    return judged_process("data", "provd-mover", _mover(data).problems, "every loop works")


def judged_process(section: str, unit: str, found: tuple[str, ...] | Unknown, fine: str) -> Finding:
    """`found`: the problems of a process's /readyz. `fine`: what there is to say without any."""
    if isinstance(found, Unknown):
        return fail(
            f"no answer at {section}.metrics_listen: {found.why}", f"start {unit}: `systemctl status {unit}`"
        )
    return judge(not found, "; ".join(found) or fine, f"see the log: `journalctl -u {unit}`")


def sites(data: DataFacts) -> Finding:
    """Python at each site reads work_root, with the staging and cache directories in it."""
    free = {name: known(fact) for name, fact in _mover(data).sites.items()}
    seen = ", ".join(f"{name}: {size / 1024**3:.0f} GiB free" for name, size in free.items())
    return ok(seen) if min(free.values()) >= LOW_BYTES else warn(seen, "free space on work_root")


def remote(data: DataFacts) -> Finding:
    """The configured IPFS gateways and S3 endpoints answer."""
    found = _mover(data).remote
    silent = [f"{url}: {why}" for url, why in found.items() if why]
    seen = ", ".join(silent) or f"{len(found)} addresses answer"
    return warn(seen, "check the address and the network; jobs with such inputs wait") if silent else ok(seen)


def images(data: DataFacts) -> Finding:
    """The programs that unpack images are installed on this host, where a launcher runs images."""
    tools = _mover(data).tools
    if missing := [name for name, there in tools.items() if not there]:
        todo = f"install {' '.join(missing)} where provd-mover runs; jobs with images wait until then"
        return fail(f"not found: {', '.join(missing)}", todo)
    return ok(f"{', '.join(tools)} found" if tools else "not needed: no launcher runs images")


def allowed_hosts(data: DataFacts) -> Finding:
    """No host of data.allowed_hosts has a private address."""
    private = _mover(data).private
    if not private:
        return ok("no host of data.allowed_hosts has a private address")
    todo = "remove them from data.allowed_hosts, unless every customer may fetch files from these hosts"
    return warn(f"hosts with private addresses: {', '.join(private)}", todo)


def not_configured(section: str) -> Finding:
    return skipped(f"not applicable: provd.toml has no {section}")
