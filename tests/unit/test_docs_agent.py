"""docs/agent.md: every field, limit and vector of the node agents' protocol is the code's."""

import base64
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.node_protocol import answer, command, request, signature, token
from provider_daemon.nodes import reading, report
from provider_daemon.nodes.command import CommandKind, CommandResult
from tests.load.agent_attacks import ATTACKS
from tests.unit.docs import blocks, column, page, table

PAGE = page("agent.md")
TYPES = {
    report.Count: "count",
    report.Long: "long",
    report.Percent: "percent",
    report.Celsius: "celsius",
    report.Word: "word",
    report.Line: "line",
    report.Words: "words",
    bool: "bool",
}
OBJECTS = {
    "heartbeat": report.Heartbeat,
    "capacity": report.Capacity,
    "health": report.Health,
    "gpu": report.Gpu,
    "latency": report.Latency,
    "measurement": report.LatencyMeasurement,
    "jobs": report.JobCounts,
    "services": report.Services,
    "hardware": report.Hardware,
    "topology": report.Topology,
    "locality": report.Locality,
    "acknowledgement": report.Acknowledgement,
    "registration": report.Registration,
}


@pytest.mark.parametrize(("name", "kind"), OBJECTS.items())
def test_every_field_is_there_with_its_type(name: str, kind: type[Any]) -> None:
    """Each object has a table with its fields in the code's order."""
    hints = get_type_hints(kind, include_extras=True)
    rows = table(PAGE, f"{name} field")
    assert [row[0] for row in rows] == [each.name for each in fields(kind)]
    for field, type_name, *_ in rows:
        if hints[field] in TYPES:
            assert type_name == TYPES[hints[field]], field


def test_every_limit_is_there() -> None:
    """Of the named types, and of the lists: the page's number is the code's."""
    limits = {
        row[0]: row[1].replace("2³¹", "2147483648").replace("2⁶²", str(2**62)) for row in table(PAGE, "type")
    }
    for hint, name in TYPES.items():
        for limit in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
            highest = getattr(limit, "max_length", None) or limit.le
            said = limits[name].replace("2147483648 - 1", "2147483647")
            assert str(highest) in said, name
    lists = {"gpus": 64, "acknowledgements": 16, "measurements": 16, "active_job_ids": 1024, "xid_errors": 64}
    for kind in OBJECTS.values():
        for name, hint in get_type_hints(kind, include_extras=True).items():
            if name in lists:
                assert get_args(hint)[1].max_length == lists[name]
                assert f"at most {lists[name]}" in PAGE.split(f"| {name} |")[1].splitlines()[0]


def test_every_command_and_result_is_there() -> None:
    """The fixed list of commands, and what becomes of one."""
    assert column(PAGE, "kind of command") == list(CommandKind)
    assert column(PAGE, "result of a command") == list(CommandResult)


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("token", token.NodeToken, {"type", "version"}),
        ("command", command.NodeCommand, {"type", "version"}),
        ("answer", answer.Answer, set()),
        ("auth", request.Auth, set()),
    ],
)
def test_every_member_of_the_envelopes_is_there(name: str, kind: type[Any], more: set[str]) -> None:
    """Of tokens, commands, answers and `auth`."""
    said = [word.strip() for cell in column(PAGE, name) for word in cell.split(",")]
    assert set(said) == {each.name for each in fields(kind)} | more


def test_the_example_is_signed_as_the_page_says() -> None:
    """The request's payload is a heartbeat, and its signature holds over the lines below it."""
    (body,) = blocks(PAGE, "json")
    lines = next(block for block in blocks(PAGE, "text") if block.startswith("provd-agent-1"))
    read = request.read("heartbeat", body.strip().encode())
    beat, auth = reading.heartbeat(read.payload), read.auth
    assert auth is not None
    stamp = signature.Stamp(beat.node_id, beat.cluster_id, auth.timestamp, auth.nonce)
    base = signature.base_text(signature.Purpose.HEARTBEAT, stamp, read.payload)
    assert base.decode() == lines.strip()
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    assert f"`{public}`" in PAGE
    assert signature.verify(public, base, auth.signature)


def test_constants() -> None:
    """The numbers that stand in running text."""
    assert (signature.OLDEST_SECONDS, signature.AHEAD_SECONDS) == (300, 60)
    assert "at most 300 s old and at most 60 s ahead" in PAGE
    assert (answer.LEAST_SECONDS, answer.MOST_SECONDS) == (10, 120)
    assert "10 to 120 s" in PAGE


PDSH = """
import subprocess, sys
_, _, _, hosts, *command = sys.argv[1:]
for host in hosts.split(","):
    subprocess.run([word.replace("%h", host) for word in command], check=True)
"""
PROGRAMS = {
    "provd": '[ "$*" = "node token --for-all" ] && printf "n1 first.token\\nn2 second.token\\n"',
    "pdsh": f"exec {sys.executable} -c '{PDSH}' \"$@\"",
    "ssh": 'cat > "$OUT/$1"',
    "sbatch": '{ host=${1#--nodelist=}; sed -n "s/^echo .\\(.*\\). > .*/\\1/p" > "$OUT/$host"; }',
}


@pytest.mark.parametrize("way", ["pdsh", "sbatch"])
def test_the_roll_out_brings_each_node_its_own_token(way: str, tmp_path: Path) -> None:
    """The page's commands run as written, with stand-ins for the programs that reach nodes."""
    for name, script in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    (tmp_path / "out").mkdir()
    found = [block for block in blocks(PAGE, "sh") if "node-tokens" in block]
    assert len(found) == 3
    issue, bring = found[0], next(block for block in found[1:] if way in block)
    text = (issue + bring).replace("/root/node-tokens", str(tmp_path / "tokens"))
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "OUT": str(tmp_path / "out")}
    subprocess.run(["bash", "-euc", text], env=env, check=True)
    brought = {path.name: path.read_text().strip() for path in (tmp_path / "out").iterdir()}
    assert brought == {"n1": "first.token", "n2": "second.token"}
    assert not (tmp_path / "tokens").exists()


def test_the_attacks_that_are_tried() -> None:
    assert table(PAGE, "attack") == [[attack.name, attack.reason] for attack in ATTACKS]
