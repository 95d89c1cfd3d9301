"""Gathers the facts about each signing key from the chain and the ledger."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from provider_daemon.chain import keys
from provider_daemon.chain.client import GrpcChain
from provider_daemon.config.model import ClusterConfig, Config, KeyConfig
from provider_daemon.config.secret_files import secret_files
from provider_daemon.doctor import gather_host, gather_recipient
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import Key
from provider_daemon.doctor.finding import Unknown
from provider_daemon.doctor.gather_chain import ChainAnswers
from provider_daemon.doctor.host_checks import OTHERS
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.ledger import figures, reconciliation
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.planning.gas import DAY, daily_fees, fee, idle_gas
from provider_daemon.ports import Cluster

SERVICE_ONLY = Unknown("the key is a systemd credential that only the service can read", "account-key")
LOOKED_UP = 20  # unknown sequences that are looked up per key


async def address(key: KeyConfig) -> str | Unknown:
    """Returns the key's address. Decrypting a key takes a while."""
    if key.kind == "credential" and "CREDENTIALS_DIRECTORY" not in os.environ:
        return SERVICE_ONLY
    modes = [gather_host.mode(path) for path in secret_files(key)]
    if any(isinstance(mode, Unknown) or mode & OTHERS for mode in modes):
        return Unknown("the key or passphrase file is missing or readable by others", "host-secret-files")
    try:
        return (await asyncio.to_thread(keys.load, key.kind, key.name, key.path, key.passphrase_file)).address
    except ConfigError as error:
        return Unknown(str(error))


async def gather(
    config: Config,
    name: str,
    own: str | Unknown,
    records: Sequence[Cluster],
    chain: ChainAnswers,
    ledger: Unknown | None,
    looker: Deadline,
    now: float,
) -> Key:
    """`own` is the key's address, read from the key; `records` are the clusters on chain that it signs for.

    `ledger` is why the ledger cannot be queried.
    """
    derived = own == SERVICE_ONLY and bool(records)
    found = records[0].provider if derived else own
    if isinstance(found, Unknown):
        told = (
            chain.missing or Unknown(f"{found.why}, and none of its clusters is on chain")
            if found == SERVICE_ONLY
            else found
        )
        lost = Unknown("the key's address is unknown", told.cause or "account-key")
        unseen = lost if gather_recipient.files(config) else None
        return Key(name, told, False, config.chain.fee_denom, lost, lost, lost, lost, lost, unseen)
    price = chain.facts.gas_price
    exists, balance, paid, others, own_key = await asyncio.gather(
        looker(lambda: _exists(chain.client, found), chain.missing),
        looker(lambda: chain.client.balance(found, config.chain.fee_denom), chain.missing),
        looker(lambda: asyncio.to_thread(paid_fees, Path(config.ledger.path), found, now - DAY), ledger),
        looker(
            lambda: _foreign(chain.client, Path(config.ledger.path), found, now - DAY),
            chain.missing or ledger,
        ),
        gather_recipient.gather(config, found, chain.client, chain.missing, looker),
    )
    mine = [cluster for cluster in config.clusters if cluster.key == name]
    floor = (
        Unknown("the gas price is unknown", price.cause or "chain-gas-price")
        if isinstance(price, Unknown)
        else heartbeats(mine, records, price)
    )
    daily = (
        paid
        if isinstance(paid, Unknown)
        else floor
        if isinstance(floor, Unknown)
        else daily_fees(paid[0], now - paid[1], floor)
    )
    return Key(name, found, derived, config.chain.fee_denom, exists, balance, price, daily, others, own_key)


def heartbeats(clusters: Sequence[ClusterConfig], records: Sequence[Cluster], price: float) -> float:
    """Returns the fees of a day's heartbeats at a gas price."""
    nodes = {record.cluster_id: record.total_nodes for record in records}
    return fee(idle_gas((nodes.get(each.id, 1), each.heartbeat_seconds) for each in clusters), price)


async def _exists(client: GrpcChain, account: str) -> bool:
    try:
        await client.account(account)
    except Refused:
        return False
    return True


def paid_fees(path: Path, account: str, since: float) -> tuple[int, float]:
    """Returns the fees since then, and the time of the first of them."""
    if not path.exists():
        return 0, since
    ledger = Ledger.open(path, readonly=True, lock=False)
    try:
        return figures.fees_lately(ledger, account, since)
    finally:
        ledger.close()


async def _foreign(client: GrpcChain, path: Path, account: str, since: float) -> tuple[str, ...]:
    """Queries the chain before the ledger, so that the ledger has whatever the daemon sends in between."""
    try:
        end = (await client.account(account)).sequence
    except Refused:
        return ()
    used, hashes = await asyncio.to_thread(_ours, path, account, since)
    unknown = [sequence for sequence in range(min(used, default=end), end) if sequence not in used][
        :LOOKED_UP
    ]
    found = await asyncio.gather(*(client.find_by_sequence(account, sequence) for sequence in unknown))
    return tuple(
        outcome.tx_hash for outcome in found if outcome is not None and outcome.tx_hash not in hashes
    )


def _ours(path: Path, account: str, since: float) -> tuple[frozenset[int], frozenset[str]]:
    if not path.exists():
        return frozenset(), frozenset()
    ledger = Ledger.open(path, readonly=True, lock=False)
    try:
        return reconciliation.txs_since(ledger, account, since)
    finally:
        ledger.close()
