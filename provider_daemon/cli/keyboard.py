"""Reads single keys from the terminal, without waiting for Enter."""

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_keys() -> Iterator[None]:
    """Makes the terminal return each key at once and without an echo, and restores its settings.

    Ctrl-C still interrupts. Does nothing if standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def pressed(key: str, seconds: float) -> bool:
    """Waits up to `seconds` for the key; other keys are ignored."""
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return False
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], left)
        if ready and os.read(sys.stdin.fileno(), 1) in (key.encode(), b""):
            return True
    return False
