"""Logins over a chain: the provider of each cluster, and the public keys of accounts."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.errors import Refused, Transient
from provider_daemon.gateway.logins import UNKNOWN_SECONDS, Logins
from provider_daemon.tokens.jwt import mint
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, TestChain, person

URL = "https://gateway.example.org"


@pytest.fixture
async def chain() -> AsyncIterator[TestChain]:
    started = await TestChain().start()
    await started.open_shop()
    yield started
    await started.stop()


def logins(chain: TestChain, *clusters: str) -> Logins:
    return Logins(chain.client, chain.clock, url=URL, chain_id=CHAIN_ID, clusters=clusters)


async def test_the_chain_names_the_provider(chain: TestChain) -> None:
    """Before it has, nobody can log in, and nothing is taken for granted."""
    made = logins(chain, "HPC-1")
    with pytest.raises(Transient, match="not reached the chain"):
        _ = made.authenticator
    audience = await made.start()
    assert (audience.providers, audience.claim) == (frozenset({PROVIDER.address}), f"{URL}#{CHAIN_ID}")


async def test_a_cluster_that_is_not_on_chain(chain: TestChain) -> None:
    """The error names it."""
    with pytest.raises(Refused, match="not on chain: cluster HPC-9"):
        await logins(chain, "HPC-1", "HPC-9").start()


async def test_the_first_transaction_makes_the_key_known(chain: TestChain) -> None:
    """Before it an account cannot log in with a token; soon after it, it can."""
    made = logins(chain, "HPC-1")
    audience = await made.start()

    async def log_in() -> str:
        now = chain.clock.now()
        return (await made.authenticator.authenticate(mint(ALICE, audience, now), now)).address

    with pytest.raises(TokenRefused) as refused:
        await log_in()
    assert refused.value.reason is TokenRefusal.UNKNOWN_ACCOUNT
    await chain.send(ALICE, tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-1", reason="x"))
    chain.clock.time += UNKNOWN_SECONDS
    assert await log_in() == ALICE.address


async def test_an_account_that_the_chain_does_not_know(chain: TestChain) -> None:
    """It has no key either; that is not a failure of the chain."""
    made = logins(chain, "HPC-1")
    audience = await made.start()
    now, stranger = chain.clock.now(), person("stranger")
    with pytest.raises(TokenRefused) as refused:
        await made.authenticator.authenticate(mint(stranger, audience, now), now)
    assert refused.value.reason is TokenRefusal.UNKNOWN_ACCOUNT


async def test_a_key_of_another_provider(chain: TestChain) -> None:
    """A token for another provider is refused before the chain is asked for a key."""
    made = logins(chain, "HPC-1")
    audience = await made.start()
    now = chain.clock.now()
    foreign = replace(audience, providers=frozenset({person("other").address}))
    with pytest.raises(TokenRefused) as refused:
        await made.authenticator.authenticate(mint(PROVIDER, foreign, now), now)
    assert refused.value.reason is TokenRefusal.WRONG_PROVIDER
