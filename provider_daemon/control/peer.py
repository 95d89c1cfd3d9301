"""Who is at the other end of the control socket."""

import pwd
import socket
import struct

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: Linux's struct ucred


def peer_uid(connection: socket.socket) -> int:
    """Returns the Unix user id of the process that connected, as the kernel recorded it."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(found)[1])


def user_name(uid: int) -> str:
    """Returns the name, or the number if no user has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def called_by(name: str, uid: int, sudo_user: str) -> str:
    """Returns the operator for the audit log: behind sudo, with the user who called it, as root says."""
    return f"{name} ({sudo_user})" if uid == 0 and sudo_user and sudo_user != name else name
