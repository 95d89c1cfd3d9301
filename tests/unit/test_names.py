"""Names of sites: whatever a pattern accepts stays one name where it is written."""

import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon import names
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.errors import Refused
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.slurm.script import render
from provider_daemon.slurm.transport import with_path
from tests.unit.slurm.batches import BATCH


def of(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True).map(lambda text: text.rstrip("\n")).filter(bool)


@given(account=of(names.SLURM_NAME), partition=of(names.PARTITIONS), directory=of(names.PATH))
def test_in_a_batch_script(account: str, partition: str, directory: str) -> None:
    """Each is the whole value of its own option, and the script has as many options as with any other
    names."""
    lines = render(replace(BATCH, account=account, partition=partition, directory=directory)).splitlines()
    plain = render(replace(BATCH, account="a", partition="p", directory="/d")).splitlines()
    assert {
        f"#SBATCH --account={account}",
        f"#SBATCH --partition={partition}",
        f"#SBATCH --chdir={directory}",
    } <= set(lines)
    assert [line.partition("=")[0] for line in lines if line.startswith("#SBATCH")] == [
        line.partition("=")[0] for line in plain if line.startswith("#SBATCH")
    ]


@given(st.text(max_size=8))
def test_any_other_text_is_refused_by_the_renderer(text: str) -> None:
    """Text from anywhere is either a name, or no script is made."""
    try:
        lines = render(replace(BATCH, account=text, gpu_type=text, gpus_per_node=1)).splitlines()
    except Refused:
        return
    assert sum(line.startswith("#SBATCH --account") for line in lines) == bool(text)
    assert not set(text) & set(" ,=\n\r\t\"'\\#%;$`")


@settings(max_examples=25, deadline=None)
@given(name=st.one_of(of(names.SLURM_NAME), of(names.PARTITIONS), of(names.PATH)))
def test_through_a_shell(name: str) -> None:
    """Read from stdin as our programs read it, and as a word of a command line: the same name."""
    program = 'read -r name; printf "%s\\n" "$name"; printf "%s\\n" ' + name
    done = subprocess.run(
        ["/bin/sh", "-c", program], input=f"{name}\n", capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{name}\n{name}\n"


@settings(max_examples=15, deadline=None)
@given(st.lists(of(names.PATH), min_size=1, max_size=3))
def test_in_front_of_the_path(directories: list[str]) -> None:
    program = with_path('printf "%s" "$PATH"', directories)
    done = subprocess.run(
        ["/bin/sh", "-c", program], capture_output=True, text=True, check=True, env={"PATH": "/bin"}
    )
    assert done.stdout == ":".join([*directories, "/bin"])


@pytest.mark.parametrize("pattern", list(names.SHAPES))
def test_a_line_break_at_the_end(pattern: str) -> None:
    """Python's `$` would let it pass."""
    good = next(text for text in ("/a", "a") if names.matches(pattern, text))
    assert not names.matches(pattern, f"{good}\n")


def test_only_the_configuration_names_several_partitions() -> None:
    """A queue on chain that the configuration does not map is one partition, or none at all."""
    known = ServedCluster(
        "HPC-1", "alpha", LocalSigner(b"1" * 32), "/work", partitions={"standard": "short,long"}
    )
    assert known.partition("standard") == "short,long"
    assert known.partition("gpu") == "gpu"
    with pytest.raises(Refused):
        known.partition("short,long")
