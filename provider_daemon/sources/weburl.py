"""A strict parser of http:// and https:// URLs.

Other parsers disagree about user names, backslashes, numeric hosts and unusual characters, so that a check of
one reading protects nothing against the other. Only URLs with a single reading are accepted.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import urljoin

from provider_daemon.sources.addresses import literal

MAX_URL = 4096
PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[^?#]*)?(\?[^#]*)?")
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


class BadUrl(ValueError):
    """The text says what is wrong, and does not repeat the URL."""


@dataclass(frozen=True, slots=True)
class WebUrl:
    """`host` is in lower case and without brackets; `path` begins with `/`; `query` with `?` or is empty."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port == PORTS[self.scheme] else f':{self.port}'}"

    @property
    def shown(self) -> str:
        """The URL without its query, which often holds a signature."""
        return f"{self.origin}{self.path}"

    def __str__(self) -> str:
        return f"{self.origin}{self.path}{self.query}"


def parse_url(text: str) -> WebUrl:
    """Parses an absolute URL without fragment. Raises BadUrl."""
    if len(text) > MAX_URL:
        raise BadUrl(f"longer than {MAX_URL} characters")
    if not _CHARACTERS.fullmatch(text):
        raise BadUrl("a character that must be percent-encoded")
    found = _URL.fullmatch(text)
    if found is None:
        raise BadUrl("not of the form https://host/path; a user name or password is not allowed")
    scheme, host, port, path, query = found.groups()
    number = int(port) if port else PORTS[scheme]
    if not 0 < number < 65536:
        raise BadUrl("not a valid port")
    return WebUrl(scheme, parse_host(host), number, path or "/", query or "")


def parse_host(text: str) -> str:
    """Returns a DNS name, or an address in its usual form, in lower case. Raises BadUrl."""
    host = text.lower()
    if host.startswith("["):
        address = literal(host[1:-1])
        if not isinstance(address, IPv6Address):
            raise BadUrl("not a valid IPv6 address")
        return str(address)
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        if literal(host) is None:
            raise BadUrl("a host that is a number must be an IPv4 address of four decimal parts")
        return host
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl("not a valid host name")
    return host


def join(base: WebUrl, location: str) -> WebUrl:
    """Returns where a redirect leads. Its fragment is dropped, as it is not sent. Raises BadUrl."""
    if not location or len(location) > MAX_URL:
        raise BadUrl("not a valid location")
    if not _CHARACTERS.fullmatch(location):
        raise BadUrl("a character that must be percent-encoded")
    return parse_url(urljoin(str(base), location).partition("#")[0])
