"""The audit log: appended by several writers, verified, cut off, changed, pruned."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.audit_log.files import AuditFiles
from provider_daemon.audit_log.recorder import Recorder, by_customer
from provider_daemon.audit_log.records import (
    Action,
    Actor,
    ActorKind,
    Deed,
    Head,
    Process,
    next_record,
    read_line,
)
from provider_daemon.audit_log.verify import Line, Verdict, verify

DAY = 86_400.0
NOON = 1_800_000_000.0 - 1_800_000_000 % DAY + DAY / 2
ROOT = Actor(ActorKind.OPERATOR, "root")


def files(place: Path, keep_days: int = 365) -> AuditFiles:
    return AuditFiles(place / "audit", Process.DAEMON, keep_days)


def written(place: Path, count: int = 5, **options: int) -> AuditFiles:
    log = files(place, **options)
    for number in range(count):
        log.append([Deed(Action.JOB_UNPARKED, ROOT, f"JOB-{number}")], NOON)
    return log


def checked(place: Path, *anchors: Head) -> Verdict:
    return verify(files(place).lines(), anchors)


def rewrite(place: Path, change: Callable[[list[str]], list[str]]) -> None:
    (path,) = (place / "audit").glob("*.jsonl")
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def test_a_whole_log(tmp_path: Path) -> None:
    """Two writers take turns, as a daemon and a command do; the chain is one."""
    daemon, command = files(tmp_path), files(tmp_path)
    for writer in (daemon, command, command, daemon):
        writer.append([Deed(Action.JOB_UNPARKED, ROOT, "JOB-1")] * 2, NOON)
    verdict = checked(tmp_path)
    assert (verdict.problem, verdict.records, verdict.first) == ("", 8, 1)
    assert verdict.head == daemon.head()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda lines: [lines[0], lines[1].replace("JOB-1", "JOB-9"), *lines[2:]],
            "record 2 (2027-01-15.jsonl, line 2): its content does not match its hash",
        ),
        (
            lambda lines: [*lines[:2], *lines[3:]],
            "record 3 (2027-01-15.jsonl, line 3): its number is 4: records were removed or inserted before "
            "it",
        ),
        (
            lambda lines: [lines[0], "{}\n", *lines[1:]],
            "record 2 (2027-01-15.jsonl, line 2): it is not a JSON object with the fields of a record",
        ),
        (
            lambda lines: lines[1:],
            "records 1 to 1 are missing, and no later record says that they were pruned",
        ),
    ],
)
def test_the_first_wrong_record_is_named(
    tmp_path: Path, change: Callable[[list[str]], list[str]], problem: str
) -> None:
    written(tmp_path)
    rewrite(tmp_path, change)
    assert checked(tmp_path).problem == problem


def test_a_forged_chain(tmp_path: Path) -> None:
    """Whoever computes all hashes again is noticed by a record that was seen before."""
    seen = written(tmp_path).head()
    for path in (tmp_path / "audit").iterdir():
        path.unlink()
    log = files(tmp_path)
    for number in range(6):
        log.append([Deed(Action.JOB_UNPARKED, ROOT, f"JOB-{number + 7}")], NOON)
    assert checked(tmp_path).problem == ""
    assert "a record with another hash was seen earlier" in checked(tmp_path, seen).problem


def test_a_cut_end(tmp_path: Path) -> None:
    """Without its last records the chain is whole, and a record that was seen is missing."""
    seen = written(tmp_path).head()
    rewrite(tmp_path, lambda lines: lines[:-1])
    assert checked(tmp_path).problem == ""
    assert checked(tmp_path, seen).problem == (
        "the log ends with record 4, but record 5 was seen: its end was cut off"
    )


def test_old_days_are_deleted(tmp_path: Path) -> None:
    """A file for each day; what is older than keep_days goes, and the rest is still a proven chain."""
    log = files(tmp_path, keep_days=2)
    for day in range(6):
        log.append([Deed(Action.JOB_CLOSED, ROOT, f"JOB-{day}")], NOON + day * DAY)
    assert len([*(tmp_path / "audit").glob("*.jsonl")]) == 3
    verdict = checked(tmp_path)
    assert (verdict.problem, verdict.first > 1) == ("", True)
    oldest = min((tmp_path / "audit").glob("*.jsonl"))
    oldest.unlink()
    assert "are missing" in checked(tmp_path).problem


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """Records stay in the newest file, so that their order is that of the files."""
    log = files(tmp_path)
    log.append([Deed(Action.JOB_CLOSED, ROOT)], NOON)
    log.append([Deed(Action.JOB_CLOSED, ROOT)], NOON - 3 * DAY)
    assert len([*(tmp_path / "audit").glob("*.jsonl")]) == 1
    assert checked(tmp_path).problem == ""


def test_a_crash_in_a_write(tmp_path: Path) -> None:
    """Half a line at the end is no record: the next one takes its place."""
    written(tmp_path)
    (path,) = (tmp_path / "audit").glob("*.jsonl")
    with path.open("a") as opened:
        opened.write('{"action":"job_')
    files(tmp_path).append([Deed(Action.JOB_CLOSED, ROOT)], NOON)
    assert (checked(tmp_path).problem, checked(tmp_path).records) == ("", 6)


def test_a_process_continues_without_its_log(tmp_path: Path) -> None:
    """While the log cannot be written nothing stops, and the next record says how many are missing."""
    recorder = Recorder(files(tmp_path), Process.DAEMON)
    recorder.started(NOON)
    (path,) = (tmp_path / "audit").glob("*.jsonl")
    path.rename(tmp_path / "aside")
    path.mkdir()
    recorder.record([by_customer("ve1alice", Action.JOB_ADOPTED, job="JOB-1")] * 2, NOON)
    path.rmdir()
    (tmp_path / "aside").rename(path)
    recorder.record([by_customer("ve1alice", Action.JOB_ADOPTED, job="JOB-3")], NOON)
    last = json.loads([line.text for line in files(tmp_path).lines()][-1])
    assert (last["job"], last["sequence"]) == ("JOB-3", 2)
    assert last["detail"].startswith("2 records before this one could not be written")


def test_modes(tmp_path: Path) -> None:
    """Others cannot read it."""
    written(tmp_path)
    assert os.stat(tmp_path / "audit").st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o137 for path in (tmp_path / "audit").iterdir()} == {0}


@given(st.text(), st.text(), st.text())
def test_any_text_is_one_line(actor: str, job: str, thing: str) -> None:
    """What a customer wrote can neither end a line nor forge a record."""
    deed = by_customer(actor, Action.FILE_READ, job=job, thing=thing)
    line = next_record(Head(), Process.GATEWAY, deed, NOON).line()
    assert line.count("\n") == 1
    assert read_line(line)[0].hash == read_line(line)[1]
    assert verify([Line(line, "x", 1)]).problem == ""
