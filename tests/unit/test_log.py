"""Logs: a customer's words cannot forge a line, a secret is never shown, and no text is without end."""

import json
import logging
import os
import re
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon import log as logs

FORGED = 'x\n{"event": "tx_included", "level": "info"}\r\x1b[2K\x1b[1A\x85\u2028\u202e\x00fine'
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]")
SECRET = "correct horse battery staple"


@pytest.fixture(params=["json", "console"])
def log_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def written(
    capsys: pytest.CaptureFixture[str], log_format: str, event: str = "job_adopted", **values: object
) -> str:
    """What one call of the log wrote to standard error."""
    logs.configure(log_format)
    structlog.get_logger("provd.test").info(event, **values)
    return capsys.readouterr().err


def test_hostile_name_forges_nothing(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """Line ends, escape sequences and turned writing in a job's name stay inside the value of one line."""
    text = written(capsys, log_format, job=FORGED, more=[FORGED, {"name": FORGED}], error=ValueError(FORGED))
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert not CONTROL.search(text)
    assert "fine" in text


def test_hostile_key_of_a_mapping_forges_nothing(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """A customer also chooses the names of environment variables."""
    text = written(capsys, log_format, environment={FORGED: "1"})
    assert text.count("\n") == 1
    assert not CONTROL.search(text)


def test_json_line_is_the_value_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """What was said is still there for whoever looks, as escapes."""
    line = json.loads(written(capsys, "json", job="a\nb\x1b[0m"))
    assert (line["event"], line["level"], line["job"]) == ("job_adopted", "info", "a\\nb\\x1b[0m")


@pytest.mark.parametrize(
    "name", ["passphrase", "key_passphrase", "PASSWORD", "mnemonic", "secret", "private_key"]
)
def test_secrets_are_blanked(capsys: pytest.CaptureFixture[str], log_format: str, name: str) -> None:
    """A value named like a secret is never written, however deep it stands."""
    text = written(
        capsys, log_format, key={name: SECRET}, keys=[{"inner": {name: [SECRET]}}], **{name: SECRET}
    )
    assert "battery" not in text
    assert text.count("***") == 3


def test_length_is_bounded(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """A megabyte from a customer does not become a megabyte of log; both ends of it are kept."""
    text = written(capsys, log_format, job="begin" + "y" * 10**6 + "end")
    assert len(text) < logs.MAX_VALUE + 200
    assert "begin" in text
    assert "end" in text


def test_traceback_is_one_line(
    capsys: pytest.CaptureFixture[str], log_format: str, recwarn: pytest.WarningsRecorder
) -> None:
    """A bug's traceback is a value like any other, and ends with what went wrong."""
    logs.configure(log_format)
    try:
        raise RuntimeError(f"at the end{FORGED}")
    except RuntimeError:
        structlog.get_logger("provd.test").exception("tick_crashed")
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "RuntimeError: at the end" in text
    assert not recwarn.list


def test_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """What is below the level of the configuration is not written."""
    logs.configure("json", "warning")
    log = structlog.get_logger("provd.test")
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)])
def test_journal_is_told_the_priority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log_format: str, level: str, priority: int
) -> None:
    """Where systemd connected standard error to its journal, each line begins with the mark that `journalctl
    -p` goes by."""
    with (tmp_path / "journal").open("w+") as journal:
        there = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
        monkeypatch.setattr("sys.stderr", journal)
        logs.configure(log_format, "debug")
        getattr(structlog.get_logger("provd.test"), level)("job_adopted", job="a\n<0>b")
        journal.seek(0)
        (line,) = journal.read().splitlines()
    assert line.startswith(f"<{priority}>")
    if log_format == "json":
        assert json.loads(line.removeprefix(f"<{priority}>"))["job"] == "a\\n<0>b"


def test_elsewhere_no_priority_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon whose output was redirected away from the journal writes JSON and nothing else."""
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    assert json.loads(written(capsys, "json"))


def test_long_list_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten thousand jobs in one line would be two entries of the journal; how many were left out is said."""
    line = json.loads(written(capsys, "json", slurm_jobs=list(range(10_000))))
    assert line["slurm_jobs"][:2] == [0, 1]
    assert line["slurm_jobs"][logs.MAX_ITEMS :] == [f"... {10_000 - logs.MAX_ITEMS} more"]


@given(
    st.recursive(
        st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_whatever_is_logged_is_one_line(value: object) -> None:
    """No value at all makes a second line, nor one that is not JSON."""
    line = structlog.processors.JSONRenderer(ensure_ascii=False)(
        None, "info", logs.clean(None, "info", {"event": "e", "value": value})
    )
    assert isinstance(line, str)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["event"] == "e"


def test_what_libraries_log_is_one_line(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """An HTTP server's complaint about a stranger's bytes comes as a line of ours, traceback included."""
    logs.configure(log_format)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", FORGED)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert not CONTROL.search(text)
    assert "aiohttp.server" in text


def test_a_library_that_repeats_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """One line of each place in LIBRARY_SECONDS; the next one says how many were left out, other places are
    not held back."""
    logs.configure("json", "info")
    now = 100.0
    handler = logs.Libraries(logging.WARNING, lambda: now)
    for second in range(1000):
        now = 100.0 + second / 1000
        handler.emit(
            logging.LogRecord(
                "asyncio", logging.ERROR, "events.py", 1, "socket.accept() out of system resource", (), None
            )
        )
    handler.emit(logging.LogRecord("asyncio", logging.ERROR, "events.py", 2, "another", (), None))
    now += logs.LIBRARY_SECONDS
    handler.emit(
        logging.LogRecord(
            "asyncio", logging.ERROR, "events.py", 1, "socket.accept() out of system resource", (), None
        )
    )
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["text"][:13], line.get("omitted", 0)) for line in lines] == [
        ("socket.accept", 0),
        ("another", 0),
        ("socket.accept", 999),
    ]
