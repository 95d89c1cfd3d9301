"""provd.toml: all errors are reported together, with file, line and key."""

import json
import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from provider_daemon import names
from provider_daemon.config import addresses
from provider_daemon.config.addresses import Listen, Url, with_port
from provider_daemon.config.checks import MARGIN_SECONDS, POLL_SECONDS, contradictions
from provider_daemon.config.collector import CollectorConfig
from provider_daemon.config.control import SHAPE as SOCKET_SHAPE
from provider_daemon.config.control import ControlConfig
from provider_daemon.config.customers import ADDRESS, CustomersConfig
from provider_daemon.config.listening_checks import (
    DATA_METRICS_LISTEN,
    GATEWAY_LISTEN,
    GATEWAY_METRICS_LISTEN,
    METRICS_LISTEN,
    UPLOADS_GB,
    UPLOADS_GB_PER_CUSTOMER,
)
from provider_daemon.config.toml_lines import line_of, lines_of, shown
from provider_daemon.errors import ConfigError

_NAME, _PUBLIC_KEY = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", r"^[0-9a-f]{64}$"
_ENDPOINT, _FINGERPRINT = r"^(https://|http://)?[^/@\s]+:\d{1,5}$", r"^(SHA256:[A-Za-z0-9+/]{43})?$"
_POOL_USERS = r"^[a-z_][a-z0-9_-]*(\[[0-9]{1,4}-[0-9]{1,4}\])?$"
_REGISTRY = r"^(http://)?[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$"
SHAPES = {
    **names.SHAPES,
    **addresses.SHAPES,
    _NAME: "must consist of letters, digits, '.', '_' and '-', and begin with a letter or digit",
    _PUBLIC_KEY: "must be a public key of 64 lower-case hex digits",
    _ENDPOINT: "must be host:port, or https://host:port for TLS",
    _POOL_USERS: "must be a user name of a-z, 0-9, '_' and '-', or a pattern such as provd-c[001-050]",
    _REGISTRY: "must be host or host:port, or http://host:port without TLS",
    SOCKET_SHAPE: names.SHAPES[names.PATH],
    ADDRESS: "must be an account address (ve1...)",
    _FINGERPRINT: "must be SHA256:..., as printed by `ssh-keygen -lf`",
}
"""pattern -> error message for a value that does not match"""

Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=64)]
SafePath = Annotated[str, StringConstraints(pattern=names.PATH, max_length=200)]
PublicKey = Annotated[str, StringConstraints(pattern=_PUBLIC_KEY)]
SlurmWord = Annotated[str, StringConstraints(pattern=names.SLURM_NAME, max_length=64)]
Partitions = Annotated[str, StringConstraints(pattern=names.PARTITIONS, max_length=255)]
User = Annotated[str, StringConstraints(pattern=names.USER, max_length=128)]


Endpoint = Annotated[str, StringConstraints(pattern=_ENDPOINT), AfterValidator(with_port)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChainConfig(_Strict):
    id: str = Field(min_length=1)
    endpoints: list[Endpoint] = Field(min_length=1)
    quorum: int = Field(default=0, ge=0)
    fee_denom: str = "uve"
    max_gas: int = Field(default=50_000_000, ge=200_000)
    max_fee: int = Field(default=10_000_000, ge=1)
    max_gas_price: float = Field(default=0.5, gt=0, le=1_000_000_000)
    max_fee_per_hour: int = Field(default=100_000_000, ge=1)
    max_fee_per_day: int = Field(default=1_000_000_000, ge=1)
    timeout_blocks: int = Field(default=20, ge=2, le=1000)
    poll_seconds: float = Field(default=2.0, gt=0, le=60)


class LedgerConfig(_Strict):
    path: SafePath = "/var/lib/provd/ledger.sqlite"


class KeyConfig(_Strict):
    kind: Literal["credential", "armor", "keyring", "plaintext-hex", "plaintext-mnemonic"]
    name: str = ""
    path: str = ""
    passphrase_file: str = ""


def _without_brackets(host: str) -> str:
    """Removes the brackets of an IPv6 address."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


class SshConfig(_Strict):
    host: Annotated[
        str, StringConstraints(pattern=names.HOST, max_length=255), AfterValidator(_without_brackets)
    ]
    port: int = Field(default=22, ge=1, le=65535)
    user: User
    key_file: str = Field(min_length=1)
    login_seconds: float = Field(default=30.0, ge=1, le=300)
    known_hosts: str = ""
    host_key_fingerprint: str = Field(default="", pattern=_FINGERPRINT)


class LimitsConfig(_Strict):
    """Limits per job, and of jobs in SLURM; 0 means no limit."""

    max_nodes: int = Field(default=0, ge=0)
    max_cpus_per_node: int = Field(default=0, ge=0)
    max_memory_gb_per_node: int = Field(default=0, ge=0)
    max_gpus_per_node: int = Field(default=0, ge=0)
    max_runtime_seconds: int = Field(default=0, ge=0)
    max_jobs: int = Field(default=0, ge=0)
    max_report_gas: int = Field(default=3_000_000, ge=0)


class ImageConfig(_Strict):
    """How images are run whose reference matches `pattern`.

    With a built-in `launcher`, which contains the job; with a launcher of the site's own, `run`; or natively.
    A launcher with `native` contains programs of the node's own /usr. `network`, `max_processes` and
    `max_file_gb` (0 means no limit) are what a contained job may have.
    """

    pattern: str = Field(min_length=1)
    launcher: Literal["", "bubblewrap", "apptainer", "charliecloud", "pyxis"] = ""
    run: list[str] = []
    native: bool = False
    network: bool = False
    max_processes: int = Field(default=4096, ge=16)
    max_file_gb: int = Field(default=0, ge=0)


class TemplatesConfig(_Strict):
    """Ids of allowed templates, shipped or from `directory`, signed by a trusted signer (hex public key)."""

    allowed: list[Name] = []
    directory: str = ""
    trusted_signers: list[PublicKey] = []


class PoolConfig(_Strict):
    """The Unix users of customers at the site, one for each customer at a time (`accounts = "pool"`).

    `users`: names, or patterns such as `provd-c[001-050]`. `login`: with "certificate" the key files that are
    configured for SSH are those of a certificate authority that the site trusts, and every login uses a new
    key with a certificate of `certificate_minutes`; with "key" they are in the authorized_keys of every user.
    `quarantine_hours`: time between a customer and the next one.
    """

    users: list[Annotated[str, StringConstraints(pattern=_POOL_USERS, max_length=64)]] = Field(min_length=1)
    login: Literal["certificate", "key"] = "certificate"
    certificate_minutes: int = Field(default=10, ge=2, le=1440)
    quarantine_hours: float = Field(default=24.0, ge=0, le=8760)


class PaymentConfig(_Strict):
    """What must cover a job's estimate, the most that it can cost, before the job is accepted.

    `mode`: escrow, an agreed price, nothing, or with "auto" escrow where the chain holds it and elsewhere an
    agreed price. `share`: the part of the estimate that must be covered.
    """

    mode: Literal["auto", "escrow", "agreed-price", "none"] = "auto"
    share: float = Field(default=1.0, gt=0, le=1)


class ClusterDataConfig(_Strict):
    """Retention and limits of job directories on one cluster; 0 means no limit.

    `results_days`: days after a job's end until its directory is deleted. `cache_gb`: the size of the cache
    of inputs below work_root, `images_gb` that of images. `datasets`: name -> directory or file at the site,
    for `site:<name>`.
    """

    results_days: float = Field(default=14.0, gt=0, le=3650)
    scratch_quota_gb: int = Field(default=0, ge=0)
    inodes: int = Field(default=0, ge=0)
    cache_gb: int = Field(default=100, ge=0)
    images_gb: int = Field(default=200, ge=0)
    datasets: dict[Name, SafePath] = {}


class CatalogueConfig(_Strict):
    """What the catalogue tells customers besides what provd knows.

    `software`: names and versions, one an entry. `contact`: an address for questions. `terms`: the address of
    the conditions.
    """

    software: list[Annotated[str, StringConstraints(min_length=1, max_length=100)]] = []
    contact: Annotated[str, StringConstraints(max_length=200)] = ""
    terms: Annotated[str, StringConstraints(max_length=200)] = ""


class NodesConfig(_Strict):
    """`unhealthy`: what happens to a node whose agent reports it sick (nodes/condition.UnhealthyPolicy)."""

    unhealthy: Literal["report", "unavailable", "drain"] = "unavailable"


class ClusterConfig(_Strict):
    id: Name
    name: Name
    key: str
    transport: Literal["ssh", "local"] = "ssh"
    ssh: SshConfig | None = None
    accounts: Literal["shared", "pool"] = "shared"
    pool: PoolConfig | None = None
    account: SlurmWord = ""
    qos: SlurmWord = ""
    slurm_path: list[SafePath] = []
    work_root: SafePath
    region: str = Field(min_length=1)
    datacenter: str = ""
    poll_seconds: float = Field(default=POLL_SECONDS, gt=0, le=300)
    heartbeat_seconds: float = Field(default=30.0, gt=0, le=110)
    report_margin_seconds: int = Field(default=MARGIN_SECONDS, ge=0, le=3600)
    prologue: list[str] = []
    partitions: dict[str, Partitions] = {}
    gpu_types: dict[str, SlurmWord] = {}
    limits: LimitsConfig = LimitsConfig()
    images: list[ImageConfig] = []
    templates: TemplatesConfig = TemplatesConfig()
    payment: PaymentConfig = PaymentConfig()
    data: ClusterDataConfig = ClusterDataConfig()
    catalogue: CatalogueConfig = CatalogueConfig()
    nodes: NodesConfig = NodesConfig()


class GatewayConfig(_Strict):
    """The customers' HTTPS API (`provd gateway`).

    `url` is the address that customers use. Without `certificate` and `key` the gateway serves plain HTTP,
    for a reverse proxy on the same host. `uploads`: directory of uploaded inputs, at most `uploads_gb` in all
    and `uploads_gb_per_customer` for each customer. `metrics_listen`: /metrics and /readyz of the gateway.
    `ssh_key_file`: the gateway's own key for `clusters.ssh`, which its Unix user can read.
    """

    url: Url
    listen: Listen = GATEWAY_LISTEN
    certificate: str = ""
    key: str = ""
    uploads: SafePath = "/var/lib/provd-gateway/uploads"
    uploads_gb: int = Field(default=UPLOADS_GB, ge=1)
    uploads_gb_per_customer: int = Field(default=UPLOADS_GB_PER_CUSTOMER, ge=1)
    requests_per_minute: int = Field(default=600, ge=1)
    ssh_key_file: str = ""
    metrics_listen: Listen = GATEWAY_METRICS_LISTEN


class DataConfig(_Strict):
    """The data mover (`provd mover`): inputs of jobs, manifests and delivery of results, deletion.

    `path`: its database. `spool`: encrypted inputs before they are decrypted. `recipient_key_file`: the
    provider's age identity (X25519), for encrypted inputs. `ssh_key_file`: the mover's own key for
    `clusters.ssh`, which its Unix user can read. `allowed_hosts`: names of hosts that may be fetched from
    although their addresses are private (`name`, or `name:port` for a port other than 80 and 443).
    `forbidden_networks`: public networks of the site, which are never fetched from. `results_seconds`: how
    long a final report waits for the manifest of the results. `mib_per_second`: bandwidth limit of all
    transfers together, 0 for none. `registries`: where images may come from, as `host[:port]`
    (`http://host:port` without TLS). `blocked_images`: patterns of references and digests. `image_keys`:
    files with public keys; if there are any, only images that one of them signed run.
    """

    path: SafePath = "/var/lib/provd-mover/transfers.sqlite"
    spool: SafePath = "/var/lib/provd-mover/spool"
    recipient_key_file: str = ""
    ssh_key_file: str = ""
    ipfs_gateways: list[Url] = []
    s3_endpoints: dict[Name, Url] = {}
    allowed_hosts: list[str] = []
    forbidden_networks: list[str] = []
    ca_file: str = ""
    require_checksum: bool = True
    max_input_gb: int = Field(default=100, ge=1)
    transfers: int = Field(default=4, ge=1, le=64)
    mib_per_second: int = Field(default=0, ge=0)
    results_seconds: float = Field(default=300.0, ge=0, le=86400)
    registries: list[Annotated[str, StringConstraints(pattern=_REGISTRY)]] = []
    blocked_images: list[str] = []
    image_keys: list[str] = []
    image_architecture: Literal["amd64", "arm64", "ppc64le"] = "amd64"
    max_image_gb: int = Field(default=20, ge=1)
    metrics_listen: Listen = DATA_METRICS_LISTEN


class MetricsConfig(_Strict):
    listen: Listen = METRICS_LISTEN


class AuditLogConfig(_Strict):
    """The audit log of each process: the directory `audit` beside what it writes."""

    keep_days: int = Field(default=365, ge=1, le=36500)


class LogConfig(_Strict):
    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(_Strict):
    chain: ChainConfig
    ledger: LedgerConfig = LedgerConfig()
    keys: dict[str, KeyConfig] = Field(min_length=1)
    clusters: list[ClusterConfig] = Field(min_length=1)
    customers: CustomersConfig = CustomersConfig()
    gateway: GatewayConfig | None = None
    data: DataConfig | None = None
    collector: CollectorConfig | None = None
    control: ControlConfig = ControlConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()
    audit_log: AuditLogConfig = AuditLogConfig()


def load(path: Path) -> Config:
    """Raises ConfigError with one line per error: `provd.toml:12: clusters[0].ssh.port: ...`."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(
            [
                (
                    f"{path}: no such file; use -c to set its path, or create it with `provd config "
                    "print-default`"
                )
            ]
        ) from None
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8 text"]) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """Parses the text of a configuration; `name` is the file's name in the lines of a ConfigError."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(str(error), name)]) from None
    mistakes = list(contradictions(value))
    try:
        config = Config.model_validate(value)
    except ValidationError as error:
        mistakes += [(item["loc"], _what(item)) for item in error.errors(include_input=False)]
    if not mistakes:
        return config
    places = lines_of(text)
    found = sorted((line_of(where, places), shown(where) or "the file", what) for where, what in mistakes)
    raise ConfigError([f"{name}:{line}: {where}: {what}" for line, where, what in found])


def _what(mistake: ErrorDetails) -> str:
    """Returns pydantic's message, or provd's own for a missing, malformed or unknown value."""
    if mistake["type"] == "missing":
        return "is required"
    if mistake["type"] == "string_pattern_mismatch":
        return SHAPES[mistake["ctx"]["pattern"]]
    return _unknown(mistake["loc"]) if mistake["type"] == "extra_forbidden" else mistake["msg"]


def _unknown(where: tuple[str | int, ...]) -> str:
    *table, key = where
    near = get_close_matches(str(key), _keys(table), 1)
    return "unknown key" + (f"; did you mean {near[0]}?" if near else "")


def _keys(table: Iterable[str | int]) -> list[str]:
    """Returns the known keys of the table at that path. Key names and cluster numbers are skipped."""
    model: type[BaseModel] = Config
    for part in table:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [
            kind
            for kind in (annotation, *get_args(annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        model = inner[0] if inner else model
    return list(model.model_fields)


def _syntax(message: str, name: str) -> str:
    """Converts tomllib's `Invalid value (at line 3, column 5)` to the form that editors parse."""
    place = re.search(r" \(at line (\d+), column \d+\)$", message)
    return f"{name}:{place[1]}: {message[: place.start()]}" if place else f"{name}: {message}"


def default_toml() -> str:
    """Returns the commented example file."""
    return resources.files("provider_daemon").joinpath("provd.example.toml").read_text()


def json_schema() -> str:
    """Returns the JSON schema of provd.toml, for editors; the checks between several keys are not in it."""
    return (
        json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()},
            indent=2,
        )
        + "\n"
    )
