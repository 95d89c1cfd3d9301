"""Our descriptors against the published wire interface, line by line (tests/fixtures/chain/wire.tsv,
verbatim)."""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor

PACKAGE = "virtengine.hpc.v1"
FOLDER = "provider_daemon/chain/proto/virtengine/hpc/v1"
FIXTURE = Path(__file__).parents[2] / "fixtures" / "chain" / "wire.tsv"

FILES = ("types", "tx", "query", "genesis")
TYPE_NAMES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def published() -> list[tuple[str, ...]]:
    """(kind, file, owner, number, label, type, name) of each line."""
    lines = FIXTURE.read_text().splitlines()
    rows = [tuple((line + "\t" * 7).split("\t")[:7]) for line in lines if not line.startswith("#")]
    return [row for row in rows if row[1] in FILES]


def ours() -> Iterator[tuple[str, ...]]:
    for name in FILES:
        import_module(f"{FOLDER.replace('/', '.')}.{name}_pb2")
        file = descriptor_pool.Default().FindFileByName(f"{FOLDER}/{name}.proto")
        for enum in file.enum_types_by_name.values():
            yield from _enum(name, enum)
        for message in file.message_types_by_name.values():
            yield from _message(name, message)
        yield from _rpcs(name, file)


def _enum(file: str, enum: EnumDescriptor) -> Iterator[tuple[str, ...]]:
    for value in enum.values:
        yield ("enum", file, enum.name, str(value.number), "", "", value.name)


def _message(file: str, message: Descriptor) -> Iterator[tuple[str, ...]]:
    if not message.fields:
        yield ("message", file, message.name, "", "", "", "(empty)")
    for field in message.fields:
        entry = (
            field.message_type if field.message_type and field.message_type.GetOptions().map_entry else None
        )
        label = "repeated" if field.is_repeated and not entry else ""
        yield (
            "field",
            file,
            message.name,
            str(field.number),
            label,
            _map_type(entry) if entry else _type(field),
            field.name,
        )


def _map_type(entry: Descriptor) -> str:
    return f"map<{_type(entry.fields_by_name['key'])}, {_type(entry.fields_by_name['value'])}>"


def _type(field: FieldDescriptor) -> str:
    named = field.message_type or field.enum_type
    return str(named.full_name).removeprefix(f"{PACKAGE}.") if named else TYPE_NAMES[field.type]


def _rpcs(file: str, descriptor: FileDescriptor) -> Iterator[tuple[str, ...]]:
    for service in descriptor.services_by_name.values():
        for method in service.methods:
            yield (
                "rpc",
                file,
                service.name,
                "",
                "",
                f"{method.input_type.name} -> {method.output_type.name}",
                method.name,
            )


def test_every_published_line_is_ours() -> None:
    """Enum values, fields with number, label and type, empty messages and calls: nothing is missing, nothing
    differs."""
    assert Counter(published()) - Counter(ours()) == Counter()


def test_we_add_nothing() -> None:
    """What is not published is not in our messages either: it would be sent as an unknown field, and the
    chain refuses those."""
    assert Counter(ours()) - Counter(published()) == Counter()


def test_names_on_the_wire() -> None:
    """Type URLs and method paths are made of the package's name."""
    assert {descriptor_pool.Default().FindFileByName(f"{FOLDER}/{name}.proto").package for name in FILES} == {
        PACKAGE
    }
