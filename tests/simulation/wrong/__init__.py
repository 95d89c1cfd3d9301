"""Deliberately wrong versions of the real code, by room.

Each has the names to replace, and replacements with one error.
"""

from typing import Any

Changes = tuple[tuple[Any, str, Any], ...]  # (module or class, name, replacement)
