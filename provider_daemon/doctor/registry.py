"""Lists every check, by section and in display order, and applies the checks to the gathered facts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from provider_daemon.doctor import (
    audit_checks,
    chain_checks,
    collector_checks,
    data_checks,
    host_checks,
    key_checks,
    ledger_checks,
    market_checks,
    place_checks,
    slurm_checks,
    ssh_checks,
    users_checks,
)
from provider_daemon.doctor.facts import Scene
from provider_daemon.doctor.finding import Finding, NotKnownError, fail, skipped
from provider_daemon.errors import ProvdError

NOT_CHECKED = "not checked: fix the error above first"


@dataclass(frozen=True, slots=True)
class Check:
    """`looks_at` is the description of the check in docs/doctor.md."""

    name: str
    section: str
    function: Callable[[Any], Finding]

    @property
    def looks_at(self) -> str:
        return (self.function.__doc__ or "").splitlines()[0]


def _checks(section: str, functions: dict[str, Callable[[Any], Finding]]) -> tuple[Check, ...]:
    return tuple(Check(name, section, function) for name, function in functions.items())


CHECKS: tuple[Check, ...] = (
    *_checks(
        "host",
        {
            "host-python": host_checks.python,
            "host-config-file": host_checks.config_file,
            "host-secret-files": host_checks.secret_files,
            "host-open-ports": host_checks.open_ports,
            "host-systemd": host_checks.unit,
            "host-watchdog": host_checks.watchdog,
        },
    ),
    *_checks(
        "ledger",
        {
            "ledger-opens": ledger_checks.opens,
            "ledger-schema": ledger_checks.schema,
            "ledger-integrity": ledger_checks.integrity,
            "ledger-chain": ledger_checks.owner,
            "ledger-disk": ledger_checks.disk,
            "ledger-modes": ledger_checks.modes,
            "ledger-lock": ledger_checks.lock,
            "ledger-control": ledger_checks.control,
        },
    ),
    *_checks(
        "chain",
        {
            "chain-endpoints": chain_checks.endpoints,
            "chain-id": chain_checks.chain_id,
            "chain-sync": chain_checks.sync,
            "chain-height-age": chain_checks.height_age,
            "chain-heights-agree": chain_checks.heights_agree,
            "chain-quorum": chain_checks.quorum,
            "chain-clock": chain_checks.clock,
            "chain-queries": chain_checks.queries,
            "chain-index": chain_checks.index,
            "chain-gas-price": chain_checks.gas_price,
            "chain-settlement": chain_checks.settlement,
        },
    ),
    *_checks(
        "account",
        {
            "account-key": key_checks.key,
            "account-exists": key_checks.account,
            "account-funds": key_checks.funds,
            "account-runway": key_checks.runway,
            "account-foreign": key_checks.foreign,
            "account-recipient-key": key_checks.recipient,
        },
    ),
    *_checks(
        "ssh",
        {
            "ssh-key-file": ssh_checks.key_file,
            "ssh-host-key": ssh_checks.host_key,
            "ssh-login": ssh_checks.login,
            "ssh-sessions": ssh_checks.sessions,
            "ssh-round-trip": ssh_checks.round_trip,
        },
    ),
    *_checks(
        "slurm",
        {
            "slurm-commands": slurm_checks.commands,
            "slurm-controller": slurm_checks.controller,
            "slurm-database": slurm_checks.database,
            "slurm-answers": slurm_checks.answers,
            "slurm-version": slurm_checks.version,
            "slurm-vulnerabilities": slurm_checks.vulnerabilities,
            "slurm-clock": slurm_checks.clock,
            "slurm-min-job-age": slurm_checks.min_job_age,
            "slurm-accounting-storage": slurm_checks.accounting_storage,
            "slurm-query-range": slurm_checks.query_range,
            "slurm-accounting-gpus": slurm_checks.accounting_gpus,
            "slurm-accounting-enforce": slurm_checks.accounting_enforce,
            "slurm-rate-limit": slurm_checks.rate_limit,
            "slurm-private-data": slurm_checks.private_data,
            "slurm-containment": slurm_checks.containment,
            "slurm-nodes": slurm_checks.nodes,
            "slurm-account": slurm_checks.account,
            "slurm-account-user": slurm_checks.account_user,
            "slurm-qos": slurm_checks.qos,
            "slurm-job-limits": slurm_checks.job_limits,
            "slurm-partitions": place_checks.partitions,
            "slurm-partitions-up": place_checks.partitions_up,
            "slurm-submission": place_checks.submission,
            "slurm-work-root": place_checks.work_root,
            "slurm-work-root-shared": place_checks.work_root_shared,
            "slurm-work-root-space": place_checks.work_root_space,
            "slurm-launchers": place_checks.launchers,
            "slurm-templates": place_checks.templates,
            "slurm-site-audit": audit_checks.site_audit,
        },
    ),
    *_checks(
        "users",
        {
            "users-exist": users_checks.exist,
            "users-homes": users_checks.homes,
            "users-directories": users_checks.directories,
            "users-associations": users_checks.associations,
            "users-coordinator": users_checks.coordinator,
            "users-logins": users_checks.logins,
        },
    ),
    *_checks(
        "market",
        {
            "market-cluster": market_checks.cluster,
            "market-owner": market_checks.owner,
            "market-active": market_checks.active,
            "market-total-nodes": market_checks.total_nodes,
            "market-offerings": market_checks.offerings,
            "market-limits": market_checks.offering_limits,
            "market-workloads": market_checks.offering_workloads,
            "market-parameters": market_checks.parameters,
            "market-customers": market_checks.customers,
        },
    ),
    *_checks(
        "data",
        {
            "data-certificate": data_checks.certificate,
            "data-gateway": data_checks.answers,
            "data-uploads": data_checks.uploads,
            "data-transfers": data_checks.transfers,
            "data-mover": data_checks.loops,
            "data-sites": data_checks.sites,
            "data-remote": data_checks.remote,
            "data-images": data_checks.images,
            "data-allowed-hosts": data_checks.allowed_hosts,
            "data-collector-certificate": collector_checks.certificate,
            "data-collector": collector_checks.answers,
            "data-collector-ready": collector_checks.ready,
            "data-collector-path": collector_checks.directory,
            "data-agents": collector_checks.agents,
        },
    ),
)
NAMES = frozenset(check.name for check in CHECKS)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`subject` is the name of the checked cluster or key; "" if there is only one of a kind."""

    check: Check
    subject: str
    finding: Finding


def subjects(scene: Scene, section: str) -> Sequence[tuple[str, object]]:
    """Returns (subject, its facts) for each run of a section's checks."""
    match section:
        case "host":
            return [("", scene.host)]
        case "ledger":
            return [("", scene.ledger)]
        case "chain":
            return [("", scene.chain)]
        case "account":
            return [(key.name, key) for key in scene.keys]
        case "data":
            return [("", scene.data)]
        case _:
            return [(site.config.name, site) for site in scene.sites]


def examine(scene: Scene) -> Iterator[CheckResult]:
    """Applies every check to each of its subjects."""
    for check in CHECKS:
        for subject, facts in subjects(scene, check.section):
            yield CheckResult(check, subject, judged(check, facts))


def judged(check: Check, facts: object) -> Finding:
    """A missing fact skips the check if another check reports the cause (`cause`), and fails it otherwise."""
    try:
        return check.function(facts)
    except NotKnownError as missing:
        unknown = missing.unknown
        return skipped(unknown.why, unknown.cause) if unknown.cause else fail(unknown.why, NOT_CHECKED)
    except ssh_checks.NoSshError:
        return skipped("not applicable: provd runs on the login node, without SSH")
    except users_checks.SharedError:
        return users_checks.shared()
    except data_checks.NotConfiguredError as error:
        return data_checks.not_configured(str(error))
    except market_checks.NoClusterError:
        return skipped("the cluster is not registered on chain", "market-cluster")
    except (ProvdError, ValueError) as error:
        return fail(str(error), NOT_CHECKED)


def chosen(rows: Sequence[CheckResult], only: Sequence[str]) -> list[CheckResult]:
    """Returns the rows of the named checks, and of the checks that report why one of them was skipped."""
    if not only:
        return list(rows)
    told = {row.finding.cause for row in rows if row.check.name in only and row.finding.cause}
    return [row for row in rows if row.check.name in only or row.check.name in told]
