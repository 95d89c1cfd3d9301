"""The [collector] table of provd.toml."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from provider_daemon import names
from provider_daemon.config.addresses import Listen, Url
from provider_daemon.config.listening_checks import COLLECTOR_LISTEN, COLLECTOR_METRICS_LISTEN

# Bounds of the interval between two heartbeats, which the published agent has too.
LEAST_SECONDS, MOST_SECONDS = 10, 120
# Usually nothing listens there: the kernel's refusal takes as long as an answer. slurmd and sshd would log
# each probe as an error.
LATENCY_PORT = 1


class CollectorConfig(BaseModel):
    """The HTTPS server for node agents (`provd collector`).

    `url` is the address that agents use; registration tokens name it. Without `certificate` and `key` the
    collector serves plain HTTP, for a reverse proxy on the same host. `path`: its database.
    `heartbeat_seconds`: how often a healthy node reports. `published_agents`: accept the published agent's
    signature, which has no purpose and no nonce, from nodes that an operator allowed by their key.
    `latency_port`: the TCP port to which agents measure the latency of each other's nodes; a refused
    connection counts. `metrics_listen`: /metrics and /readyz of the collector.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url
    listen: Listen = COLLECTOR_LISTEN
    certificate: str = ""
    key: str = ""
    path: Annotated[str, StringConstraints(pattern=names.PATH, max_length=200)] = (
        "/var/lib/provd-collector/agents.sqlite"
    )
    heartbeat_seconds: int = Field(default=30, ge=LEAST_SECONDS, le=MOST_SECONDS)
    published_agents: bool = False
    latency_port: int = Field(default=LATENCY_PORT, ge=1, le=65535)
    metrics_listen: Listen = COLLECTOR_METRICS_LISTEN
