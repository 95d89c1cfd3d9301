"""Evidence: a report as one canonical JSON document signed by the provider's account key.

See docs/protocol.md, 'Signed usage'. The signature is ADR-036 (arbitrary data), so stock Cosmos tools can
check it; its document can never be a transaction.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from provider_daemon.chain import bech32
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.sign import verify as verify_signature
from provider_daemon.job.state import State
from provider_daemon.job.transfer import Results
from provider_daemon.job.usage import Usage

# of the document; a document without the field is version 1, which does not describe the job
VERSION = 2
# of a document that also signs the manifest of the results
WITH_RESULTS = 3


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """Everything that the signature covers. `signed_at` is in seconds since the epoch.

    `spec_sha256`: the digest of what the customer requested (spec_digest.py), "" in evidence of version 1,
    which has no such field. `results`: the manifest of the results, only in evidence of version 3.
    """

    chain_id: str
    cluster_id: str
    provider: str
    job_id: str
    slurm_job_id: str
    state: State
    exit_code: int
    usage: Usage
    signed_at: int
    spec_sha256: str = ""
    results: Results | None = None


def document(facts: EvidenceFacts) -> bytes:
    """Returns the document: sorted keys, no spaces, integers and strings only.

    GPU types are left out: the protobuf message lacks them, so nobody could check them.
    """
    said = {**asdict(facts), "state": facts.state.value, "usage": wire_usage(facts.usage)}
    del said["results"]
    if facts.results is not None:
        signed = {f"results_{name}": value for name, value in asdict(facts.results).items()}
        return canonical({**said, **signed, "version": WITH_RESULTS})
    if facts.spec_sha256:
        return canonical({**said, "version": VERSION})
    del said["spec_sha256"]
    return canonical(said)


def wire_usage(usage: Usage) -> dict[str, int]:
    """Returns the fields that a report carries."""
    fields = asdict(usage)
    del fields["gpu_seconds_by_type"]
    return fields


def sign(facts: EvidenceFacts, signer: Signer) -> str:
    """Returns base64 for the report's `signature`."""
    return sign_document(document(facts), signer)


def verify(facts: EvidenceFacts, signature: str, public_key: bytes) -> bool:
    """Reports whether the provider, as owner of that public key, signed exactly these facts."""
    return verify_document(document(facts), signature, facts.provider, public_key)


def sign_document(data: bytes, signer: Signer) -> str:
    """Returns base64 of the signature over any document of ours. All evidence of provd is signed here."""
    return base64.b64encode(signer.sign(_digest(data, signer.address))).decode()


def verify_document(data: bytes, signature: str, provider: str, public_key: bytes) -> bool:
    """Reports whether `provider` owns that public key and signed exactly this document."""
    try:
        raw = base64.b64decode(signature, validate=True)
        signer = bech32.address_of(public_key)
    except ValueError:
        return False
    return signer == provider and verify_signature(public_key, _digest(data, provider), raw)


def _digest(data: bytes, signer: str) -> bytes:
    return hashlib.sha256(adr036(data, signer)).digest()


def adr036(data: bytes, signer: str) -> bytes:
    """Returns the sign document of `sign/MsgSignData`, byte for byte as cosmjs writes it.

    See docs/protocol.md, 'Signed usage'.
    """
    value = {"data": base64.b64encode(data).decode(), "signer": signer}
    return canonical(
        {
            "account_number": "0",
            "chain_id": "",
            "fee": {"amount": [], "gas": "0"},
            "memo": "",
            "msgs": [{"type": "sign/MsgSignData", "value": value}],
            "sequence": "0",
        }
    )


def canonical(value: Mapping[str, object]) -> bytes:
    """Returns JSON with sorted keys and no spaces, in UTF-8: one value has one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
