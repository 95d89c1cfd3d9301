"""Conversion between the stores of the state and the sections of a genesis file. No I/O.

`auth`, `bank` and `hpc` have the chain's format; a record of the module is the JSON in the store. Any other
store is an object of keys and values. Data derived from records (devnet/derived.py) has no section.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank, key_records
from provider_daemon.errors import Unreadable

Row = tuple[bytes, bytes]

# The names in the module's genesis.proto.
RECORDS: dict[str, tuple[bytes, type[Message]]] = {
    "clusters": (keyspace.CLUSTER, t.HPCCluster),
    "offerings": (keyspace.OFFERING, t.HPCOffering),
    "jobs": (keyspace.JOB, t.HPCJob),
    "job_accountings": (keyspace.JOB_ACCOUNTING, t.JobAccounting),
    "node_metadatas": (keyspace.NODE, t.NodeMetadata),
    "scheduling_decisions": (keyspace.DECISION, t.SchedulingDecision),
    "hpc_rewards": (keyspace.REWARD, t.HPCRewardRecord),
    "disputes": (keyspace.DISPUTE, t.HPCDispute),
    "scheduling_metrics": (keyspace.SCHEDULING_METRICS, t.SchedulingMetrics),
}
SEQUENCES = {
    "cluster_sequence": keyspace.NEXT_CLUSTER,
    "offering_sequence": keyspace.NEXT_OFFERING,
    "job_sequence": keyspace.NEXT_JOB,
    "decision_sequence": keyspace.NEXT_DECISION,
    "dispute_sequence": keyspace.NEXT_DISPUTE,
}
NUMBERED = {
    "clusters": "cluster_sequence",
    "offerings": "offering_sequence",
    "jobs": "job_sequence",
    "scheduling_decisions": "decision_sequence",
    "disputes": "dispute_sequence",
}
IDS = {
    "clusters": ("cluster_id",),
    "offerings": ("offering_id",),
    "jobs": ("job_id",),
    "job_accountings": ("job_id",),
    "node_metadatas": ("node_id",),
    "scheduling_decisions": ("decision_id",),
    "hpc_rewards": ("reward_id",),
    "disputes": ("dispute_id",),
    "scheduling_metrics": ("cluster_id", "queue_name"),
}


@dataclass(frozen=True, slots=True)
class GenesisSection:
    """A section of a genesis file.

    `show` converts rows, sorted by key, to JSON. `rows` converts JSON to rows, and raises Unreadable,
    ValueError, KeyError or TypeError for invalid JSON.
    """

    show: Callable[[list[Row]], Any]
    rows: Callable[[Any], Iterable[Row]]


def of(store: str) -> GenesisSection:
    return SECTIONS.get(store, GenesisSection(_show_other, _other_rows))


# --- accounts ---

_ACCOUNT = b"account/"


def _show_auth(rows: list[Row]) -> Any:
    found = dict(rows)
    accounts = [
        (key.removeprefix(_ACCOUNT).decode(), json.loads(value))
        for key, value in rows
        if key.startswith(_ACCOUNT)
    ]
    return {
        "accounts": [
            {
                "account_number": str(held["number"]),
                "address": address,
                "pub_key": held["pubkey"],
                "sequence": str(held["sequence"]),
            }
            for address, held in accounts
        ],
        "next_account_number": found.get(b"next", b"0").decode(),
    }


def _auth_rows(section: Any) -> Iterator[Row]:
    if section["next_account_number"] != "0":
        yield b"next", str(int(section["next_account_number"])).encode()
    for account in section["accounts"]:
        held = {
            "number": int(account["account_number"]),
            "sequence": int(account["sequence"]),
            "pubkey": account["pub_key"],
        }
        yield _ACCOUNT + account["address"].encode(), json.dumps(held).encode()


def _show_bank(rows: list[Row]) -> Any:
    balances: dict[str, list[dict[str, str]]] = {}
    for key, value in rows:
        address, _, denom = key.decode().partition("/")
        balances.setdefault(address, []).append({"amount": value.decode(), "denom": denom})
    return {
        "balances": [{"address": address, "coins": coins} for address, coins in balances.items()],
        "supply": _supply(balances),
    }


def _supply(balances: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    supply: Counter[str] = Counter()
    for coins in balances.values():
        for coin in coins:
            supply[coin["denom"]] += int(coin["amount"])
    return [{"amount": str(amount), "denom": denom} for denom, amount in sorted(supply.items())]


def _bank_rows(section: Any) -> list[Row]:
    balances = {holder["address"]: holder["coins"] for holder in section["balances"]}
    if section["supply"] != _supply(balances):
        raise ValueError("the balances do not add up to the supply")
    return [
        (f"{address}/{coin['denom']}".encode(), str(int(coin["amount"])).encode())
        for address, coins in balances.items()
        for coin in coins
    ]


# --- the module ---


def _show_hpc(rows: list[Row]) -> Any:
    section: dict[str, Any] = {name: [] for name in RECORDS}
    names = {prefix: name for name, (prefix, _) in RECORDS.items()}
    counters = {key: name for name, key in SEQUENCES.items()}
    for key, value in rows:
        if key == keyspace.PARAMS:
            section["params"] = codec.loads(value)
        elif key in counters:
            section[counters[key]] = int.from_bytes(value, "big")
        else:
            section[names[key[:1]]].append(codec.loads(value))
    return section


def _hpc_rows(section: Any) -> Iterator[Row]:
    yield keyspace.PARAMS, _record("params", t.Params, section["params"])
    for name, counter in SEQUENCES.items():
        yield counter, int(section[name]).to_bytes(8, "big")
    for name, (prefix, kind) in RECORDS.items():
        for record in section[name]:
            record_id = "/".join(record[part] for part in IDS[name])
            _is_counted(section, name, record_id)
            yield keyspace.key(prefix, record_id), _record(name, kind, record)


def _is_counted(section: Any, name: str, record_id: str) -> None:
    """Raises ValueError for a number that is not below its counter.

    The sequence would assign such a number again and overwrite the record.
    """
    sequence = NUMBERED.get(name)
    if sequence and int(record_id.rpartition("-")[2]) >= int(section[sequence]):
        raise ValueError(f"{record_id} is not below {sequence} {section[sequence]}")


def _record(name: str, kind: type[Message], record: dict[str, Any]) -> bytes:
    """Returns a record with its fields in the order in which the chain writes them."""
    try:
        message = codec.decode(kind, codec.dumps(record))
    except Unreadable as error:
        raise ValueError(f"{name}: {error}") from error
    extras = {key: record[key] for key in codec.EXTRAS.get(kind.DESCRIPTOR.name, {}) if key in record}
    return codec.encode(message, extras)


# --- prices, and all other stores ---


def _show_prices(rows: list[Row]) -> Any:
    return codec.loads(dict(rows)[keyspace.GAS_PRICE])


def _price_rows(section: Any) -> list[Row]:
    prices = [
        {"denom": str(coin["denom"]), "amount": str(coin["amount"])}
        for coin in section["current_min_gas_prices"]
    ]
    return [(keyspace.GAS_PRICE, codec.dumps({"current_min_gas_prices": prices}))]


def _show_other(rows: list[Row]) -> Any:
    return {key.decode(): value.decode() for key, value in rows}


def _other_rows(section: Any) -> list[Row]:
    return [(key.encode(), value.encode()) for key, value in section.items()]


SECTIONS = {
    bank.AUTH: GenesisSection(_show_auth, _auth_rows),
    bank.BANK: GenesisSection(_show_bank, _bank_rows),
    keyspace.HPC_STORE: GenesisSection(_show_hpc, _hpc_rows),
    keyspace.GAS_PRICING_STORE: GenesisSection(_show_prices, _price_rows),
    keyspace.ENCRYPTION_STORE: GenesisSection(key_records.show, key_records.rows),
}
OPTIONAL = frozenset({keyspace.ENCRYPTION_STORE})  # sections that files of older devnets lack
