"""For every check at least one scene in which exactly that check is red, and how red."""

from dataclasses import replace

from provider_daemon.config.customers import CustomerExceptionConfig, CustomersConfig
from provider_daemon.config.model import LimitsConfig
from provider_daemon.doctor.facts import Certificate, Offered, Parameters, PoolFacts, Scene
from provider_daemon.doctor.finding import CheckOutcome, Unknown
from provider_daemon.encryption.watch import OwnKey, OwnKeyStatus
from provider_daemon.job.payment import ChainSettlement
from provider_daemon.ports import Preconfigured, Queue
from provider_daemon.slurm.parse_config import Association, Partition, WorkRoot
from provider_daemon.slurm.parse_pool import Place
from tests.unit.doctor import healthy
from tests.unit.doctor.healthy import (
    ANOTHER,
    NOW,
    OFFERING,
    OURS,
    RECIPIENT_KEY,
    SLURM,
    audited,
    both_endpoints,
    chain,
    cluster,
    collector,
    endpoint,
    gateway,
    host,
    key,
    ledger,
    mover,
    node,
    offering,
    record,
    setting,
    site,
    slurm,
    ssh,
)

FAIL, WARN = CheckOutcome.FAIL, CheckOutcome.WARN
WITH_PROLOGUE = cluster(prologue=["module load apptainer"]).sites[0].config
NORMAL = Association("lab", "provd", "", ("normal",), 200)


def behind(cause: str) -> Unknown:
    return Unknown("not looked at", cause)


def no_pool(cause: str, *fields: str) -> PoolFacts:
    return replace(healthy.POOL, **dict.fromkeys(fields, behind(cause)))  # type: ignore[arg-type] # by name


def pool(**changes: object) -> Scene:
    return site(pool=replace(healthy.POOL, **changes))  # type: ignore[arg-type] # by name


def places(**changes: Place) -> Scene:
    """The pool with other places in work_root: `root` is work_root itself, `leases` its .provd-leases."""
    names = {"root": ".", "leases": ".provd-leases"}
    found = replace(
        healthy.PLACES,
        places=dict(healthy.PLACES.places) | {names.get(key, key): place for key, place in changes.items()},
    )
    return pool(places=found)


def no_way(cause: str, **facts: Unknown) -> Scene:
    """Nothing of a login node is known, for the reason that `facts` hold."""
    lost = dict.fromkeys(("host_key", "login", "round_trip", "sessions"), behind(cause)) | facts
    nothing = replace(SLURM, **dict.fromkeys(SLURM.__dataclass_fields__, behind(cause)))
    scene = ssh(**lost)
    lost_pool = no_pool(cause, "places", "associations", "coordinators", "logins")
    return replace(scene, sites=(replace(scene.sites[0], slurm=nothing, pool=lost_pool),))


def no_commands() -> Scene:
    nothing = dict.fromkeys(SLURM.__dataclass_fields__, behind("slurm-commands"))
    scene = slurm(**{**nothing, "commands": frozenset({"sbatch"})})
    lost = no_pool("slurm-commands", "associations", "coordinators")
    return replace(scene, sites=(replace(scene.sites[0], pool=lost),))


def no_database() -> Scene:
    lost = dict.fromkeys(
        ("user", "associations", "account_exists", "qos", "query_range"), behind("slurm-database")
    )
    scene = slurm(database=Unknown("Connection refused"), **lost)
    lost_pool = no_pool("slurm-database", "associations", "coordinators")
    return replace(scene, sites=(replace(scene.sites[0], pool=lost_pool),))


def no_controller() -> Scene:
    lost = dict.fromkeys(
        ("settings", "backlog", "partitions", "nodes", "node_hosts", "trials", "odd"),
        behind("slurm-controller"),
    )
    return slurm(controller=Unknown("Unable to contact slurm controller"), **lost)


def no_endpoint() -> Scene:
    """Nothing of a chain is known."""
    lost = behind("chain-endpoints")
    made = both_endpoints(problem="UNAVAILABLE: connection refused")
    facts = replace(made.chain, wired=lost, indexed=lost, store=lost, gas_price=lost)
    keys = healthy.key(
        exists=lost, balance=lost, gas_price=lost, daily=lost, foreign=lost, recipient=lost
    ).keys
    return replace(site(record=lost, offered=lost, parameters=lost), chain=facts, keys=keys)


def no_key() -> Scene:
    lost = dict.fromkeys(
        ("exists", "balance", "gas_price", "daily", "foreign", "recipient"), behind("account-key")
    )
    return replace(
        site(address=behind("account-key")),
        keys=key(address=Unknown("/etc/provd/key: wrong passphrase"), **lost).keys,
    )


BROKEN: dict[str, list[tuple[CheckOutcome, Scene]]] = {
    "host-python": [(FAIL, host(python=(3, 10, 4))), (FAIL, host(python=(3, 16, 0)))],
    "host-config-file": [(FAIL, host(config_modes={"/etc/provd/provd.toml": 0o100664}))],
    "host-secret-files": [
        (FAIL, host(secret_modes={"/etc/provd/key": 0o100640})),
        (FAIL, host(secret_modes={"/etc/provd/key": Unknown("No such file or directory")})),
    ],
    "host-open-ports": [
        (FAIL, host(listens={"metrics.listen": address}))
        for address in ("0.0.0.0:9464", "[::]:9464", "192.0.2.7:9464", "provd.example.org:9464")
    ],
    "host-systemd": [
        (FAIL, host(unit={"LoadState": "not-found"})),
        (WARN, host(unit=healthy.UNIT | {"UnitFileState": "disabled"})),
    ],
    "host-watchdog": [(FAIL, host(unit=healthy.UNIT | {"WatchdogUSec": "0"}))],
    "ledger-opens": [
        (
            FAIL,
            ledger(
                opens=Unknown("unable to open database file"),
                **dict.fromkeys(("schema", "problems", "owner"), behind("ledger-opens")),
            ),
        )
    ],
    "ledger-schema": [
        (FAIL, ledger(schema=1, **dict.fromkeys(("problems", "owner"), behind("ledger-schema")))),
        (FAIL, ledger(schema=3)),
    ],
    "ledger-integrity": [(FAIL, ledger(problems=("JOB-1: its row cannot be read",)))],
    "ledger-chain": [(FAIL, ledger(owner="another-1"))],
    "ledger-disk": [(FAIL, ledger(free=50 * 1024**2)), (WARN, ledger(free=500 * 1024**2))],
    "ledger-modes": [(FAIL, ledger(modes={"/var/lib/provd/ledger.sqlite": 0o100644}))],
    "ledger-control": [
        (FAIL, ledger(control=replace(healthy.CONTROL, mode=0, owner="", group="", answers=False))),
        (FAIL, ledger(control=replace(healthy.CONTROL, mode=0o666))),
        (FAIL, ledger(control=replace(healthy.CONTROL, answers=False))),
    ],
    "ledger-lock": [
        (WARN, ledger(holder=0)),
        (
            WARN,
            ledger(
                holder=0, **dict.fromkeys(("opens", "schema", "problems", "owner"), behind("ledger-lock"))
            ),
        ),
    ],
    "chain-endpoints": [(WARN, endpoint(problem="UNAVAILABLE: connection refused")), (FAIL, no_endpoint())],
    "chain-id": [(FAIL, endpoint(chain_id="another-1"))],
    "chain-sync": [(FAIL, endpoint(syncing=True, height=7, time=NOW - 10**6))],
    "chain-height-age": [(FAIL, both_endpoints(time=NOW - 31))],
    "chain-heights-agree": [(WARN, endpoint(height=997))],
    "chain-quorum": [(WARN, chain(quorum=1))],
    "chain-clock": [(FAIL, endpoint(time=NOW + 6))],
    "chain-queries": [(FAIL, chain(store=False))],
    "chain-index": [(WARN, chain(indexed=False))],
    "chain-gas-price": [(WARN, chain(gas_price=0.0))],
    "chain-settlement": [(WARN, chain(settlement=ChainSettlement.PROMISE))],
    "account-key": [(FAIL, no_key())],
    "account-exists": [(FAIL, key(exists=False, balance=0))],
    "account-funds": [(FAIL, key(balance=2_499)), (FAIL, key(balance=0, gas_price=0.0))],
    "account-runway": [(WARN, key(balance=6_900_000)), (FAIL, key(balance=900_000))],
    "account-foreign": [(FAIL, key(foreign=("AB" * 32,)))],
    "account-recipient-key": [
        (FAIL, key(recipient=OwnKey(OwnKeyStatus.FOREIGN, RECIPIENT_KEY))),
        (FAIL, key(recipient=Unknown("recipient key /etc/provd/recipient.key: no age identity"))),
        (WARN, key(recipient=OwnKey(OwnKeyStatus.MISSING))),
        *(
            (WARN, key(recipient=OwnKey(status, RECIPIENT_KEY)))
            for status in OwnKeyStatus
            if status not in (OwnKeyStatus.USABLE, OwnKeyStatus.FOREIGN, OwnKeyStatus.MISSING)
        ),
    ],
    "ssh-key-file": [
        (FAIL, ssh(key_mode=0o100644)),
        (FAIL, no_way("ssh-key-file", key_mode=Unknown("No such file or directory"))),
    ],
    "ssh-host-key": [(FAIL, no_way("ssh-host-key", host_key=Unknown("the host key is not the pinned one")))],
    "ssh-login": [(FAIL, no_way("ssh-login", login=Unknown("the login is refused")))],
    "ssh-sessions": [(FAIL, ssh(sessions=2))],
    "ssh-round-trip": [(WARN, ssh(round_trip=0.6))],
    "slurm-commands": [(FAIL, no_commands())],
    "slurm-controller": [(FAIL, no_controller())],
    "slurm-database": [(FAIL, no_database()), (WARN, slurm(backlog=1000))],
    "slurm-answers": [(WARN, slurm(odd={"squeue": "2 lines that are not SLURM's: NOTICE: maintenance"}))],
    "slurm-version": [
        (FAIL, slurm(version="20.11.9", settings={**healthy.SETTINGS, "SLURM_VERSION": "20.11.9"})),
        (FAIL, slurm(version="26.05.5")),
    ],
    "slurm-vulnerabilities": [
        (FAIL, slurm(version="25.11.7", settings={**healthy.SETTINGS, "SLURM_VERSION": "25.11.7"})),
        (WARN, slurm(version="24.11.5", settings={**healthy.SETTINGS, "SLURM_VERSION": "24.11.5"})),
    ],
    "slurm-clock": [(FAIL, slurm(skew=6.0)), (FAIL, slurm(skew=-6.0))],
    "slurm-min-job-age": [(FAIL, setting("MinJobAge", "2 sec"))],
    "slurm-accounting-storage": [(FAIL, setting("AccountingStorageType", "accounting_storage/none"))],
    "slurm-query-range": [(WARN, slurm(query_range=3600)), (FAIL, slurm(query_range=600))],
    "slurm-accounting-gpus": [(FAIL, setting("AccountingStorageTRES", "cpu,mem,energy,node,billing"))],
    "slurm-accounting-enforce": [(WARN, setting("AccountingStorageEnforce", "none"))],
    "slurm-rate-limit": [(WARN, setting("SlurmctldParameters", "rl_enable,rl_refill_rate=1"))],
    "slurm-private-data": [(FAIL, setting("PrivateData", "jobs,nodes"))],
    "slurm-containment": [
        (WARN, setting("ProctrackType", "proctrack/linuxproc")),
        (WARN, setting("PrologFlags", "")),
    ],
    "slurm-nodes": [
        (FAIL, slurm(nodes=tuple(node(name, slurm_state="DOWN", usable=False) for name in ("n1", "n2"))))
    ],
    "slurm-account": [(FAIL, slurm(account_exists=False))],
    "slurm-account-user": [(FAIL, slurm(associations=(replace(NORMAL, cluster="another"),)))],
    "slurm-qos": [
        (FAIL, slurm(qos=frozenset({"high"}))),
        (FAIL, slurm(associations=(replace(NORMAL, qos=("high",)),))),
    ],
    "slurm-job-limits": [
        (WARN, slurm(associations=(replace(NORMAL, max_submit=99),))),
        (WARN, cluster(limits=LimitsConfig())),
        (WARN, setting("MaxJobCount", "50")),
    ],
    "slurm-partitions": [(FAIL, cluster(partitions={"fast": "nosuch"}))],
    "slurm-partitions-up": [
        (
            FAIL,
            slurm(
                partitions=(Partition("standard", "DRAIN", 4, 0, 604800), Partition("gpu", "UP", 4, 0, 86400))
            ),
        )
    ],
    "slurm-submission": [
        (
            FAIL,
            slurm(
                trials={"standard": (False, "allocation failure: Invalid account"), "fast": (True, "Job 2")}
            ),
        )
    ],
    "slurm-work-root": [
        (FAIL, slurm(work_root=WorkRoot("mktemp: Permission denied", "nfs", 10**12, "login")))
    ],
    "slurm-work-root-shared": [(WARN, slurm(work_root=WorkRoot("", "xfs", 10**12, "login")))],
    "slurm-work-root-space": [(WARN, slurm(work_root=WorkRoot("", "nfs", 10**9, "login")))],
    "slurm-launchers": [
        (FAIL, slurm(programs=frozenset())),
        (WARN, site(config=WITH_PROLOGUE, slurm=replace(SLURM, programs=frozenset()))),
    ],
    "slurm-site-audit": [
        (WARN, site(audit=None)),
        (WARN, site(audited_ago=31 * 86_400.0)),
        (WARN, audited(configuration="0" * 64)),
        (WARN, audited(slurm_version="25.11.7")),
        (WARN, audited(open=1)),
        (WARN, audited(not_tried=1)),
    ],
    "slurm-templates": [
        (FAIL, site(templates=Unknown("mpi-standard: its content was changed after signing")))
    ],
    "users-exist": [
        (FAIL, pool(places=replace(healthy.PLACES, users={"c1": (1001, "/scratch/provd/.provd-home")}))),
        (FAIL, pool(places=replace(healthy.PLACES, users=healthy.USERS | {"c2": (0, "/root")}))),
    ],
    "users-homes": [
        (FAIL, pool(places=replace(healthy.PLACES, homes={"/home/c1": Place("c1", 0o700)}))),
        (FAIL, pool(places=replace(healthy.PLACES, homes={"/home": Place("root", 0o777)}))),
    ],
    "users-directories": [
        (FAIL, places(c1=Place("c2", 0o700))),
        (FAIL, places(c1=Place("c1", 0o750))),
        (FAIL, places(root=Place("provd", 0o1777))),
        (FAIL, places(root=Place("c1", 0o711))),
        (FAIL, places(leases=Place("provd", 0o755))),
    ],
    "users-associations": [
        (FAIL, pool(associations=frozenset({("lab", "c1", "provd")}))),
        (WARN, pool(associations=healthy.POOL_ASSOCIATIONS | {("lab", "c2", "free")})),
    ],
    "users-coordinator": [(FAIL, pool(coordinators=frozenset({"boss"})))],
    "users-logins": [(FAIL, pool(logins={"c1": "", "c2": "the certificate is refused"}))],
    "market-cluster": [(FAIL, site(record=None, offered=()))],
    "market-owner": [(FAIL, record(provider=ANOTHER))],
    "market-active": [(FAIL, record(state="pending"))],
    "market-total-nodes": [(WARN, record(total_nodes=3))],
    "market-offerings": [(WARN, site(offered=()))],
    "market-limits": [
        (WARN, offering(queues=(Queue("standard", 5, 0),))),
        (WARN, offering(queues=(Queue("fast", 1, 86401),))),
        (WARN, site(offered=(Offered(OFFERING, 604801),))),
        (WARN, cluster(limits=LimitsConfig(max_jobs=100, max_runtime_seconds=3600))),
    ],
    "market-workloads": [(FAIL, offering(preconfigured=(Preconfigured("ghost", "quay.io/ghost", "x"),)))],
    "market-parameters": [
        (WARN, site(parameters=Parameters(node_heartbeat_timeout=30, max_job_duration=10**6))),
        (WARN, site(parameters=Parameters(node_heartbeat_timeout=120, max_job_duration=86_399))),
    ],
    "market-customers": [
        (FAIL, site(customers=CustomersConfig(blocked={f"ve1{'q' * 38}": "a typing error"}))),
        (WARN, site(customers=CustomersConfig.model_construct(blocked={OURS: "ourselves"}))),
        (
            WARN,
            site(
                customers=CustomersConfig.model_construct(
                    blocked={ANOTHER: ""}, exceptions={ANOTHER: CustomerExceptionConfig(max_jobs=1)}
                )
            ),
        ),
    ],
    "data-certificate": [
        (FAIL, gateway(certificate=Unknown("certificate.pem: No such file or directory"))),
        (FAIL, gateway(certificate=Certificate(NOW + 90 * 86400, False))),
        (FAIL, gateway(certificate=Certificate(NOW, True))),
        (WARN, gateway(certificate=Certificate(NOW + 14 * 86400, None))),
    ],
    "data-gateway": [
        (WARN, gateway(info=Unknown("connection refused"))),
        (FAIL, gateway(info=("another-1", 0.0))),
        (FAIL, gateway(info=("virtengine-1", -6.0))),
    ],
    "data-uploads": [
        (FAIL, gateway(uploads=(0o40755, 10**12))),
        (FAIL, gateway(uploads=Unknown("/var/lib/provd-gateway/uploads: No such file or directory"))),
        (WARN, gateway(uploads=(0o40750, 10**9))),
    ],
    "data-transfers": [(FAIL, mover(transfers=Unknown("the mover's database does not exist")))],
    "data-mover": [
        (FAIL, mover(problems=("data:alpha: the ledger cannot be read",))),
        (FAIL, mover(problems=Unknown("connection refused"))),
    ],
    "data-sites": [
        (FAIL, mover(sites={"alpha": Unknown("python3: not found")})),
        (WARN, mover(sites={"alpha": 10**12, "beta": 10**9})),
    ],
    "data-remote": [(WARN, mover(remote={"https://ipfs.example.org": "connection refused"}))],
    "data-images": [(FAIL, mover(tools={"umoci": False, "tar": True}))],
    "data-allowed-hosts": [(WARN, mover(private=("s3.site.example",)))],
    "data-collector-certificate": [
        (FAIL, collector(certificate=Certificate(NOW + 90 * 86400, False))),
        (WARN, collector(certificate=Certificate(NOW + 14 * 86400, None))),
    ],
    "data-collector": [(WARN, collector(answer=Unknown("connection refused")))],
    "data-collector-ready": [
        (FAIL, collector(problems=("ledger: it cannot be read",))),
        (FAIL, collector(problems=Unknown("connection refused"))),
    ],
    "data-collector-path": [
        (FAIL, collector(directory=(0o40755, 10**12))),
        (FAIL, collector(directory=Unknown("/var/lib/provd-collector: No such file or directory"))),
        (WARN, collector(directory=(0o40750, 10**8))),
    ],
    "data-agents": [
        (FAIL, collector(agents=Unknown("the collector's database does not exist"))),
        (WARN, collector(agents=(9, tuple(f"alpha.c{number}" for number in range(6))))),
    ],
}
