"""Answers requests, one after the other."""

import contextlib
import fcntl
import os
import sys
from typing import Any, BinaryIO, Callable, Dict

from provider_daemon.site_files.remote import archive, batch, reading, walking, writing
from provider_daemon.site_files.remote.beneath import Failure, failure
from provider_daemon.site_files.remote.wire import Cut, Wire

VERSION = 1
F_SETPIPE_SZ = 1031
PIPE = 1024 * 1024

REQUESTS: Dict[str, Callable[[Wire, Dict[str, Any]], Any]] = {
    "list": reading.entries,
    "stat": reading.status,
    "read": reading.read,
    "identity": reading.identity,
    "sha256": reading.digest,
    "space": reading.space,
    "manifest": walking.manifest,
    "usage": walking.usage,
    "archive": archive.archive,
    "identities": batch.identities,
    "digests": batch.digests,
    "store": batch.store,
    "link": batch.link,
    "write": writing.write,
    "partial": writing.partial,
    "symlink": writing.symlink,
    "remove": writing.remove,
    "make_directory": writing.make_directory,
}


def main(source: BinaryIO, sink: int) -> None:
    os.umask(0o077)
    with contextlib.suppress(OSError):  # a socket has no such size
        fcntl.fcntl(sink, F_SETPIPE_SZ, PIPE)
    wire = Wire(source, sink)
    with contextlib.suppress(Cut):
        wire.ready({"version": VERSION, "python": sys.version.split()[0], "user": os.geteuid()})
        while True:
            asked = wire.request()
            if asked is None:
                return
            answer(wire, asked)


def answer(wire: Wire, asked: Dict[str, Any]) -> None:
    """Sends the result of one request. Only the loss of the client is raised."""
    try:
        wire.end(REQUESTS[asked["do"]](wire, asked))
    except Failure as error:
        wire.error(error.kind, error.reason)
    except OSError as error:
        found = failure(error)
        wire.error(found.kind, found.reason)
    except Cut:
        raise
    except Exception as error:
        # The text of an unexpected exception may hold anything; its type is enough to find the cause.
        wire.error("failed", "internal error: %s" % type(error).__name__)
