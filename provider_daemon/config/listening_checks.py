"""Checks of the addresses, certificates and quotas of gateway, data mover and collector. Pure."""

import ipaddress
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from provider_daemon.config.toml_lines import Path

Found = Iterator[tuple[Path, str]]
_SECRET = {"gateway": "login", "collector": "registration token"}

METRICS_LISTEN, GATEWAY_METRICS_LISTEN, DATA_METRICS_LISTEN, COLLECTOR_METRICS_LISTEN = (
    "127.0.0.1:9464",
    "127.0.0.1:9465",
    "127.0.0.1:9466",
    "127.0.0.1:9467",
)
GATEWAY_LISTEN, COLLECTOR_LISTEN = "127.0.0.1:8443", "127.0.0.1:8444"
UPLOADS_GB, UPLOADS_GB_PER_CUSTOMER = 100, 20


def listening_contradictions(value: dict[str, Any]) -> Found:
    """Yields (where, what) of each error. Values of a wrong type are left to the model's validation."""
    gateway, collector = value.get("gateway"), value.get("collector")
    if isinstance(gateway, dict):
        yield from _encryption("gateway", gateway, GATEWAY_LISTEN)
        yield from _quota(gateway)
    if isinstance(collector, dict):
        yield from _encryption("collector", collector, COLLECTOR_LISTEN)
    yield from _same_address(value)


def _encryption(section: str, table: dict[str, Any], default: str) -> Found:
    """`default`: where it listens if the table does not say."""
    given = [name for name in ("certificate", "key") if table.get(name)]
    if len(given) == 1:
        yield (section, given[0]), "set both certificate and key, or neither behind a reverse proxy"
    listen = table.get("listen", default)
    if not given and isinstance(listen, str) and not is_local(host_of(listen)):
        yield (
            (section, "listen"),
            f"{listen} would serve plain HTTP to other hosts: set certificate and key, or listen on a "
            "loopback address behind a reverse proxy",
        )
    url = table.get("url")
    if isinstance(url, str) and url.startswith("http://") and not is_local(_host(url)):
        yield (
            (section, "url"),
            f"{url} must be https://: clients send no {_SECRET[section]} over http:// to other hosts",
        )


def _host(url: str) -> str:
    """Returns "" for a malformed address."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def host_of(listen: str) -> str:
    """Returns the host of a `host:port`, an IPv6 address without its brackets."""
    return listen.rpartition(":")[0].strip("[]")


def is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _quota(gateway: dict[str, Any]) -> Found:
    most = gateway.get("uploads_gb", UPLOADS_GB)
    each = gateway.get("uploads_gb_per_customer", UPLOADS_GB_PER_CUSTOMER)
    if isinstance(most, int) and isinstance(each, int) and each > most:
        key = "uploads_gb_per_customer" if "uploads_gb_per_customer" in gateway else "uploads_gb"
        yield (
            ("gateway", key),
            f"uploads_gb_per_customer ({each}) exceeds uploads_gb ({most}), the space of all customers",
        )


def _same_address(value: dict[str, Any]) -> Found:
    """Yields each address that an earlier process of the same file listens on; port 0 is any free port."""
    taken: dict[str, str] = {}
    for table, key, default in (
        ("metrics", "listen", METRICS_LISTEN),
        ("gateway", "listen", GATEWAY_LISTEN),
        ("gateway", "metrics_listen", GATEWAY_METRICS_LISTEN),
        ("data", "metrics_listen", DATA_METRICS_LISTEN),
        ("collector", "listen", COLLECTOR_LISTEN),
        ("collector", "metrics_listen", COLLECTOR_METRICS_LISTEN),
    ):
        settings = value.get(table, {} if table == "metrics" else None)
        if not isinstance(settings, dict):
            continue
        address = settings.get(key, default)
        if not isinstance(address, str) or address.endswith(":0"):
            continue
        address = address.replace("localhost:", "127.0.0.1:")
        if address in taken:
            yield (table, key), f"{address} is already used by {taken[address]}"
        taken.setdefault(address, f"{table}.{key}")
