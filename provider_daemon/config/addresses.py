"""Addresses in provd.toml: where a process listens, and its URL for others."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

LISTEN = r"^[^/\s]+:\d{1,5}$"
URL = r"^https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~/-]*)?$"
SHAPES = {
    LISTEN: "must be address:port",
    URL: "must be http:// or https:// with a host, without query",
}
"""pattern -> error message for a value that does not match"""


def with_port(address: str) -> str:
    if int(address.rpartition(":")[2]) > 65535:
        raise ValueError("the port must be at most 65535")
    return address


Listen = Annotated[str, StringConstraints(pattern=LISTEN), AfterValidator(with_port)]
Url = Annotated[str, StringConstraints(pattern=URL)]
