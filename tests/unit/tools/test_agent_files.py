"""The package for compute nodes contains what the node agent imports, and nothing else of provd."""

import sys
import tomllib
from pathlib import Path

import grimp

from tests.unit.docs import ROOT
from tools import agent_files

DISTRIBUTIONS = {
    "annotated_types": "annotated-types",
    "bech32": "bech32",
    "cryptography": "cryptography",
}


def test_the_agent_imports_only_small_packages() -> None:
    """What it imports of others is what the group agent-package in pyproject.toml names."""
    graph = grimp.build_graph(agent_files.PACKAGE, include_external_packages=True, cache_dir=None)
    wanted = agent_files.modules()
    imported = {
        found.partition(".")[0]
        for module in wanted
        for found in graph.find_modules_directly_imported_by(module)
    }
    others = imported - set(sys.stdlib_module_names) - {agent_files.PACKAGE}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert others <= set(DISTRIBUTIONS)
    assert [line.partition(">")[0] for line in groups["agent-package"]] == list(DISTRIBUTIONS.values())


def test_no_room_of_the_daemon_is_needed() -> None:
    """Neither the ledger nor SLURM's side, nor anything that imports pydantic."""
    rooms = {name.split(".")[1] for name in agent_files.modules() if "." in name}
    assert {"agent", "nodes"} <= rooms
    assert not rooms & {"ledger", "slurm", "loops", "daemon", "config", "cli", "control"}


def test_the_rest_is_deleted_and_not_recorded(tmp_path: Path) -> None:
    """Files of other packages stay, and RECORD has what is there."""
    package, info = tmp_path / "provider_daemon", tmp_path / "provd-1.dist-info"
    for path in (
        package / "agent/pace.py",
        package / "ledger/ledger.py",
        package / "x.yaml",
        tmp_path / "y.py",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    info.mkdir()
    paths = ["provider_daemon/agent/pace.py", "provider_daemon/ledger/ledger.py", "provider_daemon/x.yaml"]
    (info / "RECORD").write_text("".join(f"{path},sha256=x,0\n" for path in paths))
    agent_files.prune(tmp_path, {"provider_daemon", "provider_daemon.agent", "provider_daemon.agent.pace"})
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"provider_daemon/agent/pace.py", "y.py", "provd-1.dist-info/RECORD"}
    assert (info / "RECORD").read_text() == "provider_daemon/agent/pace.py,sha256=x,0\n"
    assert not (package / "ledger").exists()
