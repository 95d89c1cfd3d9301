"""Reads the bodies of agents' requests. Pure: both functions raise Rejected for what is not as described."""

from provider_daemon.errors import Unreadable
from provider_daemon.node_protocol import request as requests
from provider_daemon.node_protocol.rejection import Rejected, Rejection
from provider_daemon.node_protocol.request import Request
from provider_daemon.nodes import reading
from provider_daemon.nodes.report import Heartbeat, Registration


def read_heartbeat(body: bytes) -> tuple[Request, Heartbeat]:
    try:
        request = requests.read("heartbeat", body)
        return request, reading.heartbeat(request.payload)
    except Unreadable as error:
        raise Rejected(Rejection.INVALID_REQUEST, str(error)) from None


def read_registration(body: bytes) -> tuple[Request, Registration]:
    try:
        request = requests.read("registration", body)
        return request, reading.registration(request.payload)
    except Unreadable as error:
        raise Rejected(Rejection.INVALID_REQUEST, str(error)) from None
