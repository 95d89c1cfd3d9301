"""Copies of what a machine shows below /proc and /sys, which a test may change."""

import shutil
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from provider_daemon.agent.samplers.files import Files
from provider_daemon.nodes.report import Gpu

FIXTURES = Path(__file__).parents[3] / "fixtures/node"
VM = FIXTURES / "epyc-vm"  # a virtual machine with 2 cores, where two slurmds run on one host
NVIDIA, AMD = FIXTURES / "nvidia", FIXTURES / "amd"  # what their programs print


def copy(of: Path, to: Path) -> Path:
    return Path(shutil.copytree(of, to / "machine"))


def put(root: Path, files: dict[str, str]) -> Files:
    """Writes files below a root, and returns it as samplers read it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Files(str(root))


def program(directory: Path, name: str, text: str) -> None:
    """Puts a shell script in place of a program."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def within_limits(gpu: Gpu) -> None:
    """Raises ValidationError if a heartbeat may not report it."""
    TypeAdapter(Gpu).validate_python(asdict(gpu))
