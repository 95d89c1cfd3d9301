"""Measures the latency to other nodes: the time of a TCP handshake.

A refused connection is an answer too: the other kernel has sent it.
"""

import socket
import time
from dataclasses import dataclass

PROBES = 3
PROBE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """`microseconds`: the median of the answered probes, 0 without any. `loss_percent`: of the others."""

    microseconds: int
    loss_percent: int


def measure(address: str) -> Measured:
    """Measures an address, host:port. It takes at most PROBES * PROBE_SECONDS and a look-up of the name."""
    try:
        host, _, port = address.rpartition(":")
        if not 0 < int(port) < 2**16:  # the resolver would cut it
            return Measured(0, 100)
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return Measured(0, 100)
    family, _, _, _, target = found[0]
    times = sorted(each for each in (_probe(family, target) for _ in range(PROBES)) if each is not None)
    loss = 100 * (PROBES - len(times)) // PROBES
    return Measured(round(times[len(times) // 2] * 1e6) if times else 0, loss)


def _probe(family: int, target: tuple[object, ...]) -> float | None:
    """Returns seconds, or None without an answer."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        began = time.perf_counter()
        try:
            probe.connect(target)
        except ConnectionRefusedError:
            pass
        except OSError:
            return None
        return time.perf_counter() - began
