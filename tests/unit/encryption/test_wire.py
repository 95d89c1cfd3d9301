"""Our descriptors of the encryption module against tests/fixtures/encryption/wire.tsv."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2, tx_pb2, types_pb2
from tests.unit.encryption.vectors import FIXTURE

TYPES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def ours() -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for module in (tx_pb2, types_pb2, query_pb2):
        messages: dict[str, Any] = dict(module.DESCRIPTOR.message_types_by_name)
        for name, message in messages.items():
            for field in message.fields:
                label = "repeated" if field.is_repeated else ""
                found.add((name, str(field.number), label, TYPES[field.type], field.name))
    return found


def test_every_published_field() -> None:
    """With its number, label, type and name."""
    lines = FIXTURE.with_name("wire.tsv").read_text().splitlines()
    published = {tuple(line.split("\t")) for line in lines if not line.startswith("#")}
    assert len(published) > 50
    assert published - ours() == set()


def test_the_type_urls() -> None:
    """Of the package's name; messages are found by them."""
    assert tx_pb2.MsgRotateKey.DESCRIPTOR.full_name == "virtengine.encryption.v1.MsgRotateKey"
    assert query_pb2.DESCRIPTOR.services_by_name["Query"].full_name == "virtengine.encryption.v1.Query"
