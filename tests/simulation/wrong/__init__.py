"""Deliberate wrong versions of the real code, by room: names to replace, with the mistake that each
replacement makes."""

from typing import Any

Changes = tuple[tuple[Any, str, Any], ...]  # (module or class, name, what to put in its place)
