"""The connection from the stand-in programs, which are separate processes, to the state machine.

Each call is one AF_UNIX connection. Request: a line `arguments variables bytes-of-stdin`, then the program,
its arguments, directory and variables, each followed by NUL, then stdin. Response: a line `exit-code
bytes-of-stdout`, then stdout and stderr.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from provider_daemon.lab.simulated.programs import PROGRAMS, Call, Said

# A link to the interpreter: the kernel reads at most 255 bytes of a first line, and its path may not contain
# blanks.
_PYTHON = ".python"
# _socket and no json: a call takes 15 ms instead of 40.
_PROGRAM = """#!{python} -SEB
import os, sys
from _socket import socket, AF_UNIX, SOCK_STREAM, SHUT_WR
name = os.path.basename(sys.argv[0])
arguments = [os.fsencode(a) for a in sys.argv[1:]]
quiet = {{b"--version", b"-V"}} & set(arguments) or any(a.startswith(b"--wrap") for a in arguments)
stdin = sys.stdin.buffer.read() if name == "sbatch" and not quiet else b""
umask = os.umask(0)
variables = [k + b"=" + v for k, v in os.environb.items()] + [b"SLURM_UMASK=%04o" % umask]
words = [name.encode(), *arguments, os.getcwdb(), *variables]
channel = socket(AF_UNIX, SOCK_STREAM)
try:
    channel.connect({path!r})
    channel.sendall(b"%d %d %d\\n" % (len(arguments), len(variables), len(stdin)) + b"".join(w + b"\\0" for w in words) + stdin)
    channel.shutdown(SHUT_WR)
    answer = b""
    while part := channel.recv(65536):
        answer += part
    head, _, body = answer.partition(b"\\n")
    code, size = head.split()
except (OSError, ValueError):
    sys.stderr.write(name + ": error: the site is gone\\n")
    sys.exit(1)
sys.stdout.buffer.write(body[:int(size)])
sys.stdout.buffer.flush()
sys.stderr.buffer.write(body[int(size):])
sys.stderr.buffer.flush()
os._exit(int(code))
"""  # noqa: E501

# Runs the command once per task: one per node, or as many as -n requests, filling node after node.
_SRUN = """#!/bin/bash
nodes=($SIMULATED_NODES)
tasks=${#nodes[@]}
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    -n|--ntasks) tasks=$2; shift 2 ;;
    -N|-c) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
pids=()
for ((rank = 0; rank < tasks; rank++)); do
  place=$((rank * ${#nodes[@]} / tasks))
  SLURMD_NODENAME=${nodes[place]} SLURM_NODEID=$place SLURM_PROCID=$rank "$@" &
  pids+=($!)
done
worst=0
for pid in "${pids[@]}"; do
  wait "$pid" || { code=$?; [ $code -gt $worst ] && worst=$code; }
done
exit $worst
"""


# The name of the login, whose programs run as the user of this process.
_ID = """#!/bin/sh
if [ "$*" = -un ]; then echo "$USER"; else exec /usr/bin/id "$@"; fi
"""


def write_programs(directory: Path, socket: Path) -> None:
    directory.mkdir()
    (directory / _PYTHON).symlink_to(sys.executable)
    for name in PROGRAMS:
        _write(directory / name, _PROGRAM.format(python=directory / _PYTHON, path=str(socket)))
    _write(directory / "srun", _SRUN)
    _write(directory / "id", _ID)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


async def serve(socket: Path, answer: Callable[[Call], Awaitable[Said | None]]) -> asyncio.Server:
    """Serves the calls. If `answer` returns None, the connection is closed without a response."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            said = await answer(await _call(reader))
            if said is not None:
                stdout = said.stdout.encode()
                writer.write(f"{said.exit_code} {len(stdout)}\n".encode() + stdout + said.stderr.encode())
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(handle, path=str(socket))


async def _call(reader: asyncio.StreamReader) -> Call:
    arguments, variables, size = (int(part) for part in (await reader.readline()).split())
    everything = await reader.read(-1)
    *words, _ = everything[: len(everything) - size].split(b"\0")
    text = [os.fsdecode(word) for word in words]
    environment = dict(word.split("=", 1) for word in text[2 + arguments :])
    assert len(environment) <= variables
    return Call(
        text[0],
        tuple(text[1 : 1 + arguments]),
        text[1 + arguments],
        environment,
        everything[len(everything) - size :],
    )
