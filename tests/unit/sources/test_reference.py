"""What a customer declares, and what provd makes of it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.references import DataReference
from provider_daemon.sources.inputs import MAX_INPUTS, Input, Scheme
from provider_daemon.sources.reference import EMPTY_SHA256, parse, parse_all
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from tests.unit.sources.cases import policy

SHA = "ab" * 32
CID = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
WEB = "https://data.example.org/sets/a.csv"


def reference(uri: str, checksum: str = SHA, size: int = 10, **fields: object) -> DataReference:
    return DataReference(uri=uri, checksum=checksum, size_bytes=size, **fields)  # type: ignore[arg-type]  # of a test


def refusal(each: DataReference, *allowed: str) -> InputRefusal:
    with pytest.raises(InputRefused) as caught:
        parse(each, policy(*allowed))
    return caught.value.reason


@pytest.mark.parametrize(
    ("uri", "scheme", "name"),
    [
        (WEB, Scheme.HTTPS, "a.csv"),
        (f"{WEB}?X-Amz-Signature=1", Scheme.HTTPS, "a.csv"),
        ("https://data.example.org/a%20b.csv", Scheme.HTTPS, "a b.csv"),
        (f"{WEB}#name=input%20one.csv", Scheme.HTTPS, "input one.csv"),
        ("https://data.example.org/#name=x", Scheme.HTTPS, "x"),
        ("http://nas.example.org/a.csv", Scheme.HTTP, "a.csv"),
        ("s3://minio/bucket/dir/key.bin", Scheme.S3, "key.bin"),
        (f"ipfs://{CID}", Scheme.IPFS, CID),
        (f"ipfs://{CID}/dir/caf%C3%A9.txt", Scheme.IPFS, "café.txt"),
        (f"upload:{SHA}", Scheme.UPLOAD, SHA),
        (f"upload:{SHA}#name=x.tar", Scheme.UPLOAD, "x.tar"),
        ("site:imagenet", Scheme.SITE, "imagenet"),
    ],
)
def test_schemes(uri: str, scheme: Scheme, name: str) -> None:
    """Each scheme, with the name that the file gets by default or by its fragment."""
    found = parse(reference(uri), policy("nas.example.org"))
    assert found == Input(name, uri.partition("#")[0], scheme, SHA, 10, 10**7)


def test_name_order() -> None:
    """The fragment comes first, then reference_id, then the last part of the path."""
    assert parse(reference(WEB, reference_id="id"), policy()).name == "id"
    assert parse(reference(f"{WEB}#name=n", reference_id="id"), policy()).name == "n"


@pytest.mark.parametrize("fragment", ["", "part", "name", "name=a&size=1", "Name=a", "size=1&name=a"])
def test_other_fragments(fragment: str) -> None:
    """A fragment that is not a name alone is refused, not ignored."""
    assert refusal(reference(f"{WEB}#{fragment}")) is InputRefusal.NAME


@pytest.mark.parametrize("checksum", [SHA, SHA.upper(), f"sha256:{SHA}", f"sha256:{SHA.upper()}"])
def test_checksum_forms(checksum: str) -> None:
    """Hex with or without `sha256:`."""
    assert parse(reference(WEB, checksum), policy()).sha256 == SHA


@pytest.mark.parametrize(
    "checksum", ["md5:" + "a" * 32, "SHA256:" + SHA, SHA[:-1], SHA + "0", f" {SHA}", "u" + SHA, "sha256:"]
)
def test_other_checksums(checksum: str) -> None:
    """Another form is refused, not ignored."""
    assert refusal(reference(WEB, checksum)) is InputRefusal.CHECKSUM


@pytest.mark.parametrize("uri", [WEB, "s3://minio/bucket/key"])
def test_checksum_required(uri: str) -> None:
    """Content that a server may change needs one, unless the site does without."""
    assert refusal(reference(uri, "")) is InputRefusal.CHECKSUM
    lax = parse(reference(uri, ""), policy(require_checksum=False))
    assert lax.sha256 is None
    assert not lax.resumable


@pytest.mark.parametrize("uri", [f"ipfs://{CID}", "site:imagenet"])
def test_checksum_not_required(uri: str) -> None:
    """A CID is a checksum, and the site's own data is the site's."""
    assert parse(reference(uri, ""), policy()).sha256 is None


def test_upload_implies_its_checksum() -> None:
    """The hash in the URI is the checksum; a different one beside it is refused."""
    assert parse(reference(f"upload:{SHA}", ""), policy()).sha256 == SHA
    assert refusal(reference(f"upload:{SHA}", "cd" * 32)) is InputRefusal.CHECKSUM


@pytest.mark.parametrize(
    ("size", "checksum", "expected"), [(0, SHA, None), (7, SHA, 7), (0, EMPTY_SHA256, 0)]
)
def test_size(size: int, checksum: str, expected: int | None) -> None:
    """The protocol writes no size as 0; only with the checksum of no bytes is 0 a size."""
    assert parse(reference(WEB, checksum, size), policy()).size == expected


@pytest.mark.parametrize(
    ("size", "checksum", "reason"),
    [
        (-1, SHA, InputRefusal.SIZE),
        (10**7 + 1, SHA, InputRefusal.TOO_LARGE),
        (1, EMPTY_SHA256, InputRefusal.SIZE),
    ],
)
def test_size_refused(size: int, checksum: str, reason: InputRefusal) -> None:
    """Sizes that cannot be, or are above the site's limit."""
    assert refusal(reference(WEB, checksum, size)) is reason


def test_encrypted() -> None:
    """The declaration is passed on."""
    assert parse(reference(WEB, encrypted=True), policy()).encrypted


def test_repr_hides_the_query() -> None:
    """An Input in a log or a traceback shows no signature."""
    found = parse(reference(f"{WEB}?X-Amz-Signature=secret"), policy())
    assert "secret" not in repr(found)
    assert found.shown == WEB


def test_all_names_differ() -> None:
    """Two inputs with one name are refused, also if they differ only in how an accent is written."""
    with pytest.raises(InputRefused, match="two inputs are named") as caught:
        parse_all([reference(WEB), reference("https://other.example/a.csv")], policy())
    assert caught.value.reason is InputRefusal.NAME
    accents = [reference(f"{WEB}#name=caf%C3%A9"), reference(f"{WEB}#name=cafe%CC%81")]
    with pytest.raises(InputRefused):
        parse_all(accents, policy())


def test_all_together() -> None:
    """The sum of the sizes and the number of inputs have limits."""
    halves = [reference(f"{WEB}#name={each}", size=6 * 10**6) for each in "ab"]
    with pytest.raises(InputRefused) as caught:
        parse_all(halves, policy())
    assert caught.value.reason is InputRefusal.TOO_LARGE
    many = [reference(f"{WEB}#name={each}") for each in range(MAX_INPUTS + 1)]
    assert len(parse_all(many[:-1], policy())) == MAX_INPUTS
    with pytest.raises(InputRefused) as caught:
        parse_all(many, policy())
    assert caught.value.reason is InputRefusal.TOO_MANY


def test_site_without() -> None:
    """What a site does not offer is refused with what it has."""
    bare = policy().__class__()
    for uri in ("s3://minio/bucket/key", f"ipfs://{CID}", f"upload:{SHA}", "site:imagenet"):
        with pytest.raises(InputRefused):
            parse(reference(uri), bare)


def outcome(each: DataReference) -> Input | InputRefused:
    try:
        return parse(each, policy())
    except InputRefused as refused:
        return refused


ANY = st.text(max_size=60) | st.text(string.printable, max_size=60)
STARTS = ("https://h.example/", "s3://minio/bucket/", f"ipfs://{CID}/", "upload:", "site:", "http://", "")


@given(
    start=st.sampled_from(STARTS),
    rest=ANY,
    fragment=st.none() | ANY,
    reference_id=st.just("") | ANY,
    checksum=st.sampled_from(["", SHA]) | ANY,
    size=st.integers(-(2**63), 2**63 - 1),
)
def test_any_reference(
    start: str, rest: str, fragment: str | None, reference_id: str, checksum: str, size: int
) -> None:
    """Any reference is refused with a printable reason, or gives a name and a size that are safe."""
    uri = f"{start}{rest}" + ("" if fragment is None else f"#name={fragment}")
    found = outcome(DataReference(reference_id, "", uri, False, checksum, size))
    if isinstance(found, InputRefused):
        assert str(found).isprintable()
        assert len(str(found)) < 1000
        return
    assert found.name.isprintable()
    assert "/" not in found.name
    assert found.name[0] not in "-."
    assert len(found.name.encode()) <= 200
    assert found.size is None or 0 <= found.size <= found.limit
    assert "#" not in found.uri
    assert found.uri.isascii() or found.scheme in (Scheme.IPFS, Scheme.S3)
