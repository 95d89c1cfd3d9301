"""Replaces `{name}` in an argument once. The inserted text is not parsed again and stays in one argument."""

import re
from collections.abc import Mapping

PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# the job's resources; cpus, memory and GPUs are per node
PROVIDED = frozenset({"nodes", "cpus", "tasks", "memory_mb", "gpus"})


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replaces each `{name}` whose name is in `values`; other braces stay as they are."""
    return PLACE.sub(lambda found: values.get(found[1], found[0]), text)
