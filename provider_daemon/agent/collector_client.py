"""Sends requests to the collector over one connection that stays open: TLS, and plain HTTP where allowed."""

import http.client
import socket
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from provider_daemon.errors import ConfigError, Transient

SECONDS = 15.0  # to connect, and between two parts of an answer
MAX_ANSWER = 256 * 1024  # bytes
RTT = slice(68, 72)  # tcpi_rtt in struct tcp_info of <linux/tcp.h>


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    data: bytes


class CollectorClient:
    """Redirects are not followed, and the environment's proxies not used.

    `round_trip_us`: the kernel's estimate at the last request, in microseconds.
    """

    def __init__(self, url: str, ca_file: str, user_agent: str, *, plain: bool = False) -> None:
        """`ca_file`: empty for the system's authorities. `plain`: http is allowed beyond this host.

        Raises ConfigError if the address or the file cannot be used.
        """
        scheme, host, port, path = _parts(url)
        if scheme == "http" and not plain and not _is_loopback(host):
            raise ConfigError([f"collector URL {url}: plain http is only for this host; use https"])
        self._user_agent = user_agent
        self._path = path.rstrip("/")
        self.round_trip_us = 0
        if scheme == "https":
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=SECONDS, context=_context(ca_file)
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=SECONDS)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Raises Transient if there is no answer. The collector may have handled the request all the same."""
        reused = self._connection.sock is not None
        try:
            return self._post(path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # The collector closes connections that are idle; the request was then not read.
            if not (reused and isinstance(error, ConnectionError)):
                raise Transient(_why(error)) from None
        try:
            return self._post(path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Transient(_why(error)) from None

    def close(self) -> None:
        self._connection.close()

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        common = {"Content-Type": "application/json", "User-Agent": self._user_agent}
        self._connection.request("POST", self._path + path, body, common | headers)
        # The collector may close the connection with its answer.
        info = self._connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, RTT.stop)
        self.round_trip_us = int.from_bytes(info[RTT], sys.byteorder)
        response = self._connection.getresponse()
        data = response.read(MAX_ANSWER + 1)
        if len(data) > MAX_ANSWER:
            raise http.client.HTTPException(f"the answer has more than {MAX_ANSWER} bytes")
        return Reply(response.status, data)


def _parts(url: str) -> tuple[str, str, int | None, str]:
    """Returns scheme, host, port (None for the scheme's) and path."""
    try:
        parts = urlsplit(url)
        found = (parts.scheme, parts.hostname or "", parts.port, parts.path)
    except ValueError:
        found = ("", "", None, "")
    if found[0] not in ("https", "http") or not found[1]:
        raise ConfigError([f"collector URL {url!r}: must be https://host:port"])
    return found


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"ca_file {ca_file}: {error.strerror or error}"]) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the collector's certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer after {SECONDS:.0f} s"
    if isinstance(error, socket.gaierror):
        return f"the collector's name cannot be resolved: {error.strerror}"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
