"""The targets: each takes any bytes, and raises if something other than a refusal comes of them."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from google.protobuf.message import DecodeError

from provider_daemon.chain import codec, evidence_check, records
from provider_daemon.chain.evidence_check import ChainRecord
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.client import verify
from provider_daemon.collector import bodies
from provider_daemon.errors import ProvdError
from provider_daemon.gateway import paths, ranges
from provider_daemon.gateway.errors import ApiError
from provider_daemon.job.admission import Inadmissible
from provider_daemon.job.claim import read_claim
from provider_daemon.job.usage import GpuUnaccounted, measure
from provider_daemon.node_protocol import answer
from provider_daemon.node_protocol import token as tokens
from provider_daemon.node_protocol.rejection import Rejected
from provider_daemon.node_store.rows import HEARTBEAT, heartbeat_text
from provider_daemon.slurm import accounting, failures, nodes, parse, parse_config
from provider_daemon.slurm.script import render
from provider_daemon.slurm.transport import CommandResult
from provider_daemon.template.library import shipped
from provider_daemon.template.order import order
from provider_daemon.template.program import program_of
from provider_daemon.template.values import BadValue
from provider_daemon.tokens import jwt
from tests.unit.job.jobs import SPEC
from tests.unit.slurm.batches import BATCH

MARK = "|0123456789ab|"
NAME = "ve-0123-JOB-1"
CANARY = "canary"
PARTS = 12  # arguments and variables that are made of an input


def _text(data: bytes) -> str:
    return data.decode(errors="replace").replace("\x1f", MARK)  # one byte for the mark, as corpus files have


# --- SLURM's answers ---


def squeue(data: bytes) -> None:
    text = _text(data)
    for row in parse.queue(text, MARK).rows:
        assert row.slurm_id.isdecimal()
        assert MARK not in row.name
        accounting.live(row)


def sacct(data: bytes) -> None:
    reading = accounting.rows(_text(data), MARK)
    names = frozenset(row.name for row in reading.rows)
    for seen in accounting.by_job(reading.rows, names, 0):
        with contextlib.suppress(GpuUnaccounted):
            usage = measure(seen.runs, 1)
            assert usage.wall_clock_seconds >= 0
            assert usage.cpu_core_seconds >= 0


def scontrol(data: bytes) -> None:
    text = _text(data)
    for read in (nodes.nodes, parse_config.partitions, parse_config.settings, parse_config.associations):
        with contextlib.suppress(ProvdError):
            read(text)
    nodes.hosts(text, MARK)


def submission(data: bytes) -> None:
    answer = CommandResult(0, _text(data), "")
    for line in parse.receipts(answer):
        receipt = failures.receipt(line)
        outcomes = (receipt.slurm_id, receipt.refusal, receipt.deferral, receipt.unknown)
        assert sum(map(bool, outcomes)) == 1
    parse.framed(answer, "sbatch")


def claim(data: bytes) -> None:
    for name, link in parse.claims(_text(data), MARK).items():
        found = read_claim(link, name, "/work")
        assert found.directory == "" or found.directory.startswith(f"/work/{name}")


# --- the chain's records ---


def chain_record(data: bytes) -> None:
    job = codec.decode(types_pb2.HPCJob, data)
    found = records.chain_job(job, "test-1")
    again = records.chain_job(codec.decode(types_pb2.HPCJob, codec.encode(job)), "test-1")
    assert again == replace(found, stored_bytes=again.stored_bytes)


@cache
def signed_tx() -> Tx:
    return Tx.FromString((Path(__file__).parent / "corpus/evidence/signed").read_bytes())


def evidence(data: bytes) -> None:
    """Nobody but the provider can change a report: whatever is valid says what the signed one says."""
    try:
        tx = Tx.FromString(data)
    except DecodeError:
        return
    (true,) = evidence_check.reports(signed_tx())
    record = {true.job_id: ChainRecord("HPC-1", "a" * 64)}
    verdicts = evidence_check.check(tx, "virtengine-localnet-1", record)
    for report, verdict in zip(evidence_check.reports(tx), verdicts, strict=True):
        if verdict.ok and report.provider_address == true.provider_address:
            assert (report.state, report.slurm_job_id, report.exit_code) == (
                true.state,
                true.slurm_job_id,
                true.exit_code,
            )
            assert report.usage_metrics == true.usage_metrics


# --- customers' words ---

SHOW = ("python3", "-c", "import os,sys; print([sys.argv[1:], os.environ.get('V')])")


def script(data: bytes) -> None:
    """Under the real bash the program has the customer's words and nothing else happens."""
    words = [part.decode(errors="surrogateescape") for part in data.split(b"\0", PARTS)[:PARTS]]
    variable, *arguments = words
    with tempfile.TemporaryDirectory() as place:
        job = Path(place, NAME)
        job.mkdir()
        Path(place, ".provd-claims").mkdir()
        batch = replace(
            BATCH,
            name=NAME,
            wall_seconds=20,
            directory=str(job),
            environment=(("V", variable),),
            argv=(*SHOW, *arguments),
            prologue=(),
        )
        text = render(batch)
        done = subprocess.run(
            ["bash"],
            input=text.encode(errors="surrogateescape"),
            capture_output=True,
            cwd=job,
            env={
                "PATH": os.environ["PATH"],
                "SLURM_JOB_ID": "7",
                "PYTHONIOENCODING": "utf-8:surrogateescape",
            },
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode(errors="surrogateescape") == f"{[arguments, variable]}\n"
        assert list(job.iterdir()) == []
        assert {path.name for path in Path(place).iterdir()} == {NAME, ".provd-claims"}


def template(data: bytes) -> None:
    lines = data.decode(errors="replace").split("\n")
    settings = dict(line.partition("=")[::2] for line in lines[1:] if "=" in line)
    known = shipped()
    chosen = known[sorted(known)[len(lines[0]) % len(known)]]
    try:
        wanted = order(chosen, settings)
        workload = replace(SPEC.workload, arguments=wanted.arguments, environment=())
        spec = replace(
            SPEC,
            resources=wanted.resources,
            max_runtime_seconds=wanted.max_runtime_seconds,
            workload=workload,
        )
        program = program_of(chosen, spec)
    except (BadValue, Inadmissible):
        return
    assert all("\0" not in word for word in program.argv)


# --- requests ---


def gateway(data: bytes) -> None:
    first, _, rest = data.decode(errors="surrogateescape").partition("\n")
    with contextlib.suppress(ApiError):
        path = paths.from_url(first)
        parts = path.split("/")
        assert path
        assert not any(part in ("", ".", "..") or "\0" in part for part in parts)
    with contextlib.suppress(ApiError):
        part = ranges.requested(rest, None, '"tag"', 1000)
        assert part is None or 0 <= part.start < part.start + part.length <= 1000
    ranges.is_same(rest, '"tag"')
    jwt.read(rest)


def manifest(data: bytes) -> None:
    for file in verify.manifest(data):
        assert not file.path.startswith("/")
        assert ".." not in file.path.split("/")


def node_agents(data: bytes) -> None:
    """Requests of agents, tokens, and the collector's answers."""
    with contextlib.suppress(Rejected):
        _, beat = bodies.read_heartbeat(data)
        assert HEARTBEAT.validate_json(heartbeat_text(beat)).health == beat.health
    with contextlib.suppress(Rejected):
        bodies.read_registration(data)
    with contextlib.suppress(ProvdError):
        tokens.read(data.decode(errors="replace"))
    with contextlib.suppress(ProvdError):
        answer.read(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        squeue,
        sacct,
        scontrol,
        submission,
        claim,
        chain_record,
        evidence,
        script,
        template,
        gateway,
        manifest,
        node_agents,
    )
}


def run(name: str, data: bytes) -> None:
    """Runs one target; provd's own errors are its answer to bad input."""
    with contextlib.suppress(ProvdError):
        TARGETS[name](data)
