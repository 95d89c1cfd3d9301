"""The catalogue loop: reads what a site offers now, and publishes it for customers.

It stores SLURM's reservations for maintenance as windows, signs the catalogue and what is free, and names the
catalogue's hash and the next maintenance in the cluster's description on chain.
"""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence

import structlog

from provider_daemon.catalogue.availability import availability
from provider_daemon.catalogue.build import completed
from provider_daemon.catalogue.document import Availability, Catalogue, fields
from provider_daemon.chain import catalogue_marker, messages
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.signed_documents import canonical, sign_document
from provider_daemon.job.maintenance import Window, WindowSource, of_reservations
from provider_daemon.ledger import maintenance, meta, waits
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message
from provider_daemon.loops.node_conditions import with_conditions
from provider_daemon.ports import Chain, Clock, Node, Offering, Scheduler

log = structlog.get_logger("provd.catalogue")

PERIOD_SECONDS = 60.0
AGAIN_SECONDS = 600.0  # after which an update that the chain does not show is sent again

OfferingsOf = Callable[[str], Awaitable[Sequence[Offering]]]


class CataloguePublisher:
    """One cluster's loop. `base`: the configured part; None where no gateway can serve a catalogue."""

    def __init__(
        self,
        ledger: Ledger,
        scheduler: Scheduler,
        chain: Chain,
        offerings_of: OfferingsOf,
        cluster_id: str,
        signer: Signer,
        clock: Clock,
        base: Catalogue | None,
    ) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._chain = chain
        self._offerings_of = offerings_of
        self._cluster_id = cluster_id
        self._signer = signer
        self._clock = clock
        self._base = base
        self._signed = b"", ""  # the last catalogue and its signature
        self._sent = "", 0.0  # the last description that was stored for the chain, and when

    def reconfigure(self, base: Catalogue | None) -> None:
        self._base = base

    async def tick(self) -> None:
        nodes = with_conditions(self._ledger, self._cluster_id, await self._scheduler.nodes())
        await self._read_reservations(len(nodes))
        windows = maintenance.windows(self._ledger, self._cluster_id, self._clock.now())
        sha256 = await self._publish(self._base, windows, nodes) if self._base else ""
        await self._name_on_chain(sha256, windows)

    async def _read_reservations(self, nodes: int) -> None:
        now = self._clock.now()
        reserved = of_reservations(await self._scheduler.reservations(), nodes)
        known = maintenance.windows(self._ledger, self._cluster_id, now)
        before = {str(window): window.nodes_left for window in known if window.source is WindowSource.SLURM}
        after = {str(window): window.nodes_left for window in reserved if window.ends_at > now}
        if before == after:
            return
        with self._ledger.write():
            maintenance.replace_reserved(self._ledger, self._cluster_id, reserved)
        log.info("maintenance_reserved", cluster=self._cluster_id, windows=list(after))

    async def _publish(self, base: Catalogue, windows: Sequence[Window], nodes: Sequence[Node]) -> str:
        """Stores the signed documents for the gateway. Returns the catalogue's SHA-256 in hex."""
        now = self._clock.now()
        offerings = await self._offerings_of(self._cluster_id)
        catalogue = completed(base, offerings, windows, nodes)
        free = availability(self._cluster_id, nodes, waits.waited(self._ledger, self._cluster_id, now), now)
        data = canonical(fields(catalogue))
        if self._signed[0] != data:
            self._signed = data, sign_document(data, self._signer)
            log.info("catalogue_changed", cluster=self._cluster_id, sha256=hashlib.sha256(data).hexdigest())
        with self._ledger.write():
            self._ledger.set(meta.catalogue(self._cluster_id), self._served(catalogue, free))
        return hashlib.sha256(data).hexdigest()

    def _served(self, catalogue: Catalogue, free: Availability) -> str:
        found = fields(free)
        return json.dumps(
            {
                "catalogue": fields(catalogue),
                "signature": self._signed[1],
                "availability": found,
                "availability_signature": sign_document(canonical(found), self._signer),
                "public_key": base64.b64encode(self._signer.public_key).decode(),
            }
        )

    async def _name_on_chain(self, sha256: str, windows: Sequence[Window]) -> None:
        """Stores an update of the cluster if its description does not have the hash and the next window."""
        cluster = await self._chain.cluster(self._cluster_id)
        if cluster is None:
            return
        whole = next((window for window in windows if not window.nodes_left), None)
        times = (whole.starts_at, whole.ends_at) if whole else None
        wanted, now = catalogue_marker.put(cluster.description, sha256, times), self._clock.now()
        # the chain leaves a description alone that an update leaves empty
        if not wanted or wanted == cluster.description:
            return
        if self._sent[0] == wanted and now < self._sent[1] + AGAIN_SECONDS:
            return
        body = messages.update_cluster(
            provider=self._signer.address, cluster_id=self._cluster_id, description=wanted
        )
        message = Message(
            "cluster", f"{self._cluster_id}/description", body.SerializeToString(deterministic=True)
        )
        with self._ledger.write():
            self._ledger.replace_message(self._signer.address, message, now)
        self._sent = wanted, now
