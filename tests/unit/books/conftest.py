"""The loops over a devnet."""

from tests.unit.loops.conftest import house

__all__ = ["house"]
