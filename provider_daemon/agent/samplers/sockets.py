"""Which sockets of this machine are listening, from the kernel's tables. Pure (proc(5)).

Reading a table disturbs no service; a connection that says nothing would be an error in the log of each.
"""

_LISTEN = "0A"  # TCP_LISTEN
_ACCEPTS = 0x10000  # __SO_ACCEPTCON


def tcp_ports(*tables: str) -> frozenset[int]:
    """Returns the listening ports from /proc/net/tcp and tcp6, which list them first."""
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    ports = (row[1].rpartition(":")[2] for row in rows if row[3:4] == [_LISTEN])
    return frozenset(int(port, 16) for port in ports if _is_hex(port))


def unix_paths(table: str) -> frozenset[str]:
    """Returns the paths of listening sockets from /proc/net/unix, those below /var/run as below /run."""
    rows = (line.split(maxsplit=7) for line in table.splitlines()[1:])
    return frozenset(
        current_path(row[7])
        for row in rows
        if len(row) == 8 and _is_hex(row[3]) and int(row[3], 16) & _ACCEPTS
    )


def current_path(path: str) -> str:
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _is_hex(text: str) -> bool:
    return bool(text) and all(char in "0123456789ABCDEFabcdef" for char in text)
