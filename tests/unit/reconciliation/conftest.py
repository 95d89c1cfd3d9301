"""The whole path of the loops, for what is made of them."""

from tests.unit.loops.conftest import house

__all__ = ["house"]
