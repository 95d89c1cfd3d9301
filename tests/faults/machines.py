"""Faults of the site's daemons and of the daemon's own disk, clock and wallet, and their repair."""

import asyncio
import re
from pathlib import Path
from typing import Protocol

from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.demo.accounts import Account
from provider_daemon.errors import Refused
from tests.faults.house import Act, House
from tests.faults.witness import WAIT_SECONDS
from tests.waiting import until


def stop(daemon: str) -> Act:
    async def act(house: House) -> None:
        await asyncio.to_thread(house.site.slurm.stop, daemon)

    return act


def start(daemon: str) -> Act:
    async def act(house: House) -> None:
        await asyncio.to_thread(house.site.slurm.start, daemon)

    return act


async def backlog_gone(house: House) -> None:
    """Waits until slurmctld has delivered its backlog to slurmdbd, which counts as slurmdbd's return."""

    async def empty() -> bool:
        said = await asyncio.to_thread(house.site.slurm.run, "sdiag", check=False)
        return bool(re.search(r"DBD Agent queue size:\s+0\b", said.stdout))

    await until("slurmdbd has slurmctld's records", empty, WAIT_SECONDS, pause=0.5)


async def stop_sshd(house: House) -> None:
    """Stops sshd. Its sessions end with it, as under systemd."""
    await asyncio.to_thread(house.site.slurm.stop, "sshd")
    house.ssh.cut()


def _filler(house: House) -> Path:
    assert house.disk is not None
    return house.disk / "filler"


async def fill_disk(house: House) -> None:
    """Fills the disk after a restart.

    The write-ahead log of a daemon that ran for long has free space, so that a full disk goes unnoticed for a
    while.
    """
    await house.restart()
    await running(house)
    with _filler(house).open("wb", buffering=0) as file:
        for size in (2**16, 2**10, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


async def free_disk(house: House) -> None:
    _filler(house).unlink()


async def running(house: House) -> None:
    await until("the daemon answers again", house.witness.up, WAIT_SECONDS, pause=0.3)


def clock(offset: int, *, restart: bool) -> Act:
    async def act(house: House) -> None:
        house.clock.write_text(str(offset))
        if restart:
            await house.restart()
            await running(house)

    return act


class Purses(Protocol):
    """Accounts: the owner of the money, its temporary holder, and the connection to the chain."""

    chain: GrpcChain
    provider: Account
    customer: Account


class Wallet:
    """The provider's fee money, sent away and back."""

    async def empty(self, house: Purses) -> None:
        for kept in (2_000, 4_000, 8_000, 16_000, 32_000):
            try:
                held = await house.chain.balance(house.provider.address, "uve")
                self.taken = held - kept
                await house.provider.send(_coins(house.provider.address, house.customer.address, self.taken))
            except Refused:
                continue
            return
        raise AssertionError("the provider's money could not be sent away")

    async def fill(self, house: Purses) -> None:
        await house.customer.send(_coins(house.customer.address, house.provider.address, self.taken))


def _coins(source: str, target: str, amount: int) -> MsgSend:
    return MsgSend(from_address=source, to_address=target, amount=[Coin(denom="uve", amount=str(amount))])
