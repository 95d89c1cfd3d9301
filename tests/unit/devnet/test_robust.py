"""Whatever bytes a client signs, the chain makes its next block."""

import contextlib
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.messages import pack
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank, execute, genesis_file
from provider_daemon.devnet.archive import StateSnapshot
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.failures import ChainError
from provider_daemon.devnet.mempool import Mempool
from provider_daemon.encryption.fingerprint import ALGORITHM, fingerprint
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, TestChain, job
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import create, flag, heartbeat, register, update

KINDS = [kind for kind in execute.HANDLERS if kind.DESCRIPTOR.full_name.startswith("virtengine")]
KEYS = [bytes(32), bytes([1]) * 32, bytes([2]) * 32, b""]
IDS = [
    "HPC-1",
    "OFF-1",
    "JOB-1",
    "hpc-dispute-2",
    "alpha.n1",
    "standard",
    ALGORITHM,
    *map(fingerprint, KEYS[:3]),
]
TEXTS = [*IDS, ALICE.address, PROVIDER.address, bank.GOVERNANCE, "", "x", "\0", "a/b c", "-1", "9" * 90]
NUMBERS = [0, 1, 2, 3, 5, 60, 600, -1, 2**31 - 1, -(2**31)]


def _scalar(field: Any, draw: Any) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return draw(st.booleans())
    if field.type == FieldDescriptor.TYPE_BYTES:
        return draw(st.sampled_from(KEYS))
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return draw(st.sampled_from(TEXTS))
    if field.cpp_type in (FieldDescriptor.CPPTYPE_UINT64, FieldDescriptor.CPPTYPE_UINT32):
        return abs(draw(st.sampled_from(NUMBERS)))
    return draw(st.sampled_from(NUMBERS))


def _fill(message: Message, draw: Any, depth: int = 0) -> Message:
    for field in message.DESCRIPTOR.fields:
        if not draw(st.integers(0, 2 + depth)) or (
            field.message_type and field.message_type.GetOptions().map_entry
        ):
            continue
        target = getattr(message, field.name)
        if field.message_type:
            _fill(target.add() if field.is_repeated else target, draw, depth + 1)
        elif field.is_repeated:
            target.append(_scalar(field, draw))
        else:
            setattr(message, field.name, _scalar(field, draw))
    return message


@st.composite
def messages(draw: Any) -> Message:
    return _fill(draw(st.sampled_from(KINDS))(), draw)


@settings(max_examples=250, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=12))
def test_any_messages(found: list[Message]) -> None:
    """Each is carried out or refused, blocks go on, and what is stored can be read, exported and imported."""
    module = Module()
    module.do(register(), update(state=t.CLUSTER_STATE_ACTIVE), create(), job(), flag(), heartbeat())
    for message in found:
        try:
            module.do(message)
        except ChainError:
            continue
        module.later(30)
    module.later(4000)
    text = genesis_file.write(StateSnapshot(module.height, module.time, module.state.rows()))
    assert genesis_file.write(genesis_file.read(text)) == text


SIGNED = transactions.build(
    [pack(job()), pack(flag())], signer=ALICE, chain_id=CHAIN_ID, account_number=1, sequence=0,
    gas_limit=300_000, fee=9_000,
    fee_denom="uve", timeout_height=99, memo="m",
).tx_bytes  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.tuples(st.integers(0, len(SIGNED) - 1), st.integers(0, 255)), max_size=5),
    )
)
def test_any_bytes(changes: bytes | list[tuple[int, int]]) -> None:
    """CheckTx and a simulation of whatever arrives end in an answer."""
    content = bytearray(SIGNED)
    for place, byte in changes if isinstance(changes, list) else ():
        content[place] = byte
    sent = changes if isinstance(changes, bytes) else bytes(content)
    module = Module(ChainRules(chain_id=CHAIN_ID))
    mempool = Mempool(module.rules, module.state)
    assert mempool.check_tx(sent).code >= 0
    with contextlib.suppress(ChainError):
        mempool.simulate(sent)


async def test_a_panic_costs_one_transaction(chain: TestChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the SDK: code 111222, the fee is kept, the other transactions of the block are not touched."""
    await chain.open_shop()
    monkeypatch.setitem(execute.HANDLERS, tx_pb2.MsgSubmitJob, lambda ctx, message: 1 // 0)
    outcome = await chain.send(ALICE, job(max_price=[Coin(denom="uvirt", amount="5")]))
    assert (outcome.codespace, outcome.code) == ("sdk", 111222)
    assert "ZeroDivisionError" in outcome.log
    assert await chain.client.balance(ALICE.address, "uvirt") == 10**12
