"""sd_notify: one datagram to the socket that systemd named, nothing where it named none."""

import contextlib
import os
import socket
import time

from provider_daemon.text import printable

MAX_STATUS = 500  # characters: what `systemctl status` shows is a line


def notify(state: str) -> None:
    """`READY=1`, `WATCHDOG=1`, `STOPPING=1`."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # Whether silence means death is systemd's to judge: a socket that is gone is no reason to stop serving.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def status(text: str) -> None:
    """The line of `systemctl status`. What is in the text stays text: a line end in it would begin another
    word to systemd."""
    notify(f"STATUS={printable(text)[:MAX_STATUS]}")


def reloading() -> None:
    """The configuration is read again; READY=1 ends it. systemd takes no READY=1 for the end that is older
    than this moment."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_seconds(longest: float) -> float:
    """How often to give a sign of life: thrice in the time after which systemd misses one, and never more
    seldom than `longest`."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    awaited = int(microseconds) / 3_000_000 if ours and microseconds.isdecimal() else 0
    return min(longest, awaited) if awaited else longest
