"""The body of an agent's request, written and taken apart. Pure (docs/agent.md, 'Requests').

`{"heartbeat": {...}, "auth": {...}}`, or `registration` and `token` in its place. The published agent sends
the first form without a scheme, and a registration without any wrapper.
"""

import json
from dataclasses import asdict, dataclass

from provider_daemon.errors import Unreadable
from provider_daemon.node_protocol.members import members
from provider_daemon.node_protocol.signature import Scheme

REGISTER_PATH = "/api/v1/hpc/nodes/register"
HEARTBEAT_PATH = "/api/v1/hpc/nodes/{node_id}/heartbeat"


@dataclass(frozen=True, slots=True)
class Auth:
    """`timestamp`: seconds since the epoch. `nonce` and `signature`: base64. A request without a scheme is
    the published agent's.
    """

    signature: str
    nonce: str
    timestamp: int
    scheme: Scheme


@dataclass(frozen=True, slots=True)
class Request:
    """`payload`: the bytes of the heartbeat or registration as received. `auth` is None if there is none."""

    payload: bytes
    auth: Auth | None
    token: str = ""


def encode(name: str, payload: bytes, auth: Auth, token: str = "") -> bytes:
    """Returns the body. `name`: heartbeat or registration. `payload`: its JSON, as signed."""
    end = b',"token":' + json.dumps(token).encode() if token else b""
    wrapped = json.dumps(asdict(auth), separators=(",", ":")).encode()
    return b'{"' + name.encode() + b'":' + payload + b',"auth":' + wrapped + end + b"}"


def read(name: str, data: bytes) -> Request:
    """Takes a body apart. Raises Unreadable with what is wrong with it."""
    found = members(data)
    if name not in found:
        return Request(data, None)
    auth = _auth(found["auth"]) if "auth" in found else None
    token = json.loads(found.get("token", b'""'))
    if type(token) is not str:
        raise Unreadable("token: must be text")
    return Request(found[name], auth, token)


def _auth(data: bytes) -> Auth:
    found = json.loads(data)
    if type(found) is not dict:
        raise Unreadable("auth: must be an object")
    signature, nonce, timestamp = (found.get(name) for name in ("signature", "nonce", "timestamp"))
    if type(signature) is not str or type(nonce) is not str or type(timestamp) is not int:
        raise Unreadable("auth: signature and nonce must be text, timestamp a whole number")
    try:
        return Auth(signature, nonce, timestamp, Scheme(found.get("scheme", Scheme.PUBLISHED)))
    except ValueError:
        raise Unreadable(f"auth: unknown scheme {str(found['scheme'])[:40]!r}") from None
