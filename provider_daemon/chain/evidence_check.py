"""Checks the evidence of reports from chain data alone.

The data are a transaction's bytes, and which cluster each job belongs to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from provider_daemon.chain import bech32, messages
from provider_daemon.chain.evidence import OF_JOB, OF_RESULTS, EvidenceFacts, verify
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.chain.spec_digest import digest
from provider_daemon.job import signed_words
from provider_daemon.job.signed_words import NO_WORDS, SignedWords
from provider_daemon.job.state import TERMINAL, State

_PLAIN_KEY = f"/{PubKey.DESCRIPTOR.full_name}"


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """The part of a job's record on chain that a verification needs.

    `spec_sha256` is "" if only evidence of version 1 can be checked.
    """

    cluster_id: str
    spec_sha256: str = ""

    @classmethod
    def of(cls, job: types_pb2.HPCJob, chain_id: str) -> "ChainRecord":
        return cls(job.cluster_id, digest(job, chain_id))


NO_RECORD = ChainRecord("")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification.

    `why` is empty if the evidence is valid. `spec_signed`: it names its job, and the chain's record is that
    job. `signed`: the image, the site's audit and the manifest of the results, as far as they are signed.
    """

    job_id: str
    state: str
    why: str = ""
    spec_signed: bool = False
    signed: SignedWords = NO_WORDS

    @property
    def ok(self) -> bool:
        return not self.why


def reports(tx: tx_pb2.Tx) -> list[MsgReportJobStatus]:
    """Returns every report of a transaction, with those wrapped in authz MsgExec.

    Other messages are skipped.
    """
    return [
        message for message in messages.flatten(tx.body.messages) if isinstance(message, MsgReportJobStatus)
    ]


def check(tx: tx_pb2.Tx, chain_id: str, records: Mapping[str, ChainRecord]) -> list[Verdict]:
    """Returns a verdict for each report, in order. `records`: the chain's record of each job, by its id."""
    keys = public_keys_of(tx)
    return [_verdict(report, chain_id, records.get(report.job_id, NO_RECORD), keys) for report in reports(tx)]


def public_keys_of(tx: tx_pb2.Tx) -> dict[str, bytes]:
    """Returns address -> compressed key of every signer of the transaction with a plain secp256k1 key."""
    keys = [plain_key(info.public_key) for info in tx.auth_info.signer_infos]
    return {bech32.address_of(key): key for key in keys if len(key) == 33}


def plain_key(envelope: Any) -> bytes:
    """Returns the key; b"" for a multisig, another curve, or no key at all."""
    try:
        return PubKey.FromString(envelope.value).key if envelope.type_url == _PLAIN_KEY else b""
    except DecodeError:
        return b""


def _verdict(
    report: MsgReportJobStatus, chain_id: str, record: ChainRecord, keys: Mapping[str, bytes]
) -> Verdict:
    """Returns the verdict.

    Evidence of version 1 is checked without a job; evidence that names the job is valid for that job alone.
    """
    state = _state(report)
    if why := _incomplete(report, state, record, keys):
        return Verdict(report.job_id, state, why)
    facts, key = _facts(report, State(state), chain_id, record), keys[report.provider_address]
    for candidate in _candidates(facts):
        if verify(candidate, report.signature, key):
            spec_signed = bool(candidate.spec_sha256)
            return Verdict(report.job_id, state, spec_signed=spec_signed, signed=candidate.signed)
    return Verdict(report.job_id, state, "the signature does not fit what the report says")


def _candidates(facts: EvidenceFacts) -> Iterator[EvidenceFacts]:
    """Yields what the provider may have signed, of each version. Version 2 signs nothing of the message."""
    if facts.spec_sha256:
        yield facts
        if facts.signed.results is not None:
            yield replace(facts, signed=SignedWords(results=facts.signed.results), version=OF_RESULTS)
        yield replace(facts, signed=NO_WORDS, version=OF_JOB)
    yield replace(facts, spec_sha256="", signed=NO_WORDS)


def _state(report: MsgReportJobStatus) -> str:
    """Returns the state's name, or its number if this version does not know the state."""
    known = types_pb2.JobState.DESCRIPTOR.values_by_number.get(report.state)
    return known.name.removeprefix("JOB_STATE_").lower() if known else str(report.state)


def _incomplete(
    report: MsgReportJobStatus, state: str, record: ChainRecord, keys: Mapping[str, bytes]
) -> str:
    """Returns why nothing can be verified; empty if all data is there."""
    if not report.signature:
        return "the report carries no signature"
    if not record.cluster_id:
        return "the chain has no record of the job that names its cluster"
    if state not in set(State):
        return "the state is none that a job can have"
    if report.provider_address not in keys:
        return "the transaction does not hold the provider's public key: somebody else signed it"
    return ""


def _facts(report: MsgReportJobStatus, state: State, chain_id: str, record: ChainRecord) -> EvidenceFacts:
    return EvidenceFacts(
        chain_id=chain_id,
        cluster_id=record.cluster_id,
        provider=report.provider_address,
        job_id=report.job_id,
        slurm_job_id=report.slurm_job_id,
        state=state,
        exit_code=report.exit_code,
        usage=messages.usage_of(report.usage_metrics),
        signed_at=report.signed_timestamp,
        spec_sha256=record.spec_sha256,
        signed=signed_words.parse(report.status_message) if state in TERMINAL else NO_WORDS,
    )
