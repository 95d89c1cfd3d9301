"""Channels, and the meaning of their failures."""

import grpc
import grpc.aio

from provider_daemon.errors import ProvdError, Refused, Transient, Unreadable

MAX_ANSWER = 64 * 1024 * 1024  # gRPC's own default of 4 MB is about 5,500 jobs

NO_INDEX = "indexing is disabled"  # CometBFT's text, under UNKNOWN

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_ANSWER),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 500),
    # gRPC's default is two minutes: a node that returned would wait as long
    ("grpc.max_reconnect_backoff_ms", 5_000),
]

_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    # a broken stream; the SDK returns its own failures as UNKNOWN or INVALID_ARGUMENT
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DATA_LOSS,
}


class Unimplemented(Refused):
    """The node does not serve this call."""


class NotFound(Refused):
    """The node reports that there is no such thing."""


class NoIndex(Refused):
    """The node keeps no index of transactions: it finds none by hash or by event."""


class TooLarge(Unreadable):
    """The answer is larger than MAX_ANSWER: request less at a time."""


def connect(url: str) -> grpc.aio.Channel:
    """Opens a channel to "host:port", or "https://host:port" for TLS.

    Nothing is sent before the first call.
    """
    if url.startswith("https://"):
        return grpc.aio.secure_channel(url.removeprefix("https://"), grpc.ssl_channel_credentials(), _OPTIONS)
    return grpc.aio.insecure_channel(url.removeprefix("http://"), _OPTIONS)


def translate(error: grpc.aio.AioRpcError, url: str) -> ProvdError:
    """Returns an error of the class that provd treats it by, with a text of one line.

    A refusal is the chain's own, so it names no endpoint.
    """
    code, details = error.code(), " ".join((error.details() or "").split())
    text = f"{code.name}: {details}"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Unimplemented(text)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(text)
    if NO_INDEX in details:
        return NoIndex(text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details:
        return TooLarge(f"{url}: {text}")
    if code is grpc.StatusCode.INTERNAL and "deserializing" in details:
        return Unreadable(f"{url}: {text}")
    return Transient(f"{url}: {text}") if code in _TRANSIENT else Refused(text)
