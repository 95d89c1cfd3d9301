"""The [control] table of provd.toml: the Unix socket on which the daemon accepts commands of operators."""

from pathlib import PurePath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

SHAPE = r"^(/[A-Za-z0-9/_.@+=-]*)?$"
SOCKET = "control.sock"
RUNTIME_DIRECTORY = "/run/provd"  # of the unit
LONGEST = 107  # bytes of a Unix socket's path


class ControlConfig(BaseModel):
    """`socket`: "" for `control.sock` in the unit's runtime directory, without systemd beside the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Annotated[str, StringConstraints(pattern=SHAPE, max_length=LONGEST)] = ""


def socket_path(control: ControlConfig, ledger: str, runtime_directory: str) -> str:
    """Returns where the daemon listens. `runtime_directory`: that of its service, "" without systemd."""
    return control.socket or str(PurePath(runtime_directory or PurePath(ledger).parent) / SOCKET)


def possible_sockets(control: ControlConfig, ledger: str) -> list[str]:
    """Returns where the daemon of this configuration may listen, however it was started."""
    places = (socket_path(control, ledger, each) for each in (RUNTIME_DIRECTORY, ""))
    return list(dict.fromkeys(places))
