"""Progress bars."""

import sys

import pytest

from provider_daemon.cli import progress
from provider_daemon.client.meter import NoMeter


def test_no_bars_where_nobody_sees_them() -> None:
    """A log file would be full of them."""
    assert isinstance(progress.meter(), NoMeter)


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error; neither markup nor control characters in a file's name act."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.meter().transfer("[red]a\x1b[2Jb", 2_000_000) as show:
        show(1_000_000)
        show(2_000_000)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "[red]a\\x1b[2Jb" in printed.err
    assert "2.0/2.0 MB" in printed.err
