"""Signed usage: its bytes, and that any change to what was signed is seen from the transaction alone."""

import base64
import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Envelope
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import evidence, evidence_check, messages, signed_documents, tx
from provider_daemon.chain.evidence import EvidenceFacts
from provider_daemon.chain.evidence_check import Verdict
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.chain.sign import LocalSigner, verify
from provider_daemon.job.signed_words import NO_WORDS, SignedWords
from provider_daemon.job.state import State
from provider_daemon.job.transfer import Results
from provider_daemon.job.usage import Usage
from tests.unit.chain.vectors import ADDRESS, SECRET

CHAIN = "virtengine-localnet-1"
CLUSTERS = {
    "JOB-7": evidence_check.ChainRecord("HPC-1", "a" * 64),
    "JOB-8": evidence_check.ChainRecord("HPC-1", "b" * 64),
}
SIGNER = LocalSigner(SECRET)
OTHER = LocalSigner(bytes(31) + b"\x07")
USAGE = Usage(3600, 14_400, 28_800, 3_600, 0, 0, 0, 2, 2, (("a100", 3_600),))
FACTS = EvidenceFacts(CHAIN, "HPC-1", ADDRESS, "JOB-7", "4242", State.COMPLETED, 0, USAGE, 1_770_000_000)
WORDS = SignedWords(f"sha256:{'c' * 64}", "d" * 64, Results("e" * 64, 2, 23))
WIRE_FIELDS = [field.name for field in fields(Usage) if field.name != "gpu_seconds_by_type"]


def report(
    facts: EvidenceFacts = FACTS, signature: str | None = None, signer: LocalSigner = SIGNER
) -> Envelope:
    text = evidence.sign(facts, signer) if signature is None else signature
    return messages.report_job_status(facts, signature=text, status_message="done")


def verdicts(
    *envelopes: Envelope, signer: LocalSigner = SIGNER, chain_id: str = CHAIN
) -> list[evidence_check.Verdict]:
    """Of a transaction after its way over the wire."""
    signed = tx.build(
        envelopes,
        signer=signer,
        chain_id=chain_id,
        account_number=1,
        sequence=2,
        gas_limit=200_000,
        fee=5_000,
        fee_denom="uve",
        timeout_height=99,
    )
    return evidence_check.check(tx.decode(signed.tx_bytes), chain_id, CLUSTERS)


def changed(envelope: Envelope, **change: Any) -> Envelope:
    """The same report with other fields and the old signature; names of usage fields go into its usage."""
    message = MsgReportJobStatus.FromString(envelope.value)
    for name, value in change.items():
        setattr(message.usage_metrics if name in WIRE_FIELDS else message, name, value)
    return messages.pack(message)


def test_document() -> None:
    """Canonical: sorted keys, no spaces, integers only."""
    assert evidence.document(FACTS).decode() == (
        '{"chain_id":"virtengine-localnet-1","cluster_id":"HPC-1","exit_code":0,"job_id":"JOB-7",'
        '"provider":"ve19rl4cm2hmr8afy4kldpxz3fka4jguq0aqakfsa","signed_at":1770000000,"slurm_job_id":"4242","state":"completed",'
        '"usage":{"cpu_core_seconds":14400,"gpu_seconds":3600,"memory_gb_seconds":28800,"network_bytes_in":0,"network_bytes_out":0,'
        '"node_hours":2,"nodes_used":2,"storage_gb_hours":0,"wall_clock_seconds":3600}}'
    )


def test_adr036_document() -> None:
    """The sign document of stock wallets, byte for byte."""
    assert signed_documents.adr036(b"hello", ADDRESS) == (
        b'{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"","msgs":[{"type":"sign/MsgSignData",'
        b'"value":{"data":"aGVsbG8=","signer":"ve19rl4cm2hmr8afy4kldpxz3fka4jguq0aqakfsa"}}],"sequence":"0"}'
    )


def test_signature_is_over_the_adr036_document() -> None:
    """Whoever has the document, the public key and SHA-256 can check it without provd."""
    raw = base64.b64decode(evidence.sign(FACTS, SIGNER))
    digest = hashlib.sha256(signed_documents.adr036(evidence.document(FACTS), ADDRESS)).digest()
    assert len(raw) == 64
    assert verify(SIGNER.public_key, digest, raw)


def test_every_wire_field_is_signed() -> None:
    """No usage field that the chain carries is left out of the document, and none is added."""
    assert sorted(json.loads(evidence.document(FACTS))["usage"]) == sorted(WIRE_FIELDS)
    message = MsgReportJobStatus.FromString(report().value)
    assert sorted(field.name for field in message.usage_metrics.DESCRIPTOR.fields) == sorted(WIRE_FIELDS)


@given(
    st.builds(Usage, *[st.integers(0, 2**31 - 1)] * 9), st.sampled_from(WIRE_FIELDS), st.sampled_from([-1, 1])
)
def test_one_unit_breaks_it(usage: Usage, name: str, step: int) -> None:
    """Evidence survives the wire, and one unit more or less of any usage field breaks it."""
    facts = replace(FACTS, usage=usage)
    honest = report(facts)
    assert verdicts(honest) == [evidence_check.Verdict("JOB-7", "completed")]
    value = getattr(usage, name)
    (verdict,) = verdicts(
        changed(honest, **{name: value + step if 0 <= value + step < 2**31 else value - step})
    )
    assert verdict.why == "the signature does not fit what the report says"


@pytest.mark.parametrize(
    "change",
    [
        {"slurm_job_id": "4243"},
        {"state": 5},
        {"exit_code": 1},
        {"signed_timestamp": 1_770_000_001},
        {"job_id": "JOB-8"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_fact_breaks_it(change: dict[str, Any]) -> None:
    """So does every other fact of the report."""
    assert not verdicts(changed(report(), **change))[0].ok


def test_the_status_message_is_not_signed() -> None:
    """The status message is free text for the customer."""
    assert verdicts(changed(report(), status_message="other"))[0].ok


def test_chain_and_cluster_are_signed() -> None:
    """Evidence of one chain or cluster says nothing on another."""
    assert not verdicts(report(), chain_id="virtengine-1")[0].ok
    assert not verdicts(report(replace(FACTS, cluster_id="HPC-2")))[0].ok


def test_reports_of_several_jobs() -> None:
    """Each report of a transaction has its own verdict, in order; other messages have none."""
    send = messages.pack(MsgSend(from_address=ADDRESS, to_address=OTHER.address))
    second = report(replace(FACTS, job_id="JOB-8", state=State.FAILED, exit_code=3))
    found = verdicts(report(), send, second, changed(second, exit_code=4))
    assert [(verdict.job_id, verdict.state, verdict.ok) for verdict in found] == [
        ("JOB-7", "completed", True),
        ("JOB-8", "failed", True),
        ("JOB-8", "failed", False),
    ]


def test_wrapped_reports() -> None:
    """Reports inside authz MsgExec, however deep, are found and checked like the others."""
    inner = messages.pack(MsgExec(grantee=ADDRESS, msgs=[report(), changed(report(), exit_code=1)]))
    assert [verdict.ok for verdict in verdicts(messages.pack(MsgExec(grantee=ADDRESS, msgs=[inner])))] == [
        True,
        False,
    ]


def test_signed_by_somebody_else() -> None:
    """A transaction of another account cannot vouch for the provider."""
    (verdict,) = verdicts(report(), signer=OTHER)
    assert "public key" in verdict.why
    assert not verdicts(report(signer=OTHER))[0].ok


def test_a_transaction_without_keys() -> None:
    """A signer info without a public key, as the SDK allows it, fails the check."""
    unsigned = tx.decode(
        tx.for_simulation(
            [report()], public_key=b"", sequence=0, gas_limit=1, fee=0, fee_denom="uve", timeout_height=1
        )
    )
    assert [verdict.ok for verdict in evidence_check.check(unsigned, CHAIN, CLUSTERS)] == [False]
    del unsigned.auth_info.signer_infos[:]
    assert [verdict.ok for verdict in evidence_check.check(unsigned, CHAIN, CLUSTERS)] == [False]


@pytest.mark.parametrize("signature", ["", "nonsense", "é", "AAAA", base64.b64encode(bytes(65)).decode()])
def test_no_such_signature(signature: str) -> None:
    """Whatever stands in the signature field, the answer is a verdict."""
    assert not verdicts(report(signature=signature))[0].ok


@pytest.mark.parametrize(("number", "word"), [(0, "unspecified"), (99, "99")])
def test_unknown_states(number: int, word: str) -> None:
    """A state that no job can have fails the check and is shown as it is."""
    (verdict,) = verdicts(changed(report(), state=number))
    assert (verdict.state, verdict.ok) == (word, False)


def test_unknown_job() -> None:
    """Without the job's record the cluster is not known, so nothing can be said."""
    (verdict,) = verdicts(report(replace(FACTS, job_id="JOB-9")))
    assert "no record" in verdict.why


def test_evidence_names_the_job() -> None:
    """It verifies for the job whose specification was signed, and says that it was."""
    (verdict,) = verdicts(report(replace(FACTS, spec_sha256="a" * 64)))
    assert (verdict.ok, verdict.spec_signed) == (True, True)


def test_evidence_of_another_job_under_that_number() -> None:
    """The chain's JOB-7 is not the job that was run and signed for: the evidence does not verify."""
    (verdict,) = verdicts(report(replace(FACTS, spec_sha256="c" * 64)))
    assert verdict.why == "the signature does not fit what the report says"


def test_versions() -> None:
    """New evidence is of version 4; without the digest of a request it has no version."""
    assert b"version" not in evidence.document(FACTS)
    document = json.loads(evidence.document(replace(FACTS, spec_sha256="a" * 64)))
    assert (document["version"], document["spec_sha256"]) == (4, "a" * 64)
    assert (document["image"], document["site_audit"]) == ("", "")


OLD = json.loads((Path(__file__).parents[2] / "fixtures/chain/evidence.json").read_text())


@pytest.mark.parametrize("version", OLD)
def test_evidence_of_older_versions(version: str) -> None:
    """What was signed before verifies as what it is, and only with the numbers that were signed."""
    message = Envelope(type_url=report().type_url, value=bytes.fromhex(OLD[version]["report"]))
    (verdict,) = verdicts(message)
    assert (verdict.ok, verdict.spec_signed) == (True, version != "1")
    assert (verdict.signed.results is not None) == (version == "3")
    assert not verdicts(changed(message, exit_code=1))[0].ok
    old_facts = replace(
        FACTS, usage=replace(USAGE, storage_gb_hours=1, network_bytes_in=2, network_bytes_out=3)
    )
    as_signed = {
        "1": old_facts,
        "2": replace(old_facts, spec_sha256="a" * 64, version=2),
        "3": replace(old_facts, spec_sha256="a" * 64, version=3, signed=verdict.signed),
    }
    assert evidence.document(as_signed[version]).decode() == OLD[version]["document"]


def test_what_the_message_names_is_signed() -> None:
    """Image, audit and results are checked against the message: another digest there breaks the evidence."""
    message = f"done {WORDS}"
    facts = replace(FACTS, spec_sha256="a" * 64, signed=WORDS)
    honest = changed(report(facts), status_message=message)
    assert verdicts(honest) == [Verdict("JOB-7", "completed", spec_signed=True, signed=WORDS)]
    for other in (
        replace(WORDS, image=f"sha256:{'0' * 64}"),
        replace(WORDS, site_audit="0" * 64),
        replace(WORDS, results=None),
        NO_WORDS,
    ):
        assert not verdicts(changed(honest, status_message=f"done {other}"))[0].ok
