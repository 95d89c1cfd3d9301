"""A scene in which everything is as it should be, and the ways to change one thing of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provider_daemon.chain.probe import EndpointReport
from provider_daemon.config.fingerprint import fingerprint
from provider_daemon.config.model import parse
from provider_daemon.doctor.facts import (
    Certificate,
    ChainFacts,
    CollectorFacts,
    ControlFacts,
    DataFacts,
    GatewayFacts,
    Host,
    Key,
    LedgerFacts,
    MoverFacts,
    Offered,
    Parameters,
    PoolFacts,
    Scene,
    SiteFacts,
    Slurm,
    Ssh,
)
from provider_daemon.encryption.fingerprint import ALGORITHM
from provider_daemon.encryption.recipients import RecipientKey
from provider_daemon.encryption.watch import OwnKey, OwnKeyStatus
from provider_daemon.ledger.audit_summary import AuditSummary
from provider_daemon.ports import Cluster, Node, Offering, Preconfigured, Queue
from provider_daemon.slurm.commands import COMMANDS
from provider_daemon.slurm.parse_config import Association, Partition, WorkRoot, settings
from provider_daemon.slurm.parse_pool import Place, PoolPlaces
from tests.unit.slurm.recorded import ROOT

NOW = 1_795_000_000.0
OURS, ANOTHER = "ve1ours", "ve1another"
# As recorded, but for the version and for what that site could not have.
SETTINGS = settings((ROOT / "22.05.8" / "config.txt").read_text()) | {
    "SLURM_VERSION": "25.11.8",
    "PrologFlags": "Alloc,Contain",
}

CONFIG = parse(
    """
[chain]
id = "virtengine-1"
endpoints = ["a:9090", "b:9090"]
[keys.main]
kind = "armor"
path = "/etc/provd/key"
passphrase_file = "/etc/provd/passphrase"
[[clusters]]
id = "HPC-1"
name = "alpha"
key = "main"
region = "eu"
account = "provd"
qos = "normal"
work_root = "/scratch/provd"
accounts = "pool"
[clusters.pool]
users = ["c[1-2]"]
[clusters.ssh]
host = "login"
user = "provd"
key_file = "/etc/provd/id"
known_hosts = "/etc/provd/known_hosts"
[clusters.partitions]
fast = "gpu"
[clusters.limits]
max_jobs = 100
[[clusters.images]]
pattern = "docker.io/*"
run = ["apptainer", "exec"]
""",
    "provd.toml",
)


def node(host: str, **changes: Any) -> Node:
    made = Node(
        host,
        "IDLE",
        usable=True,
        draining=False,
        cpus=16,
        cpus_allocated=0,
        memory_mib=65536,
        memory_allocated_mib=0,
        gpus=2,
    )
    return replace(made, **changes)


SLURM = Slurm(
    controller="slurmctld of lab",
    database="slurmdbd",
    settings=SETTINGS,
    version="25.11.8",
    mended=frozenset(),
    backlog=0,
    partitions=(Partition("standard", "UP", 4, 0, 604800), Partition("gpu", "UP", 4, 0, 86400)),
    nodes=(node("n1"), node("n2")),
    node_hosts=frozenset({"c1", "c2"}),
    user="provd",
    associations=(Association("lab", "provd", "", ("normal",), 200),),
    account_exists=True,
    qos=frozenset({"normal"}),
    skew=0.0,
    trials={"standard": (True, "Job 1 to start"), "fast": (True, "Job 2 to start")},
    work_root=WorkRoot("", "nfs", 10**12, "login"),
    programs=frozenset({"apptainer"}),
    query_range=0,
    odd={},
    commands=COMMANDS,
)
OFFERING = Offering(
    "OFF-1",
    "HPC-1",
    queues=(Queue("standard", 4, 0), Queue("fast", 2, 3600)),
    preconfigured=(Preconfigured("mpi-standard", "", ""), Preconfigured("blast", "docker.io/blast", "blast")),
    supports_custom_workloads=True,
    active=True,
)
USERS = {"c1": (1001, "/scratch/provd/.provd-home"), "c2": (1002, "/scratch/provd/.provd-home")}
PLACES = PoolPlaces(
    users=USERS,
    homes={"/scratch/provd/.provd-home": Place("root", 0o555)},
    places={
        ".": Place("provd", 0o711),
        ".provd-leases": Place("provd", 0o700),
        "c1": Place("c1", 0o700),
        "c2": Place("c2", 0o700),
    },
)
POOL_ASSOCIATIONS = frozenset({("lab", "c1", "provd"), ("lab", "c2", "provd"), ("other", "c2", "free")})
POOL = PoolFacts(
    users=("c1", "c2"),
    places=PLACES,
    associations=POOL_ASSOCIATIONS,
    coordinators=frozenset({"provd"}),
    logins={"c1": "", "c2": ""},
)
SITE = SiteFacts(
    config=CONFIG.clusters[0],
    ssh=Ssh(0o100600, "it is the pinned one", "logged in", 0.01, 4, 4),
    slurm=SLURM,
    templates=frozenset({"mpi-standard"}),
    address=OURS,
    record=Cluster("HPC-1", OURS, "active", "eu", total_nodes=2, available_nodes=2),
    offered=(Offered(OFFERING, 86400),),
    parameters=Parameters(node_heartbeat_timeout=120, max_job_duration=10**6),
    audit=AuditSummary("ab" * 32, NOW - 86_400, "25.11.8", fingerprint(CONFIG.clusters[0]), 26, 0, 0),
    audited_ago=86_400.0,
    pool=POOL,
)
CHAIN = ChainFacts(
    chain_id="virtengine-1",
    fee_denom="uve",
    now=NOW,
    endpoints=tuple(
        EndpointReport(url, "", "virtengine-1", False, 1000, NOW - 1)
        for url in ("a:9090", "b:9090", "c:9090")
    ),
    wired=frozenset({"Job"}),
    rpcs=21,
    store=True,
    gas_price=0.025,
    quorum=2,
)
RECIPIENT_KEY = RecipientKey(OURS, bytes(32), "0a" * 20, 1, ALGORITHM, 1_790_000_000)
KEY = Key(
    "main", OURS, False, "uve", True, 10**9, 0.025, 10**6, (), OwnKey(OwnKeyStatus.USABLE, RECIPIENT_KEY)
)
CONTROL = ControlFacts("/run/provd/control.sock", 0o660, "provd", "provd", True)
LEDGER = LedgerFacts(
    "/var/lib/provd/ledger.sqlite",
    "virtengine-1",
    opens="it opens",
    schema=2,
    wanted_schema=2,
    problems=(),
    owner="virtengine-1",
    free=10**11,
    modes={"/var/lib/provd/ledger.sqlite": 0o100600},
    holder=4711,
    control=CONTROL,
)
UNIT = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "WatchdogUSec": "1min"}
LISTENS = {"metrics.listen": "127.0.0.1:9464", "data.metrics_listen": "[::1]:9466"}
HOST = Host((3, 12, 1), {"/etc/provd/provd.toml": 0o100644}, {"/etc/provd/key": 0o100600}, UNIT, LISTENS)
GATEWAY = GatewayFacts(
    "https://gateway.example.org",
    "virtengine-1",
    NOW,
    Certificate(NOW + 90 * 86400, True),
    ("virtengine-1", 0.0),
    (0o40750, 10**12),
)
MOVER = MoverFacts(
    "schema 1, 3 jobs", (), {"alpha": 10**12}, {"https://ipfs.example.org": ""}, (), {"umoci": True}
)
COLLECTOR = CollectorFacts(
    "https://provd.example.org:8444",
    NOW,
    Certificate(NOW + 90 * 86400, True),
    None,
    (),
    (3, ()),
    (0o40750, 10**12),
)
SCENE = Scene(HOST, LEDGER, CHAIN, (KEY,), (SITE,), DataFacts(GATEWAY, MOVER, COLLECTOR))


def slurm(**changes: Any) -> Scene:
    return site(slurm=replace(SLURM, **changes))


def setting(name: str, value: str) -> Scene:
    return slurm(settings={**SETTINGS, name: value})


def ssh(**changes: Any) -> Scene:
    assert SITE.ssh is not None
    return site(ssh=replace(SITE.ssh, **changes))


def site(**changes: Any) -> Scene:
    """The audit is of this configuration and SLURM, unless it is what changes."""
    made = replace(SITE, **changes)
    if "audit" not in changes and isinstance(made.audit, AuditSummary):
        found = made.slurm.settings if isinstance(made.slurm.settings, Mapping) else SETTINGS
        facts: dict[str, Any] = {
            "configuration": fingerprint(made.config),
            "slurm_version": found["SLURM_VERSION"],
        }
        made = replace(made, audit=replace(made.audit, **facts))
    return replace(SCENE, sites=(made,))


def audited(**changes: Any) -> Scene:
    assert isinstance(SITE.audit, AuditSummary)
    return site(audit=replace(SITE.audit, **changes))


def cluster(**changes: Any) -> Scene:
    """With other keys in [[clusters]]."""
    return site(config=SITE.config.model_copy(update=changes))


def record(**changes: Any) -> Scene:
    assert isinstance(SITE.record, Cluster)
    return site(record=replace(SITE.record, **changes))


def offering(**changes: Any) -> Scene:
    return site(offered=(Offered(replace(OFFERING, **changes), 86400),))


def endpoint(**changes: Any) -> Scene:
    """The second of three is otherwise."""
    first, second, third = CHAIN.endpoints
    return chain(endpoints=(first, replace(second, **changes), third))


def both_endpoints(**changes: Any) -> Scene:
    return chain(endpoints=tuple(replace(each, **changes) for each in CHAIN.endpoints))


def chain(**changes: Any) -> Scene:
    return replace(SCENE, chain=replace(CHAIN, **changes))


def key(**changes: Any) -> Scene:
    return replace(SCENE, keys=(replace(KEY, **changes),))


def ledger(**changes: Any) -> Scene:
    return replace(SCENE, ledger=replace(LEDGER, **changes))


def gateway(**changes: Any) -> Scene:
    return replace(SCENE, data=DataFacts(replace(GATEWAY, **changes), MOVER, COLLECTOR))


def mover(**changes: Any) -> Scene:
    return replace(SCENE, data=DataFacts(GATEWAY, replace(MOVER, **changes), COLLECTOR))


def collector(**changes: Any) -> Scene:
    return replace(SCENE, data=DataFacts(GATEWAY, MOVER, replace(COLLECTOR, **changes)))


def host(**changes: Any) -> Scene:
    return replace(SCENE, host=replace(HOST, **changes))
