"""The kernel's log is followed, each record once, and the NVIDIA driver's errors in it are kept for a day."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent.samplers.kernel_log import DAY, KernelLog
from provider_daemon.agent.samplers.kernel_records import Record, Xid, records, xid
from tests.unit.agent.samplers.trees import NVIDIA

LOG = (NVIDIA / "kmsg.txt").read_text()
FIRST, SECOND = "0000:3b:00.0", "0000:86:00.0"


def followed(text: str, tmp_path: Path, at: float = 700.0) -> KernelLog:
    path = tmp_path / "kmsg"
    path.write_text(text)
    log = KernelLog(str(path))
    log.follow(at)
    return log


def test_errors_and_warnings_of_a_day_are_counted(tmp_path: Path) -> None:
    """By the record's level. Lines that continue a record are none, and those of programs do not count."""
    log = followed(LOG, tmp_path)
    assert (log.errors, log.warnings, len(records(LOG))) == (4, 1, 7)
    log.follow(600.0 + DAY)
    assert (log.errors, log.warnings) == (3, 0)


def test_each_gpu_has_the_errors_of_its_address(tmp_path: Path) -> None:
    """Oldest first, for 24 hours."""
    log = followed(LOG, tmp_path)
    assert [each.number for each in log.xids(FIRST)] == [31]
    assert [each.number for each in log.xids(SECOND)] == [48, 63, 154]
    log.follow(600.05 + DAY)
    assert [each.number for each in log.xids(SECOND)] == [63, 154]


def test_a_driver_that_is_loaded_again_starts_with_no_errors(tmp_path: Path) -> None:
    """What its GPUs had before is over."""
    log = followed(LOG + LOG.splitlines()[2].replace("1202,8215400", "1500,650000000") + "\n", tmp_path)
    assert log.xids(SECOND) == ()


def test_a_record_is_read_once(tmp_path: Path) -> None:
    """What was added since is all that the next sample reads."""
    log = followed(LOG, tmp_path)
    with (tmp_path / "kmsg").open("a") as file:
        file.write("3,1404,700000000,-;NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n")
    log.follow(701.0)
    assert ([each.number for each in log.xids(FIRST)], log.errors) == ([31, 79], 5)


def test_a_log_that_is_read_faster_than_it_is_written_does_not_block(tmp_path: Path) -> None:
    """The kernel's device has no end: reading it returns that nothing is there yet."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    log = KernelLog(str(path))
    with open(os.open(path, os.O_RDWR | os.O_NONBLOCK), "wb", buffering=0) as writer:
        writer.write(b"3,1,1000000,-;a first error\n")
        log.follow(2.0)
        assert log.errors == 1
        writer.write(b"3,2,1000000,-;a second error\n")
        log.follow(2.0)
        assert log.errors == 2


def test_what_the_kernel_has_overwritten_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reports a broken pipe once, and continues with the oldest record that it has."""
    read, overwritten = os.read, [BrokenPipeError()]

    def first_broken(file: int, count: int) -> bytes:
        if overwritten:
            raise overwritten.pop()
        return read(file, count)

    monkeypatch.setattr("os.read", first_broken)
    assert followed(LOG, tmp_path).errors == 4


def test_a_log_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    """It is tried again at the next sample."""
    log = KernelLog(str(tmp_path / "kmsg"))
    with pytest.raises(FileNotFoundError):
        log.follow(1.0)
    (tmp_path / "kmsg").write_text(LOG)
    log.follow(700.0)
    assert log.errors == 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("NVRM: Xid (PCI:0000:3B:00): 79, pid=1, GPU has fallen off the bus.", Xid("0000:3b:00", 79, 5.0)),
        ("NVRM: Xid (0000:03:00): 62, 24c3", Xid("0000:03:00", 62, 5.0)),
        ("NVRM: Xid (PCI:0008:01:00.0): 119, Timeout", Xid("0008:01:00", 119, 5.0)),
        (
            "NVRM: Xid (PCI:0008:01:00): 154, GPU recovery action changed from 0x1 (Reset) to 0x0 (None)",
            Xid("0008:01:00", 154, 5.0, recovered=True),
        ),
        ("NVRM: Xid (PCI:0000:66:00): abc, pid=2280636", None),
        ("a program prints: NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.", None),
    ],
)
def test_errors_of_the_driver_are_read_in_all_their_forms(text: str, found: Xid | None) -> None:
    """Old drivers write no bus, some write a function; other messages are no errors of a GPU."""
    assert xid(Record(3, 5.0, text)) == found


@given(st.text() | st.lists(st.text("0123456789,-;NVRM Xid(PCI:)ab.x")).map("\n".join))
def test_any_log_is_read(text: str) -> None:
    """A program may write whatever it likes into the log."""
    for record in records(text):
        assert 0 <= record.level < 8
        xid(record)
