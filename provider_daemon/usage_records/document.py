"""Usage records as documents: canonical JSON, signed like evidence, with the hash of the one before."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provider_daemon.chain import evidence, signed_documents
from provider_daemon.chain.keys import Signer
from provider_daemon.job.usage import Usage
from provider_daemon.job.usage_record import SignedSnapshot, SnapshotType, interval


@dataclass(frozen=True, slots=True)
class Taken:
    """The contents of a usage record. `differences` are flat objects of strings and integers."""

    chain_id: str
    cluster_id: str
    job_id: str
    slurm_job_id: str
    type: SnapshotType
    taken_at: int
    cumulative: Usage
    outcome: str = ""
    differences: tuple[Mapping[str, str | int], ...] = ()


def sign(taken: Taken, before: SignedSnapshot | None, signer: Signer) -> SignedSnapshot:
    """Signs the job's next usage record, which follows `before`, its newest one."""
    sequence, previous = (before.sequence + 1, before.content_hash) if before else (0, "")
    data = signed_documents.canonical(
        {
            "chain_id": taken.chain_id,
            "cluster_id": taken.cluster_id,
            "provider": signer.address,
            "job_id": taken.job_id,
            "slurm_job_id": taken.slurm_job_id,
            "type": taken.type.value,
            "sequence": sequence,
            "taken_at": taken.taken_at,
            "interval": evidence.wire_usage(
                interval(taken.cumulative, cumulative(before) if before else Usage())
            ),
            "cumulative": evidence.wire_usage(taken.cumulative),
            "previous": previous,
            "outcome": taken.outcome,
            "differences": list(taken.differences),
        }
    )
    return SignedSnapshot(
        job_id=taken.job_id,
        sequence=sequence,
        type=taken.type,
        taken_at=taken.taken_at,
        document=data,
        content_hash=content_hash(data),
        previous=previous,
        signature=signed_documents.sign_document(data, signer),
    )


def content_hash(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def cumulative(snapshot: SignedSnapshot) -> Usage:
    return Usage(**json.loads(snapshot.document)["cumulative"])


def check(snapshots: Sequence[SignedSnapshot], keys: Mapping[str, bytes]) -> list[str]:
    """Returns the problem of each of a job's usage records, in order of sequence; '' for a valid one.

    `keys`: address -> public key. Sequence numbers may be missing, because interim records are deleted with
    time. A record next to a gap proves nothing about the gap.
    """
    wrong = []
    before: SignedSnapshot | None = None
    for snapshot in snapshots:
        wrong.append(_objection(snapshot, before, keys))
        before = snapshot
    return wrong


def _objection(snapshot: SignedSnapshot, before: SignedSnapshot | None, keys: Mapping[str, bytes]) -> str:
    if content_hash(snapshot.document) != snapshot.content_hash:
        return "its content was changed"
    said: dict[str, Any] = json.loads(snapshot.document)
    kept = (snapshot.job_id, snapshot.sequence, snapshot.type.value, snapshot.previous, snapshot.taken_at)
    if kept != tuple(said[name] for name in ("job_id", "sequence", "type", "previous", "taken_at")):
        return "the ledger's row and the signed document have different values"
    follows = before is not None and before.sequence + 1 == snapshot.sequence
    if follows and before is not None and snapshot.previous != before.content_hash:
        return f"its previous hash is not the hash of usage record {before.sequence}"
    if bool(snapshot.previous) != bool(snapshot.sequence):
        return "only the first usage record of a job may have no previous hash, and it must have none"
    if said["provider"] not in keys:
        return f"the public key of {said['provider']} is not known here"
    if not signed_documents.verify_document(
        snapshot.document, snapshot.signature, said["provider"], keys[said["provider"]]
    ):
        return "the signature does not match the document"
    return ""
