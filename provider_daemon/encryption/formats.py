"""Which encrypted format data has, by its first bytes."""

from enum import StrEnum

AGE_HEADER = b"age-encryption.org/v1\n"
HEAD_BYTES = 64  # enough to recognize a format


class Format(StrEnum):
    AGE = "age"
    ENVELOPE = "envelope"  # probably: any JSON object begins so
    UNKNOWN = "unknown"


def format_of(head: bytes) -> Format:
    """`head`: the first HEAD_BYTES bytes of the data, or all of it. Armored age files are not recognized."""
    if head.startswith(AGE_HEADER):
        return Format.AGE
    return Format.ENVELOPE if head.lstrip(b" \t\r\n").startswith(b"{") else Format.UNKNOWN
