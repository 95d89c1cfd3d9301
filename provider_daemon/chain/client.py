"""The port Chain over gRPC, built from the other files of this directory."""

from collections.abc import Hashable, Sequence
from decimal import Decimal

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.agreement import Agreement
from provider_daemon.chain.ask import Ask
from provider_daemon.chain.blocks import KEPT
from provider_daemon.chain.codec import parse_time
from provider_daemon.chain.effects import missing_effect
from provider_daemon.chain.endpoints import Endpoints
from provider_daemon.chain.evidence_check import public_keys_of, reports
from provider_daemon.chain.heights import LAG_BLOCKS
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.chain.reader import Reader
from provider_daemon.chain.recipient_keys import Records
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Account, Clock, Cluster, Head, Offering, TxOutcome
from provider_daemon.result_codes import SDK, SdkCode

REPORT = f"/{MsgReportJobStatus.DESCRIPTOR.full_name}"
# seconds for which `glance` uses the same endpoint
TURN_SECONDS = 60.0


class GrpcChain:
    """The chain client.

    `endpoints`: "host:port", or "https://host:port" for TLS. `quorum`: how many must agree
    (chain/agreement.py), 0 for a majority.

    Beyond the port: `query` has single records as protobuf messages, `ask` the module's 21 queries, `txs`
    whole transactions, `endpoints.all` the endpoints with their state; each of them asks one endpoint.
    """

    def __init__(
        self,
        chain_id: str,
        endpoints: Sequence[str],
        clock: Clock,
        ongoing: OngoingProblems | None = None,
        quorum: int = 1,
    ) -> None:
        self.chain_id = chain_id
        self.endpoints = Endpoints(chain_id, list(endpoints), clock, ongoing or OngoingProblems(), quorum)
        self._clock = clock
        # transaction -> the first height that it can be in, if this process sent it
        self._sent_at: dict[str, int] = {}
        self.agreement = Agreement(self.endpoints)
        self.query, self.txs = self.agreement.any.query, self.agreement.any.txs
        self.ask = Ask(self.query, self.agreement.any.store)

    async def head(self) -> Head:
        await self.agreement.enough()
        return await self.endpoints.head()

    # --- the module's records ---

    async def job_counter(self) -> int:
        return await self.agreement.attested("the job counter", Reader.job_counter)

    async def job(self, job_id: str) -> ChainJob | None:
        return await self.agreement.same(job_id, lambda reader: reader.job(job_id))

    async def glance(self, job_id: str) -> ChainJob | None:
        """Reads the job from one endpoint. Each has its turn, so that none can hide a change for long."""
        healthy = await self.agreement.enough()
        if self.endpoints.quorum == 1:
            return await self.agreement.any.job(job_id)
        turn = int(self._clock.now() // TURN_SECONDS) % len(healthy)
        return await self.agreement.reader(sorted(healthy, key=lambda endpoint: endpoint.url)[turn]).job(
            job_id
        )

    async def cancelled_since(self, height: int) -> frozenset[str]:
        """Returns the cancels that any endpoint reports.

        A reported cancel makes provd read the job's record.
        """
        if self.endpoints.quorum == 1:
            return await self.agreement.any.cancelled_since(height)
        answers = await self.agreement.each(lambda reader: reader.cancelled_since(height))
        return frozenset().union(*(answer.result() for answer in answers))

    async def cluster(self, cluster_id: str) -> Cluster | None:
        return await self.agreement.same(cluster_id, lambda reader: reader.cluster(cluster_id))

    async def offering(self, offering_id: str) -> Offering | None:
        return await self.agreement.same(offering_id, lambda reader: reader.offering(offering_id))

    async def node_timeout(self) -> int:
        return await self.agreement.same(
            "the parameter node_heartbeat_timeout", lambda reader: reader.node_timeout()
        )

    async def identity_score(self, address: str) -> int | None:
        return await self.agreement.same(
            f"the identity score of {address}", lambda reader: reader.identity_score(address)
        )

    async def recipient_keys(self, address: str) -> Records:
        """Returns an account's recipient keys, oldest first, revoked ones too.

        Raises ValueError for an invalid address, and Refused if the chain has no encryption module.
        """
        return await self.agreement.same(
            f"the recipient keys of {address}", lambda reader: reader.recipient_keys(address), _content
        )

    async def key_owner(self, fingerprint: str) -> str:
        """Returns the address of the account that has registered a recipient key; "" if none has."""
        return await self.agreement.same(
            f"the owner of the key {fingerprint}", lambda reader: reader.key_owner(fingerprint)
        )

    async def reports_of(self, job_id: str) -> list[GetTxResponse]:
        """Returns every included transaction that reports about the job, oldest first.

        Events name no job, so all reports are read from the job's creation to its end: the chain accepts none
        after that.
        """
        record = await self.query.job(job_id)
        since, ended = (record.block_height, record.completed_at.seconds) if record else (1, 0)
        reports = []
        async for tx in self.txs.search(f"message.action='{REPORT}' AND tx.height>={since}"):
            if ended and _seconds(tx) > ended:
                break
            if tx.tx_response.code == 0 and job_id in _reported(tx):
                reports.append(tx)
        return reports

    # --- accounts and money ---

    async def account(self, address: str) -> Account:
        return await self.agreement.same(f"account {address}", lambda reader: reader.account(address))

    async def public_key(self, address: str) -> bytes:
        """Returns the account's public key, b"" if it has none on chain; raises as Reader.public_key."""
        return await self.agreement.same(
            f"the public key of {address}", lambda reader: reader.public_key(address)
        )

    async def balance(self, address: str, denom: str) -> int:
        return await self.agreement.attested(
            f"the balance of {address}", lambda reader: reader.balance(address, denom)
        )

    async def gas_price(self, denom: str) -> Decimal:
        return await self.agreement.attested("the gas price", lambda reader: reader.gas_price(denom))

    # --- transactions ---

    async def simulate(self, tx_bytes: bytes) -> int:
        return await self.agreement.attested("simulated gas", lambda reader: reader.txs.simulate(tx_bytes))

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        """Returns CheckTx's answer, to one send to each endpoint of a quorum."""
        self._note_height(transactions.tx_hash(tx_bytes))
        if self.endpoints.quorum == 1:
            return await self._sent(self.agreement.any, tx_bytes)
        return await self.agreement.sent(
            transactions.tx_hash(tx_bytes), lambda reader: self._sent(reader, tx_bytes)
        )

    def _note_height(self, tx_hash: str) -> None:
        height = self.endpoints.heights.height
        if height and tx_hash not in self._sent_at:
            self._sent_at = {
                **dict(list(self._sent_at.items())[-KEPT:]),
                tx_hash: max(1, height - LAG_BLOCKS),
            }

    async def _sent(self, reader: Reader, tx_bytes: bytes) -> TxOutcome:
        """Sends.

        The refusal of an account that does not exist cannot be read, and neither can a damaged answer.
        """
        try:
            return await reader.txs.send(tx_bytes)
        except Unreadable as error:
            return await self._unread(tx_bytes, error)

    async def _unread(self, tx_bytes: bytes, error: Unreadable) -> TxOutcome:
        """Handles an unreadable answer.

        It is a refusal if a signer has no account; otherwise nothing is known, and the bytes may be in a
        mempool.
        """
        for address in public_keys_of(transactions.decode(tx_bytes)):
            try:
                await self.account(address)
            except Refused as unfunded:
                return TxOutcome(
                    transactions.tx_hash(tx_bytes), 0, SdkCode.UNKNOWN_ADDRESS, SDK, str(unfunded)
                )
        raise Transient(
            f"the answer to a broadcast transaction cannot be read: {error}; provd looks it up by its hash"
        ) from error

    async def find(self, tx_hash: str, tx_bytes: bytes = b"") -> TxOutcome | None:
        """Returns the transaction's outcome.

        If a node keeps no index, `tx_bytes` determine in which blocks to search.
        """
        first = self._sent_at.get(tx_hash, 1)
        about = f"transaction {tx_hash}"
        return await self.agreement.same(about, lambda reader: reader.find(tx_hash, tx_bytes, first), _where)

    async def shows_effect(self, tx: Tx) -> bool:
        """Reports whether the records show that an included transaction succeeded."""
        return await missing_effect(tx, self.agreement.any) == ""

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        about = f"sequence {sequence} of {address}"
        return await self.agreement.same(
            about, lambda reader: reader.find_by_sequence(address, sequence), _where
        )

    async def close(self) -> None:
        await self.endpoints.close()


def _where(outcome: TxOutcome | None) -> Hashable:
    """Returns what must be equal between endpoints.

    Texts and gas may differ between nodes, and a node without an index does not know a failure's code.
    """
    return outcome and (outcome.tx_hash, outcome.height, outcome.ok)


def _content(records: Records) -> Hashable:
    return tuple(record.SerializeToString(deterministic=True) for record in records)


def _reported(tx: GetTxResponse) -> set[str]:
    return {report.job_id for report in reports(tx.tx)}


def _seconds(tx: GetTxResponse) -> int:
    """Returns the time of its block, in seconds since the epoch; 0 if the node does not report it."""
    text = tx.tx_response.timestamp
    return parse_time(text) // 10**9 if text else 0
