"""Implements sd_notify: one datagram to NOTIFY_SOCKET, or nothing if it is not set."""

import contextlib
import os
import socket
import time

from provider_daemon.text import printable

MAX_STATUS = 500  # characters; `systemctl status` shows one line


def notify(state: str) -> None:
    """`READY=1`, `WATCHDOG=1`, `STOPPING=1`."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # systemd decides what missing messages mean; provd continues to serve without the socket.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def status(text: str) -> None:
    """Sets the status line of `systemctl status`. A line break in it would start another assignment."""
    notify(f"STATUS={printable(text)[:MAX_STATUS]}")


def reloading() -> None:
    """Reports a reload to systemd, which ends with READY=1; systemd ignores an older READY=1."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_seconds(longest: float) -> float:
    """Returns the interval of watchdog pings: a third of systemd's timeout, and at most `longest`."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    awaited = int(microseconds) / 3_000_000 if ours and microseconds.isdecimal() else 0
    return min(longest, awaited) if awaited else longest
