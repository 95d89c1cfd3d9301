"""Connections, all at once: how many of a list of addresses can be reached."""

import errno
import os
import select
import socket
import time
from typing import Dict, List, Sequence, Tuple

from provider_daemon.site_audit.remote.report import ABSENT, REACHED, REFUSED, SKIPPED, Attempt, of_error

SECONDS = 3.0
# The network, or the host at the other end, refused the connection.
CLOSED = frozenset(
    (
        errno.ECONNREFUSED,
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ETIMEDOUT,
        errno.ENETDOWN,
        errno.EACCES,
        errno.EPERM,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EINVAL,
        errno.ECONNRESET,
        errno.EPROTONOSUPPORT,
        errno.EHOSTDOWN,
    )
)


def connected(targets: Sequence[Tuple[str, int]], seconds: float = SECONDS) -> Attempt:
    """Tries every address. Nothing is sent."""
    if not targets:
        return SKIPPED, "no address is known"
    targets = sorted(set(targets), key=targets.index)
    reached: List[str] = []
    refused: List[str] = []
    unknown: List[str] = []
    pending: Dict[int, Tuple[socket.socket, str]] = {}
    for host, port in targets:
        name = "%s:%d" % (host, port)
        try:
            link = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            link.setblocking(False)
            code = link.connect_ex((host, port))
        except OSError as error:
            (refused if error.errno in CLOSED else unknown).append(name)
            continue
        if code == errno.EINPROGRESS:
            pending[link.fileno()] = (link, name)
            continue
        (reached if code == 0 else refused if code in CLOSED else unknown).append(name)
        link.close()
    _wait(pending, reached, refused, unknown, seconds)
    if reached:
        return REACHED, "connected to " + ", ".join(reached[:8])
    if unknown:
        return SKIPPED, "no clear answer from " + ", ".join(unknown[:8])
    return REFUSED, "no connection to " + ", ".join(refused[:8])


def _wait(
    pending: Dict[int, Tuple[socket.socket, str]],
    reached: List[str],
    refused: List[str],
    unknown: List[str],
    seconds: float,
) -> None:
    """No answer within `seconds` is a closed port: filters drop packets."""
    end = time.monotonic() + seconds
    poll = select.poll()
    for handle in pending:
        poll.register(handle, select.POLLOUT)
    while pending and time.monotonic() < end:
        for handle, _ in poll.poll(100):
            poll.unregister(handle)
            link, name = pending.pop(handle)
            code = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            (reached if code == 0 else refused if code in CLOSED else unknown).append(name)
            link.close()
    for link, name in pending.values():
        refused.append(name)
        link.close()


def unix_sockets(paths: Sequence[str]) -> Attempt:
    """Connects to sockets of the file system, such as munge's."""
    reached: List[str] = []
    refused: List[str] = []
    for path in paths:
        if not os.path.lexists(path):
            continue
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(SECONDS)
        try:
            link.connect(path)
            reached.append(path)
        except OSError as error:
            refused.append(of_error(error, path)[1])
        finally:
            link.close()
    if reached:
        return REACHED, "connected to " + ", ".join(reached)
    return (REFUSED, "; ".join(refused)) if refused else (ABSENT, "no credential socket is visible")


def listening() -> List[Tuple[str, int]]:
    """Returns the TCP ports on this node's loopback and wildcard addresses, as /proc/net shows them."""
    found: List[Tuple[str, int]] = []
    for path, loopback in (("/proc/net/tcp", "127.0.0.1"), ("/proc/net/tcp6", "::1")):
        try:
            with open(path) as table:
                rows = [line.split() for line in table.read(1024 * 1024).splitlines()[1:]]
        except OSError:
            continue
        for row in rows:
            address, _, port = row[1].partition(":")
            own = set(address) == {"0"} or address in ("0100007F", "00000000000000000000000001000000")
            if row[3] == "0A" and own and len(found) < 64:
                found.append((loopback, int(port, 16)))
    return found
