"""`{name}` in an argument: filled once, with text that is never looked at again, and always a part of one
single argument."""

import re
from collections.abc import Mapping

PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# what the job got; cpus, memory and GPUs of each node
PROVIDED = frozenset({"nodes", "cpus", "tasks", "memory_mb", "gpus"})


def fill(text: str, values: Mapping[str, str]) -> str:
    """Every place whose name is in `values`; other braces stay as they are."""
    return PLACE.sub(lambda found: values.get(found[1], found[0]), text)
