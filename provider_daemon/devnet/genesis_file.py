"""A whole chain as one genesis file.

The file is canonical JSON (keys sorted, no spaces, one line), so that equal states give equal bytes. It
contains the state after a block: an imported chain continues with the next block. Transactions are not part
of the state and are not exported.
"""

import json
from typing import Any

from provider_daemon.chain import codec
from provider_daemon.devnet import derived, genesis, genesis_sections
from provider_daemon.devnet.archive import StateSnapshot
from provider_daemon.devnet.kv import Write
from provider_daemon.errors import ConfigError, Unreadable


def write(found: StateSnapshot) -> str:
    stores: dict[str, list[genesis_sections.Row]] = {name: [] for name in genesis_sections.SECTIONS}
    for store, key, value in sorted(found.state):
        if store not in derived.STORES:
            stores.setdefault(store, []).append((key, value))
    ((_, chain_id),) = stores.pop(genesis.META_STORE)
    document = {
        "app_state": {store: genesis_sections.of(store).show(rows) for store, rows in stores.items()},
        "chain_id": chain_id.decode(),
        "genesis_time": codec.format_time(found.time),
        "initial_height": str(found.height + 1),
    }
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"


def read(text: str) -> StateSnapshot:
    """Reads a genesis file.

    Raises ConfigError that lists every section that cannot be read. No part of the file is applied then.
    """
    try:
        document = json.loads(text)
        height, time = int(document["initial_height"]) - 1, codec.parse_time(document["genesis_time"])
        meta = (genesis.META_STORE, genesis.CHAIN_ID, str(document["chain_id"]).encode())
        sections = dict(document["app_state"])
        if height < 0:
            raise ValueError("initial_height must be at least 1")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError([f"invalid genesis file: {_said(error)}"]) from error
    problems = [
        f"genesis: section {name} is missing"
        for name in genesis_sections.SECTIONS
        if name not in sections and name not in genesis_sections.OPTIONAL
    ]
    state: list[Write] = [meta]
    for name, section in sections.items():
        try:
            state += _rows(name, section)
        except (Unreadable, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            problems.append(f"genesis: section {name} cannot be read: {_said(error)}")
    if problems:
        raise ConfigError(problems)
    return StateSnapshot(height, time, state)


def _rows(name: str, section: Any) -> list[Write]:
    if name in derived.STORES or name == genesis.META_STORE:
        raise ValueError("it is computed from other sections: remove it")
    rows = list(genesis_sections.of(name).rows(section))
    if len({key for key, _ in rows}) < len(rows):
        raise ValueError("it contains a record twice")
    return [(name, key, value) for key, value in rows]


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
