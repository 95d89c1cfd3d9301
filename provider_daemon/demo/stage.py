"""The demo's stage: a SLURM site, a chain, an open shop, and the real daemon as a child process, all below one directory."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain import armor
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.clock import SystemClock
from provider_daemon.demo.children import Child
from provider_daemon.demo.jobs import ATTACK, IMAGE, QUEUES
from provider_daemon.demo.people import Person, new_key
from provider_daemon.demo.sites import DemoSite

CHAIN_ID = "virtengine-localnet-1"
CLUSTER, OFFERING = "HPC-1", "OFF-1"
FUNDS = "1000000000000uve,1000000000000uvirt"
NODES = 4


@dataclass(slots=True)
class Stage:
    """Made by `build`; `close` takes down all that it started, in any state, and the site."""

    directory: Path
    site: DemoSite
    devnet: Child
    daemon: Child
    chain: GrpcChain
    provider: Person
    customers: tuple[Person, Person]
    port: int
    config: Path

    async def close(self) -> None:
        await self.close_processes()
        await self.site.down()

    async def close_processes(self) -> None:
        await asyncio.to_thread(self.daemon.stop)
        await self.chain.close()
        await asyncio.to_thread(self.devnet.stop)


async def build(directory: Path, site: DemoSite, queries: str, say: Callable[[str], None]) -> Stage:
    secret, provider_key = new_key()
    customer_keys = [new_key()[1] for _ in range(2)]
    devnet, port = start_devnet(directory, [key.address for key in (provider_key, *customer_keys)], queries)
    say(f"chain {CHAIN_ID} on 127.0.0.1:{port}, Query calls answered: {queries}")
    chain = GrpcChain(CHAIN_ID, [f"127.0.0.1:{port}"], SystemClock())
    config = write_config(directory, site, secret, port)
    first, second = (Person(key, chain) for key in customer_keys)
    daemon = Child("the daemon", ["run", "-c", str(config)], directory / "provd.log")
    stage = Stage(directory, site, devnet, daemon, chain, Person(provider_key, chain), (first, second), port, config)
    try:
        await open_shop(stage.provider)
        say(f"cluster {CLUSTER} registered and active, offering {OFFERING} with queues {' and '.join(QUEUES)}")
        daemon.start()
        await asyncio.to_thread(daemon.wait_for, "provd_started")
    except BaseException:
        await stage.close_processes()
        raise
    say(f"provd runs as process {daemon.pid}, its configuration is {config}")
    return stage


def start_devnet(directory: Path, addresses: list[str], queries: str, *more: str) -> tuple[Child, int]:
    """The process and its port; `more` are further arguments of `provd devnet start`, the last word on an option."""
    funds = [word for address in addresses for word in ("--fund", f"{address}={FUNDS}")]
    arguments = ["devnet", "start", "--home", str(directory / "devnet"), "--listen", "127.0.0.1:0", "--chain-id", CHAIN_ID]
    child = Child(
        "the devnet",
        [*arguments, "--queries", queries, "--block-seconds", "1", *funds, *more],
        directory / "devnet.log",
        {"PYTHONUNBUFFERED": "1"},
    )
    child.start()
    try:
        line = child.wait_for("serves gRPC on 127.0.0.1:")
    except BaseException:
        child.stop()
        raise
    return child, int(line.split("127.0.0.1:")[1].split()[0])


async def open_shop(provider: Person) -> None:
    partitions = [types_pb2.Partition(name=name, nodes=NODES, max_nodes=NODES, max_runtime=86400, state="up") for name in QUEUES]
    await provider.send(
        tx_pb2.MsgRegisterCluster(
            provider_address=provider.address,
            name="demo",
            region="local",
            total_nodes=NODES,
            partitions=partitions,
            description="the demo's site",
        )
    )
    queues = [types_pb2.QueueOption(partition_name=name, display_name=name, max_nodes=NODES, price_multiplier="1.0") for name in QUEUES]
    await provider.send(
        tx_pb2.MsgUpdateCluster(provider_address=provider.address, cluster_id=CLUSTER, state=types_pb2.CLUSTER_STATE_ACTIVE),
        tx_pb2.MsgCreateOffering(
            provider_address=provider.address,
            cluster_id=CLUSTER,
            name="standard",
            queue_options=queues,
            pricing=types_pb2.HPCPricing(cpu_core_hour_price="10000", currency="uvirt", minimum_charge="10000"),
            max_runtime_seconds=86400,
            supports_custom_workloads=True,
        ),
    )


def write_config(directory: Path, site: DemoSite, secret: bytes, port: int) -> Path:
    """The key armored, its passphrase in a file that only its owner may read: as a site would."""
    key, passphrase = directory / "provider.armor", directory / "provider.passphrase"
    _private(passphrase, "demo passphrase")
    _private(key, armor.encrypt(secret, "demo passphrase"))
    config = directory / "provd.toml"
    config.write_text(_toml(directory, site, key, passphrase, port))
    return config


def _toml(directory: Path, site: DemoSite, key: Path, passphrase: Path, port: int) -> str:
    def quoted(value: object) -> str:
        return json.dumps(value)

    ssh = "\n".join(f"{name} = {quoted(value)}" for name, value in site.ssh.items())
    return f"""[chain]
id = {quoted(CHAIN_ID)}
endpoints = ["127.0.0.1:{port}"]
poll_seconds = 1

[ledger]
path = {quoted(str(directory / "ledger.sqlite"))}

[keys.main]
kind = "armor"
path = {quoted(str(key))}
passphrase_file = {quoted(str(passphrase))}

[[clusters]]
id = "{CLUSTER}"
name = "demo"
key = "main"
region = "local"
account = "provd"
work_root = {quoted(str(site.work_root))}
poll_seconds = 1
heartbeat_seconds = 15

[clusters.ssh]
{ssh}

[clusters.gpu_types]
nvidia-a100 = "a100"

[[clusters.images]]
pattern = {quoted(IMAGE)}
run = []

# Stands for a container runtime: prints the image that it was given, and runs the program.
[[clusters.images]]
pattern = "evil/*"
run = ["/bin/sh", "-c", "printf 'image %s\\\\n' \\"$0\\"; exec \\"$@\\"", "{{image}}"]

[metrics]
listen = "127.0.0.1:{_free_port()}"

[log]
level = "info"
"""


def _free_port() -> int:
    from provider_daemon.lab.site.layout import free_ports

    return free_ports(1)[0]


def _private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def hostile_program(site: DemoSite) -> Path:
    """A program on the site whose own file name is an attack."""
    program = site.work_root / f"say {ATTACK.replace('/', '')}"
    program.write_text(
        '#!/bin/sh\nprintf "program %s\\n" "$0"\nprintf "in %s\\n" "$(pwd)"\nfor word in "$@"; do printf "word [%s]\\n" "$word"; done\n'
    )
    program.chmod(0o755)
    return program
