"""The data that a job brings, as in the chain's record. Nothing is checked here.

docs/data.md describes the schemes that provd accepts.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataReference:
    """The protocol's DataReference, field by field. All of it is public and chosen by the customer."""

    reference_id: str = ""
    type: str = ""
    uri: str = ""
    encrypted: bool = False
    checksum: str = ""
    size_bytes: int = 0
