"""Gathering: what answers becomes a fact, what does not becomes an Unknown, and no look takes longer than it
may."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.config.model import Config, parse
from provider_daemon.doctor import gather_ledger
from provider_daemon.doctor.deadline import Deadline, because
from provider_daemon.doctor.finding import CheckOutcome, Unknown
from provider_daemon.doctor.gather import gather
from provider_daemon.doctor.gather_keys import SERVICE_ONLY, address, heartbeats
from provider_daemon.doctor.gather_site import apart, script
from provider_daemon.doctor.registry import examine
from provider_daemon.errors import Transient
from provider_daemon.ledger.file import SCHEMA_VERSION
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Cluster
from tests.unit.doctor.healthy import CONFIG
from tests.unit.slurm.recorded import ROOT
from tests.unit.slurm.test_parse_config import ASSOCIATIONS, PARTITIONS

KEY = "11" * 32
SITE = """
[chain]
id = "virtengine-1"
endpoints = ["127.0.0.1:1"]
[ledger]
path = "{directory}/ledger.sqlite"
[keys.main]
kind = "plaintext-hex"
path = "{directory}/key"
[[clusters]]
id = "HPC-1"
name = "alpha"
key = "main"
region = "eu"
account = "provd"
work_root = "{directory}"
"""
LOCAL = 'transport = "local"\n'
SSH = """
[clusters.ssh]
host = "127.0.0.1"
port = 1
user = "provd"
key_file = "{directory}/id"
host_key_fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""
# What stands for SLURM's commands on a login node: each prints what was recorded of SLURM 24.11.5.
PROGRAMS = {
    "scontrol": f"""case "$*" in
"show config") cat {ROOT}/24.11.5/config.txt ;;
"show partition -o") cat partitions ;;
"show node -o") cat nodes ;;
esac""",
    "sbatch": (
        'case $1 in --version) echo "slurm-wlm 24.11.5" ;; *) echo "sbatch: Job 1 to start" >&2 ;; esac'
    ),
    "squeue": """for word; do case $word in JobID:*) columns=$word ;; esac; done
echo $columns | sed 's/,\\([A-Z]\\)/\\1/g; s/,\\(tres\\)/\\1/; s/://g'""",
    "sacct": "",
    "scancel": "",
    "sdiag": "echo 'DBD Agent queue size: 0'",
    "sacctmgr": """case "$*" in
*"show config") echo; echo 'SlurmDBD configuration:'; echo 'MaxQueryTimeRange      = UNLIMITED' ;;
*"show qos"*) echo 'Name|Priority'; echo 'normal|0' ;;
*"show account"*) echo Account; echo provd ;;
*) tail -n +2 associations ;;
esac""",
}
NODE = (
    "NodeName=n1 CPUAlloc=0 CPUTot=16 CPULoad=0.1 Gres=gpu:a100:2 NodeHostName=c1 RealMemory=65536 "
    "AllocMem=0 State=IDLE"
    " Partitions=standard AllocTRES=\n"
)


def config(directory: Path, way: str) -> Config:
    return parse((SITE + way).format(directory=directory), "provd.toml")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a key, and with SLURM's commands in its PATH."""
    (tmp_path / "provd.toml").touch(mode=0o644)
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "id"))
    (tmp_path / "id").chmod(0o600)
    for name, text in {"partitions": PARTITIONS, "nodes": NODE, "associations": ASSOCIATIONS}.items():
        (tmp_path / name).write_text(text)
    for name, text in PROGRAMS.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


async def outcomes(directory: Path, way: str) -> dict[str, CheckOutcome]:
    scene = await gather(config(directory, way), directory / "provd.toml")
    return {row.check.name: row.finding.outcome for row in examine(scene)}


def of(found: dict[str, CheckOutcome], *wanted: CheckOutcome) -> set[str]:
    return {name for name, outcome in found.items() if outcome in wanted}


# --- everything ---


async def test_nobody_answers(directory: Path) -> None:
    """Neither chain nor login node: two checks say so, no daemon holds a ledger, the site was never audited,
    all else waits, and it is soon over."""
    start = time.monotonic()
    found = await outcomes(directory, SSH)
    assert of(found, CheckOutcome.FAIL) == {"chain-endpoints", "ssh-login"}
    assert of(found, CheckOutcome.WARN) == {"ledger-lock", "slurm-site-audit"}
    assert time.monotonic() - start < 10


async def test_a_host_that_never_speaks(directory: Path) -> None:
    """A login node and an endpoint that take a connection and say nothing: the same two checks, in the time
    that a look may take."""

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        way = SSH.replace("port = 1\n", f"port = {port}\nlogin_seconds = 2\n")
        loaded = parse(
            (SITE + way).format(directory=directory).replace("127.0.0.1:1", f"127.0.0.1:{port}"), "provd.toml"
        )
        start = time.monotonic()
        scene = await gather(loaded, directory / "provd.toml")
        assert time.monotonic() - start < 10
        assert of({row.check.name: row.finding.outcome for row in examine(scene)}, CheckOutcome.FAIL) == {
            "chain-endpoints",
            "ssh-login",
        }


async def test_a_login_node(directory: Path) -> None:
    """The facts of a site that answers, while nothing is known of the chain."""
    found = await outcomes(directory, LOCAL)
    assert of(found, CheckOutcome.FAIL) == {"chain-endpoints"}
    assert of(found, CheckOutcome.WARN) == {
        "ledger-lock",
        "slurm-vulnerabilities",
        "slurm-containment",
        "slurm-site-audit",
        "slurm-work-root-shared",
    }
    good = {
        "slurm-controller",
        "slurm-database",
        "slurm-version",
        "slurm-clock",
        "slurm-account",
        "slurm-account-user",
        "slurm-nodes",
    }
    assert good <= of(found, CheckOutcome.OK)
    assert {"slurm-partitions", "slurm-submission", "market-cluster", "account-funds"} <= of(
        found, CheckOutcome.SKIPPED
    )


@pytest.mark.parametrize(
    ("program", "cause"), [("scontrol", "slurm-controller"), ("sacctmgr", "slurm-database")]
)
async def test_a_daemon_of_slurm_is_down(directory: Path, program: str, cause: str) -> None:
    """Its own check is red, and no other."""
    (directory / program).write_text("#!/bin/sh\necho 'Connection refused' >&2\nexit 1\n")
    assert of(await outcomes(directory, LOCAL), CheckOutcome.FAIL) == {"chain-endpoints", cause}


@pytest.mark.parametrize(
    ("mode", "text", "red"), [(0o644, KEY, "host-secret-files"), (0o600, "no key", "account-key")]
)
async def test_a_key_that_cannot_be_used(directory: Path, mode: int, text: str, red: str) -> None:
    """The file's mode or its content: one of two checks is red."""
    (directory / "key").write_text(text)
    (directory / "key").chmod(mode)
    assert of(await outcomes(directory, LOCAL), CheckOutcome.FAIL) == {"chain-endpoints", red}


# --- the deadline ---


async def test_what_never_answers() -> None:
    """Becomes an Unknown at the deadline, which is one for all questions; a refusal becomes one at once."""

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    async def refuses() -> int:
        raise Transient("connection refused")

    looker = Deadline(0.05)
    assert await looker(refuses) == Unknown("connection refused")
    assert await looker(never) == Unknown("no answer within 0 s")
    assert await looker(never) == Unknown("no answer within 0 s")
    assert await Deadline(60)(never, Unknown("not asked", "chain-id")) == Unknown("not asked", "chain-id")


def test_because() -> None:
    """The first reason is the one that is told."""
    assert because(3, "why", "a-check") is None
    assert because(Unknown("x"), "why", "a-check") == Unknown("why", "a-check")
    assert because(Unknown("x", "ssh-login"), "why", "a-check") == Unknown("why", "ssh-login")


# --- clocks and money ---


@given(st.floats(1e9, 2e9), st.floats(0, 3), st.floats(-100, 100))
def test_apart(before: float, took: float, ahead: float) -> None:
    """Never more than the clocks differ, and at most what the reading took and one second less."""
    said = int(before + took / 2 + ahead)
    found = apart(before, said, before + took)
    assert abs(found) <= abs(ahead) + 1e-3
    assert abs(found) >= abs(ahead) - took - 1.001
    assert found * ahead >= 0


def test_heartbeats() -> None:
    """A day of them: 1,440 transactions of 23,000 gas and 55,000 a node."""
    cluster = Cluster("HPC-1", "ve1", "active", "eu", total_nodes=2, available_nodes=2)
    assert heartbeats(CONFIG.clusters, [cluster], 0.5) == pytest.approx(960 * 161_900 * 1.2 * 0.5)
    assert heartbeats(CONFIG.clusters, [], 0.5) == pytest.approx(960 * 103_800 * 1.2 * 0.5)


async def test_a_credential_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command has no credentials: that is no fault of the key."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    key = CONFIG.keys["main"].model_copy(update={"kind": "credential", "name": "provd-key"})
    assert await address(key) == SERVICE_ONLY


def test_the_header_is_a_real_jobs() -> None:
    """What sbatch --test-only is asked is rendered as every job is, account and QOS included."""
    text = script(CONFIG.clusters[0], "standard")
    assert {
        "#SBATCH --partition=standard",
        "#SBATCH --account=provd",
        "#SBATCH --qos=normal",
        "#SBATCH --time=1",
    } <= set(text.splitlines())


# --- the ledger ---


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Path]:
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    opened.claim("virtengine-1")
    yield tmp_path / "ledger.sqlite"
    opened.close()


def test_a_held_ledger(ledger: Path) -> None:
    """Beside the one who holds it: everything is seen, and nothing of it changes."""
    found = gather_ledger.gather(ledger, "virtengine-1")
    assert (found.schema, found.problems, found.owner, found.holder) == (
        SCHEMA_VERSION,
        (),
        "virtengine-1",
        os.getpid(),
    )
    assert isinstance(found.modes, dict)
    assert {mode & 0o777 for mode in found.modes.values()} == {0o640, 0o600}
    assert gather_ledger.closed(found) is None


def test_no_ledger(tmp_path: Path) -> None:
    """Before the first start: nothing to see, no daemon, and room all the same."""
    found = gather_ledger.gather(tmp_path / "ledger.sqlite", "virtengine-1")
    assert (found.holder, found.modes) == (0, {})
    assert isinstance(found.schema, Unknown)
    assert isinstance(found.free, int)
    assert gather_ledger.closed(found) is None


def test_another_schema(ledger: Path) -> None:
    """Its version is told, its rows are not looked into."""
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA user_version = 99")
    found = gather_ledger.gather(ledger, "virtengine-1")
    assert found.schema == 99
    assert isinstance(found.problems, Unknown)
    assert gather_ledger.closed(found) == Unknown("the ledger has another schema version", "ledger-schema")


def test_no_database(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("this is no database, but it is long enough to be taken for one by its size" * 20)
    found = gather_ledger.gather(path, "virtengine-1")
    assert found.opens == Unknown(f"{path}: file is not a database")
    assert gather_ledger.closed(found) == Unknown("the ledger cannot be read", "ledger-opens")


def test_holder() -> None:
    """Of a flock on that very file; other kinds of locks and other files are not it."""
    locks = """1: POSIX  ADVISORY  WRITE 100 fe:00:7 0 EOF
2: FLOCK  ADVISORY  WRITE 200 fe:00:8 0 EOF
2: -> FLOCK  ADVISORY  WRITE 250 fe:00:7 0 EOF
3: FLOCK  ADVISORY  WRITE 300 fe:00:7 0 EOF
"""
    assert gather_ledger.holder(locks, 0xFE, 0, 7) == 300
    assert gather_ledger.holder(locks, 0xFE, 1, 7) == 0
