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
from provider_daemon.job.signed_words import NO_WORDS, SignedWords
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage

# Versions of the document. Version 1 has no version field and does not describe the job; version 2 does;
# version 3 also signs the manifest of the results; version 4 the image and the site's audit, and results if
# there are any.
OF_JOB, OF_RESULTS, VERSION = 2, 3, 4


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """Everything that the signature covers. `signed_at` is in seconds since the epoch.

    `spec_sha256`: the digest of what the customer requested (spec_digest.py), "" in evidence of version 1,
    which has no such field. `signed`: values that the report names in its message, from version 3 on the
    results, from version 4 on all. `version`: of the document, if it has a `spec_sha256`.
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
    signed: SignedWords = NO_WORDS
    version: int = VERSION


def document(facts: EvidenceFacts) -> bytes:
    """Returns the document: sorted keys, no spaces, integers and strings only.

    GPU types are left out: the protobuf message lacks them, so nobody could check them.
    """
    said = {**asdict(facts), "state": facts.state.value, "usage": wire_usage(facts.usage)}
    del said["signed"]
    if not facts.spec_sha256:
        del said["spec_sha256"], said["version"]
        return canonical(said)
    if facts.version >= VERSION:
        said |= {"image": facts.signed.image, "site_audit": facts.signed.site_audit}
    if facts.version >= OF_RESULTS and facts.signed.results is not None:
        said |= {f"results_{name}": value for name, value in asdict(facts.signed.results).items()}
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
