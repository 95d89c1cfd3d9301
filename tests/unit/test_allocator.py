"""The limits of glibc's allocator."""

import ctypes
import subprocess
import sys

import pytest

from provider_daemon import allocator

THREADS = """
import ctypes, sys, threading
from provider_daemon import allocator
if sys.argv[1] == "limited":
    allocator.limit()
barrier = threading.Barrier(9)
def work():
    kept = [bytes(1000) for _ in range(1000)]
    barrier.wait()
for _ in range(8):
    threading.Thread(target=work).start()
barrier.wait()
libc = ctypes.CDLL(None)
libc.stdout = ctypes.c_void_p.in_dll(libc, "stdout")
libc.malloc_info(0, libc.stdout)
libc.fflush(None)
"""


def arenas(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", THREADS, mode], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")


def test_threads_share_arenas() -> None:
    """Without the limits each of eight threads gets its own."""
    assert arenas("limited") <= allocator.ARENAS < arenas("default")


def test_another_libc(monkeypatch: pytest.MonkeyPatch) -> None:
    """musl has no mallopt."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    allocator.limit()
