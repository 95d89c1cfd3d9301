"""Evidence: a report as one canonical JSON document signed by the provider's account key.

See docs/protocol.md, 'Signed usage'.
"""

from dataclasses import asdict, dataclass

from provider_daemon.chain.keys import Signer
from provider_daemon.chain.signed_documents import canonical, sign_document, verify_document
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
