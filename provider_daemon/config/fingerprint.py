"""The hash of what a cluster's configuration says about jobs, to detect that an audit is older. Pure."""

import hashlib
import json

from provider_daemon.config.model import ClusterConfig

# Keys that change no job and no way to the site.
IRRELEVANT = frozenset(
    {
        "region",
        "datacenter",
        "poll_seconds",
        "heartbeat_seconds",
        "report_margin_seconds",
        "limits",
        "gpu_types",
    }
)


def fingerprint(cluster: ClusterConfig) -> str:
    """Returns SHA-256 in hex. Keys that have their defaults do not count: new versions of provd add some."""
    value = cluster.model_dump(mode="json", exclude=set(IRRELEVANT), exclude_defaults=True)
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
