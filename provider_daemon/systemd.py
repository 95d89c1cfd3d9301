"""sd_notify: one datagram to the socket that systemd named, nothing where it named none."""

import contextlib
import os
import socket
import time


def notify(state: str) -> None:
    """`READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...`."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # Whether silence means death is systemd's to judge: a socket that is gone is no reason to stop serving.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def reloading() -> None:
    """The configuration is read again; READY=1 ends it. systemd takes no READY=1 for the end that is older than this moment."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
