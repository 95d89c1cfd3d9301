"""What a running daemon says about itself on its control socket."""

from provider_daemon.control.operation import Body


class DaemonDescription(Body):
    """`keys`: address -> public key (hex) of the keys that it signs with. `key_names`: their names in its
    configuration -> address. `ledger`: the path of its file; `clusters`: ids."""

    version: str
    chain_id: str
    ledger: str
    ledger_id: str
    clusters: tuple[str, ...]
    keys: dict[str, str]
    key_names: dict[str, str]
