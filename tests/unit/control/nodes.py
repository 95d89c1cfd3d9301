"""A ledger with the heartbeats of a cluster's nodes, for operations and commands about nodes."""

from pathlib import Path

from provider_daemon.chain.node_metadata import update_node_metadata
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.ports import Node
from tests.fakes.chain import PROVIDER
from tests.unit.daemons import config_text

URL = "https://provd.example.org:8444"


def write_config(directory: Path, collector: str = "", clusters: dict[str, str] | None = None) -> Path:
    """`collector`: more lines of its table."""
    text = config_text(directory, 1, clusters or {"alpha": "main"})
    where = f'[collector]\nurl = "{URL}"\npath = "{directory}/agents.sqlite"\n{collector}'
    (directory / "provd.toml").write_text(f"{text}\n{where}\n")
    return directory / "provd.toml"


def node(host: str, *, usable: bool = True, gpus: int = 0) -> Node:
    return Node(host, "IDLE" if usable else "DOWN", usable, False, 16, 0, 65536, 0, gpus=gpus)


def heartbeat(node_id: str, shown: Node, cluster_id: str = "HPC-1") -> Message:
    body = update_node_metadata(
        shown,
        provider=PROVIDER.address,
        node_id=node_id,
        cluster_id=cluster_id,
        region="eu",
        datacenter="",
        sequence=1,
    )
    return Message("node", node_id, body.SerializeToString())


def report(ledger: Ledger, now: float, *heartbeats: Message) -> None:
    """Stores the heartbeats as in a block since `now`."""
    with ledger.write():
        for each in heartbeats:
            ledger.add_message(PROVIDER.address, each, now)
        made = OpenTx(0, PROVIDER.address, f"HASH{now}", b"signed", 1, 9, 5, now)
        opened = ledger.add_tx(made, ledger.waiting_messages(PROVIDER.address))
        ledger.close_tx(opened, "included", height=1)
