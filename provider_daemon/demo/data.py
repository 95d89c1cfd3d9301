"""The demo's data: inputs from three places, one encrypted delivery, and what the customers fetch."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import DataReference
from provider_daemon.client.api import Client
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.demo.accounts import Account
from provider_daemon.demo.far_ends import BUCKET, FarEnds
from provider_daemon.demo.market import CHAIN_ID, Market
from provider_daemon.encryption import age
from provider_daemon.encryption.identity import Identity, Keyring
from provider_daemon.errors import ProvdError

UPLOADED, STORED, PINNED = 20_000_000, 5_000_000, 3_000_000  # bytes of the three inputs
STORE = "demo"  # the name of the S3 endpoint in the configuration
DELIVERED = "results.tar.age"


@dataclass(slots=True)
class DemoData:
    """`identity`: the customer's own key for the delivery; the provider never has it.

    `turn`: how often inputs were placed. Each time they have other content, which no cache has.
    """

    far_ends: FarEnds
    identity: Identity
    stored: bytes = field(repr=False, default=b"")
    uploaded: bytes = field(repr=False, default=b"")
    references: dict[str, DataReference] = field(default_factory=dict)
    turn: int = 0

    def outputs_pointer(self, customer: str) -> str:
        """Returns the place for the results: the customer's own folder of the store."""
        return f"s3://{STORE}/{BUCKET}/{customer}/{DELIVERED}#{self.identity.recipient}"

    def _place(self) -> None:
        """Puts new inputs where their jobs fetch them."""
        self.turn += 1
        self.uploaded, self.stored, pinned = (
            _content(number, self.turn, size) for number, size in enumerate((UPLOADED, STORED, PINNED))
        )
        self.far_ends.objects = {"points.dat": self.stored}
        cid = self.far_ends.add_file(pinned)
        self.references = {
            "upload": _reference(f"upload:{_sha256(self.uploaded)}", self.uploaded),
            "s3": _reference(f"s3://{STORE}/{BUCKET}/points.dat", self.stored),
            "ipfs": _reference(f"ipfs://{cid}", pinned),
        }

    async def bring(self, market: Market, customer: Account, gateway: str) -> None:
        """Places new inputs; the upload is made as the customer, through the gateway."""
        self._place()
        with tempfile.NamedTemporaryFile(prefix="provd-demo.") as file:
            file.write(self.uploaded)
            file.flush()
            async with client(market, customer, gateway) as asked:
                await asked.upload(file.name)

    async def delivery_problems(self) -> list[str]:
        """Opens the delivered archive with the customer's key."""
        found = next((data for key, data in self.far_ends.objects.items() if key.endswith(DELIVERED)), None)
        if found is None:
            return ["the results were not delivered"]
        if b"output.txt" in found:
            return ["the results were delivered without encryption"]

        async def chunks() -> AsyncIterator[bytes]:
            yield found

        opened = b"".join([part async for part in age.decrypt(chunks(), Keyring((self.identity,)))])
        return [] if b"output.txt" in opened else ["the delivered archive lacks output.txt"]


def client(market: Market, customer: Account, gateway: str) -> Client:
    return Client(customer.signer, nodes=[f"127.0.0.1:{market.port}"], chain_id=CHAIN_ID, gateway=gateway)


async def fetched(
    market: Market, owner: Account, other: Account, gateway: str, job_id: str
) -> tuple[str, list[str]]:
    """Fetches a job's results as its customer, and tries the same as another one.

    Returns what was fetched, and the problems.
    """
    problems = []
    async with client(market, other, gateway) as stranger:
        try:
            await (await stranger.gateway()).manifest(job_id)
        except GatewayRefused as error:
            if error.reason != "not_yours":
                problems.append(f"another customer got {error.reason}")
        else:
            problems.append("another customer got the results")
    with tempfile.TemporaryDirectory(prefix="provd-demo.") as place:
        async with client(market, owner, gateway) as asked:
            try:
                found = await asked.fetch(job_id, Path(place), patience=20)
            except ProvdError as error:
                return "NONE", [*problems, f"the results were not fetched: {error}"]
    signed = "verified" if not found.problem else "fetched"
    return f"{len(found.files)} {signed}", problems


def _content(number: int, turn: int, size: int) -> bytes:
    """Returns bytes that no compression makes smaller, the same in each run."""
    return hashlib.shake_256(bytes((number, turn))).digest(size)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _reference(uri: str, content: bytes) -> DataReference:
    return DataReference(
        reference_id="points",
        type=uri.partition(":")[0],
        uri=f"{uri}#name=points.dat",
        checksum=f"sha256:{_sha256(content)}",
        size_bytes=len(content),
    )
