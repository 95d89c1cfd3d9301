"""The text form of a cluster's failed GPUs in the `meta` table."""

import json
from collections.abc import Mapping

from provider_daemon.nodes.condition import FailedGpus


def load(text: str) -> Mapping[str, FailedGpus]:
    return {
        host: FailedGpus(known, {int(index): since for index, since in good_since.items()})
        for host, (known, good_since) in json.loads(text).items()
    }


def dump(failed: Mapping[str, FailedGpus]) -> str:
    return json.dumps({host: [each.known, dict(each.good_since)] for host, each in sorted(failed.items())})
