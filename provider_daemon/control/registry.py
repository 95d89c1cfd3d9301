"""All operations, by their paths below /v1/. A new subject is a module of its own and its lines here."""

from typing import Any

from provider_daemon.control import (
    books,
    clusters,
    customers,
    jobs,
    maintenance,
    messages,
    node_access,
    node_commands,
)
from provider_daemon.control.operation import Operation

_ALL: tuple[Operation[Any, Any], ...] = (
    clusters.PAUSE,
    clusters.RESUME,
    customers.BLOCK,
    customers.ALLOW,
    customers.LIMIT,
    jobs.END,
    jobs.REFUSE,
    jobs.UNPARK,
    maintenance.ADD,
    maintenance.REMOVE,
    maintenance.LIST,
    messages.SEND,
    messages.FIND,
    messages.WITHDRAW,
    node_access.TOKEN,
    node_access.ALLOW,
    node_access.REVOKE,
    node_commands.DRAIN,
    node_commands.RESUME,
    node_commands.COMMAND,
    node_commands.FIND,
    books.CLOSE,
    books.ANSWER,
)
OPERATIONS = {operation.name: operation for operation in _ALL}
