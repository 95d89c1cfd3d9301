"""Copies of what a machine shows below /proc and /sys, which a test may change."""

import shutil
from pathlib import Path

from provider_daemon.agent.samplers.files import Files

FIXTURES = Path(__file__).parents[3] / "fixtures/node"
VM = FIXTURES / "epyc-vm"  # a virtual machine with 2 cores, where two slurmds run on one host


def copy(of: Path, to: Path) -> Path:
    return Path(shutil.copytree(of, to / "machine"))


def put(root: Path, files: dict[str, str]) -> Files:
    """Writes files below a root, and returns it as samplers read it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Files(str(root))
