"""Every recorded answer of SLURM 22.05.8, 24.11.5 and 26.05.5 is read, to the last line."""

import re
from pathlib import Path

import pytest

from provider_daemon.errors import Transient
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State
from provider_daemon.slurm import accounting, failures, parse, tres
from provider_daemon.slurm.commands import SACCT_FIELDS
from provider_daemon.slurm.nodes import nodes
from provider_daemon.slurm.parse import Submitted
from provider_daemon.slurm.reservations import reservations
from provider_daemon.slurm.states import JOB_STATES, job_state, node_usable
from tests.unit.slurm.recorded import FILES, ROOT, Entry, entries, entry, sacct, squeue

VERSIONS = ["22.05.8", "24.11.5", "26.05.5"]
_STATE_WORD = re.compile(r"JobState=(\S+)")
_TRES = re.compile(r"(?:Req|Alloc)?TRES=(\S+)")


def test_each_version_has_the_same_files() -> None:
    """Nothing was left out when the recordings were copied."""
    names = [sorted(path.name for path in FILES if path.parent.name == version) for version in VERSIONS]
    assert names[0] == names[1] == names[2]
    assert len(names[0]) == 34


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_file_is_read(path: Path) -> None:
    """Each entry goes through the reader for its command; none meets an unknown state."""
    if path.stem == "version":
        assert parse.version(path.read_text()) == path.parent.name
    elif path.stem == "helpformat":
        assert set(SACCT_FIELDS) <= set(path.read_text().split())
    elif path.stem == "config":
        assert re.search(r"^AccountingStorageTRES\s*=.*gres/gpu", path.read_text(), re.MULTILINE)
    else:
        found = list(entries(path))
        assert found, "the file holds no entry"
        for each in found:
            _read(each)


def _read(found: Entry) -> None:
    command = found.command.removeprefix("P ")
    if found.exit_code:
        assert _failure(found)
    elif command.startswith("sacct"):
        assert all(
            row.state.phase is not Phase.UNKNOWN
            for row in accounting.rows(sacct(found.output), "|").rows
            if "State" in found.output
        )
    elif command.startswith("squeue -o %all"):
        _long_squeue(found.output)
    elif command.startswith("squeue") and " -h " in command:
        assert all(
            job_state(row.state).phase is not Phase.UNKNOWN for row in parse.queue(squeue(found), "|").rows
        )
    elif command.startswith("squeue"):
        assert all(_short(line) in JOB_STATES for line in found.output.splitlines()[1:])
    elif command.startswith("scontrol show node"):
        assert len(nodes(" ".join(found.output.split("\n"))).rows) == 1
    elif command.startswith("scontrol show job"):
        assert all(word in JOB_STATES for word in _STATE_WORD.findall(found.output))
        assert all(tres.tres(text) is not None for text in _TRES.findall(found.output))
    elif command.startswith("scontrol show reservation"):
        assert len(reservations(found.output).rows) == found.output.count("ReservationName=")
    elif command.startswith("scontrol show partition"):
        assert [tres.gpus(tres.tres(text)) for text in _TRES.findall(found.output)] == [
            (("a100", 8),),
            (("a100", 8),),
        ]
    elif command.startswith("sinfo"):
        _sinfo(found.output)
    elif command.startswith("sbatch"):
        assert failures.receipt(Submitted("x", 0, found.output.strip(), "")).slurm_id == found.output.strip()
    else:
        assert found.output == "", command


def _failure(found: Entry) -> bool:
    stderr = " ".join(found.output.split())
    if found.command.startswith("sbatch"):
        return bool(failures.receipt(Submitted("x", found.exit_code, "", stderr)).refusal)
    return "Invalid job id" in str(failures.query_failure("squeue", found.exit_code, stderr))


def _short(line: str) -> str:
    return job_state(line.split()[4]).word


def _long_squeue(text: str) -> None:
    header, *lines = (line.split("|") for line in text.splitlines())
    assert all(job_state(line[header.index("ST")]).word == line[header.index("STATE")] for line in lines)


def _sinfo(text: str) -> None:
    header, *lines = text.splitlines()
    for line in lines:
        fields = line.split("|") if "|" in header else line.split()
        state = fields[header.split("|" if "|" in header else None).index("STATE")]
        assert node_usable(state) is (state in ("idle", "mixed", "allocated", "completing"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "outcome", "exit_code", "signal"),
    [
        ("completed", State.COMPLETED, 0, 0),
        ("failed3", State.FAILED, 3, 0),
        ("notfound", State.FAILED, 127, 0),
        ("signaled", State.FAILED, 139, 11),
        ("cancelled", State.CANCELLED, 0, 0),
        ("cancelledpend", State.CANCELLED, 0, 0),
        ("timeout", State.TIMEOUT, 0, 0),
        ("oom", State.FAILED, 137, 9),
        ("preempted", State.FAILED, 0, 0),
        ("requeued", State.COMPLETED, 0, 0),
        ("suspended", State.COMPLETED, 0, 0),
    ],
)
def test_recorded_outcome(version: str, name: str, outcome: State, exit_code: int, signal: int) -> None:
    """The closed record of each recorded job gives the chain's word, exit code and signal."""
    found = entry(version, name, "sacct -P -j")
    (seen,) = accounting.by_job(accounting.rows(sacct(found.output), "|").rows, frozenset({name}), 0)
    assert (seen.outcome, seen.exit_code, seen.signal, seen.final) == (outcome, exit_code, signal, True)


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_gpu_usage(version: str) -> None:
    """Two typed GPUs are two, not four, although the record names them twice."""
    (seen,) = accounting.by_job(
        accounting.rows(sacct(entry(version, "gpu", "sacct -P -j").output), "|").rows, frozenset({"gpu"}), 0
    )
    (run,) = seen.runs
    assert (run.cpus, run.memory_mib, run.nodes, run.gpus) == (4, 8192, 1, (("a100", 2),))


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_requeue_counts_both_runs(version: str) -> None:
    """Each record of a requeued job is a run of its own; the last one decides."""
    found = entry(version, "requeued", "sacct -P -X -D")
    (seen,) = accounting.by_job(
        accounting.rows(sacct(found.output, "12", "requeued"), "|").rows, frozenset({"requeued"}), 0
    )
    assert len(seen.runs) == 2
    assert seen.outcome is State.COMPLETED


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_hopeless_jobs(version: str) -> None:
    """The job that no dependency will ever release, and those too large for the partition, are told from
    those that merely wait."""
    rows = parse.queue(squeue(entry(version, "pending", "squeue -t PD -h")), "|").rows
    hopeless = {row.name for row in rows if accounting.live(row).hopeless}
    taken = {row.name for row in rows} & {"p_nodes", "r_cpu"}  # 24.11 refuses them
    assert {"p_depnever", "p_time"} | taken <= hopeless
    assert not hopeless & {"p_held", "p_begin", "p_dep", "p_nodedown", "p_resources"}


def test_cut_table_is_unread() -> None:
    """A row that ends early is unread; it is never taken for a job that is not there. A table without its
    header is no answer."""
    whole = sacct(entry("24.11.5", "completed", "sacct -P -j").output)
    assert len(accounting.rows(whole[:-10], "|").unread) == 1
    with pytest.raises(Transient, match="sacct"):
        accounting.rows(whole[: whole.index("|")], "|")
    with pytest.raises(Transient, match="squeue"):
        parse.queue("12|RUNNING|1|1|1|0:01|N/A|None|ve-1", "|")


def test_recordings_are_where_the_tests_look() -> None:
    """An empty directory must not pass."""
    assert len(FILES) == 102, ROOT
