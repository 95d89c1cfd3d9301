"""Attacks by whoever chooses a job's inputs or serves them. Each row is one attack; all fail.

Addresses that provd must never connect to are loopback here, where a server waits and counts connections.
"""

import gzip
import itertools

import pytest

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.job.references import DataReference
from provider_daemon.sources.https import Http, Limits, fetch
from provider_daemon.sources.reference import parse
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.resolver import Lookup
from tests.unit.sources.cases import (
    BODY,
    BODY_SHA256,
    PUBLIC,
    QUICK,
    collect,
    nobody,
    only_loopback,
    policy,
    web_input,
)
from tests.unit.sources.far_end import (
    Authority,
    Handler,
    answer,
    endless,
    head,
    raw,
    redirect,
    serve,
)

CID = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"

# --- what is refused before anything is resolved ---

DECLARED = {
    "loopback": ("https://127.0.0.1/", InputRefusal.ADDRESS),
    "loopback, any of its network": ("https://127.99.0.1/", InputRefusal.ADDRESS),
    "cloud metadata": ("https://169.254.169.254/latest/meta-data/", InputRefusal.ADDRESS),
    "private network": ("https://10.0.0.8:8443/", InputRefusal.ADDRESS),
    "all interfaces": ("https://0.0.0.0/", InputRefusal.ADDRESS),
    "loopback, IPv6": ("https://[::1]/", InputRefusal.ADDRESS),
    "loopback, IPv4-mapped": ("https://[::ffff:127.0.0.1]/", InputRefusal.ADDRESS),
    "loopback, mapped in hex": ("https://[::ffff:7f00:1]/", InputRefusal.ADDRESS),
    "loopback, IPv4-compatible": ("https://[::127.0.0.1]/", InputRefusal.ADDRESS),
    "loopback by NAT64": ("https://[64:ff9b::127.0.0.1]/", InputRefusal.ADDRESS),
    "loopback by 6to4": ("https://[2002:7f00:1::]/", InputRefusal.ADDRESS),
    "link-local, IPv6": ("https://[fe80::1]/", InputRefusal.ADDRESS),
    "link-local with zone": ("https://[fe80::1%25eth0]/", InputRefusal.URI),
    "unique local, IPv6": ("https://[fd00:ec2::254]/", InputRefusal.ADDRESS),
    "host as decimal number": ("https://2130706433/", InputRefusal.URI),
    "host as hex number": ("https://0x7f000001/", InputRefusal.URI),
    "host in octal": ("https://0177.0.0.1/", InputRefusal.URI),
    "host with parts left out": ("https://127.1/", InputRefusal.URI),
    "host with a final dot": ("https://localhost./", InputRefusal.URI),
    "host in full-width digits": ("https://\uff11\uff12\uff17.0.0.1/", InputRefusal.URI),
    "user name before the host": ("https://data.example.org@127.0.0.1/", InputRefusal.URI),
    "backslash before the host": ("https://data.example.org\\@127.0.0.1/", InputRefusal.URI),
    "line break in the URL": ("https://data.example.org/a\r\nHost: localhost", InputRefusal.URI),
    "plain http": ("http://data.example.org/a", InputRefusal.SCHEME),
    "file scheme": ("file:///etc/passwd", InputRefusal.SCHEME),
    "gopher scheme": ("gopher://127.0.0.1:6379/_INFO", InputRefusal.SCHEME),
    "a local path": ("/etc/passwd", InputRefusal.SCHEME),
    "dataset by path": ("site:../../etc", InputRefusal.URI),
    "upload by path": ("upload:../../../etc/passwd", InputRefusal.URI),
    "upload of another customer": (f"upload:virtengine1other/{BODY_SHA256}", InputRefusal.URI),
    "S3 endpoint by address": ("s3://127.0.0.1:9000/bucket/key", InputRefusal.URI),
    "S3 key that leaves the bucket": ("s3://minio/bucket/../other/key", InputRefusal.URI),
    "S3 key that leaves it, encoded": ("s3://minio/bucket/%2e%2e/other/key", InputRefusal.URI),
    "S3 bucket that is none": ("s3://minio/../key", InputRefusal.URI),
    "S3 bucket with two dots": ("s3://minio/a..b/key", InputRefusal.URI),
    "S3 key with a query": ("s3://minio/bucket/key?acl", InputRefusal.URI),
    "IPFS path upwards": (f"ipfs://{CID}/../a", InputRefusal.URI),
    "IPFS name that can change": ("ipns://docs.example.org/a", InputRefusal.SCHEME),
    "IPFS by a weak hash": ("ipfs://f01551103666f6f", InputRefusal.URI),
    "name upwards": ("https://data.example.org/a#name=..", InputRefusal.NAME),
    "name with a path": ("https://data.example.org/a#name=../../.ssh/authorized_keys", InputRefusal.NAME),
    "name with a path, encoded": ("https://data.example.org/a#name=..%2Fx", InputRefusal.NAME),
    "name with a path, in the URL": ("https://data.example.org/..%2F..%2Fx", InputRefusal.NAME),
    "name below a directory": ("https://data.example.org/a#name=a/b", InputRefusal.NAME),
    "name below a directory, encoded": ("https://data.example.org/a#name=a%2Fb", InputRefusal.NAME),
    "name with a space behind it": ("https://data.example.org/a#name=a%20", InputRefusal.NAME),
    "name that is long in bytes alone": (
        f"https://data.example.org/a#name={'%C3%A9' * 101}",
        InputRefusal.NAME,
    ),
    "name that is an option": ("https://data.example.org/a#name=-rf", InputRefusal.NAME),
    "name that is hidden": ("https://data.example.org/a#name=.bashrc", InputRefusal.NAME),
    "name with a line break": ("https://data.example.org/a#name=a%0Ab", InputRefusal.NAME),
    "name with a null byte": ("https://data.example.org/a#name=a%00b", InputRefusal.NAME),
    "name with an escape sequence": ("https://data.example.org/a#name=a%1B%5B2J", InputRefusal.NAME),
    "name that is shown reversed": ("https://data.example.org/a#name=a%E2%80%AEgpj.exe", InputRefusal.NAME),
    "name that is not UTF-8": ("https://data.example.org/a#name=%FF", InputRefusal.URI),
    "name that is too long": (f"https://data.example.org/a#name={'a' * 201}", InputRefusal.NAME),
    "URL that is too long": (f"https://data.example.org/{'a' * 5000}", InputRefusal.URI),
}


@pytest.mark.parametrize(("uri", "reason"), DECLARED.values(), ids=DECLARED)
def test_declared(uri: str, reason: InputRefusal) -> None:
    """The declaration alone is refused."""
    with pytest.raises(InputRefused) as caught:
        parse(DataReference(uri=uri, checksum=BODY_SHA256, size_bytes=1), policy())
    assert caught.value.reason is reason


# --- names that resolve to what is forbidden ---

RESOLVED = {
    "loopback": ["127.0.0.1"],
    "loopback, IPv6": ["::1"],
    "loopback, IPv4-mapped": ["::ffff:127.0.0.1"],
    "loopback by NAT64": ["64:ff9b::7f00:1"],
    "cloud metadata": ["169.254.169.254"],
    "link-local with zone": ["fe80::1%lo"],
    "unique local": ["fd12:3456::1"],
    "a public address, then loopback": [PUBLIC, "127.0.0.1"],
    "loopback, then a public address": ["127.0.0.1", PUBLIC],
}


def names(table: dict[str, list[list[str]]]) -> tuple[Lookup, list[str]]:
    """Name -> what each query for it returns, the last one for ever; and the list of all queries."""
    asked: list[str] = []
    following = {
        name: itertools.chain(answers, itertools.repeat(answers[-1])) for name, answers in table.items()
    }

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(following[host])

    return lookup, asked


@pytest.mark.parametrize("addresses", RESOLVED.values(), ids=RESOLVED)
async def test_resolved(tls: Authority, addresses: list[str]) -> None:
    """The name is refused and no connection is made."""
    lookup, _ = names({"data.example.org": [addresses]})
    async with serve({"/f": answer(BODY)}, tls.server()) as far:
        http = Http(policy(), ca_file=str(tls.ca), limits=QUICK, lookup=lookup)
        with pytest.raises(InputRefused) as caught:
            await collect(fetch(http, web_input(far.url("/f", "data.example.org"))))
    assert caught.value.reason is InputRefusal.ADDRESS
    assert far.connections == 0


async def test_rebinding_between_check_and_connection(tls: Authority) -> None:
    """A name that changes after it was checked: it is resolved once, and the checked address is used."""
    lookup, asked = names({"moving.example.org": [["127.0.0.2"], ["127.0.0.1"]]})
    async with (
        serve({"/f": answer(BODY)}, tls.server(), "127.0.0.2") as checked,
        serve({"/f": answer(BODY)}, tls.server(), "127.0.0.1", checked.port) as hidden,
    ):
        http = Http(only_loopback(), ca_file=str(tls.ca), limits=QUICK, lookup=lookup, own=nobody)
        assert await collect(fetch(http, web_input(checked.url("/f", "moving.example.org")))) == BODY
    assert asked == ["moving.example.org"]
    assert (checked.connections, hidden.connections) == (1, 0)


async def test_rebinding_between_redirects(tls: Authority) -> None:
    """A name that changes before the redirect to itself is checked again, and refused."""
    lookup, _ = names({"moving.example.org": [["127.0.0.2"], ["127.0.0.1"]]})
    async with (
        serve({"/f": redirect("/g"), "/g": answer(BODY)}, tls.server(), "127.0.0.2") as checked,
        serve({"/g": answer(BODY)}, tls.server(), "127.0.0.1", checked.port) as hidden,
    ):
        http = Http(only_loopback(), ca_file=str(tls.ca), limits=QUICK, lookup=lookup, own=nobody)
        with pytest.raises(InputRefused) as caught:
            await collect(fetch(http, web_input(checked.url("/f", "moving.example.org"))))
    assert caught.value.reason is InputRefusal.ADDRESS
    assert hidden.connections == 0


# --- redirects ---

REDIRECTS = {
    "cloud metadata": ("https://169.254.169.254/latest/meta-data/", InputRefusal.ADDRESS),
    "cloud metadata, plain": ("http://169.254.169.254/latest/meta-data/", InputRefusal.SCHEME),
    "another port of an allowed host": ("https://localhost:{hidden}/g", InputRefusal.ADDRESS),
    "loopback": ("https://127.0.0.1:{hidden}/g", InputRefusal.ADDRESS),
    "loopback, IPv4-mapped": ("https://[::ffff:127.0.0.1]:{hidden}/g", InputRefusal.ADDRESS),
    "loopback by NAT64": ("https://[64:ff9b::7f00:1]:{hidden}/g", InputRefusal.ADDRESS),
    "loopback without scheme": ("//127.0.0.1:{hidden}/g", InputRefusal.ADDRESS),
    "plain http": ("http://data.example.org/g", InputRefusal.SCHEME),
    "a file": ("file:///etc/passwd", InputRefusal.REDIRECT),
    "user name before the host": ("https://data.example.org@127.0.0.1:{hidden}/g", InputRefusal.REDIRECT),
    "backslash before the host": ("https://data.example.org\\@127.0.0.1:{hidden}/g", InputRefusal.REDIRECT),
    "no location": ("", InputRefusal.REDIRECT),
    "itself, for ever": ("/f", InputRefusal.REDIRECT),
}


@pytest.mark.parametrize(("location", "reason"), REDIRECTS.values(), ids=REDIRECTS)
async def test_redirected(tls: Authority, location: str, reason: InputRefusal) -> None:
    """The redirect is refused, and its target gets no connection."""
    async with serve({"/g": answer(BODY)}, tls.server()) as hidden:
        leads = redirect(location.format(hidden=hidden.port))
        async with serve({"/f": leads}, tls.server()) as far:
            http = Http(policy(f"localhost:{far.port}"), ca_file=str(tls.ca), limits=QUICK)
            with pytest.raises(InputRefused) as caught:
                await collect(fetch(http, web_input(far.url("/f"))))
    assert caught.value.reason is reason
    assert hidden.connections == 0
    assert far.connections <= 6


# --- what a server sends ---

OK = head("200 OK", {})
SIZED = head("200 OK", {"Content-Length": str(len(BODY))})
CHUNKED = head("200 OK", {"Transfer-Encoding": "chunked"})
BOMB = gzip.compress(bytes(10**7))
HASTY = Limits(connect=1.0, answer=0.3, idle=0.3, slow=0.2, slow_bytes=1000, total=3600.0)
PATIENT = Limits(connect=60.0, answer=60.0, idle=60.0, slow=60.0, total=3600.0)

SERVED: dict[str, tuple[Handler, InputRefusal | None]] = {
    "endless body": (endless(OK, bytes(65536)), InputRefusal.WRONG_SIZE),
    "endless body in chunks": (
        endless(CHUNKED, b"2710\r\n" + bytes(10000) + b"\r\n"),
        InputRefusal.WRONG_SIZE,
    ),
    "one byte more": (answer(BODY + b"x"), InputRefusal.WRONG_SIZE),
    "one byte more than announced": (raw(SIZED, BODY[:-1] + b"xy"), InputRefusal.WRONG_CHECKSUM),
    "one byte less": (answer(BODY[:-1]), InputRefusal.WRONG_SIZE),
    "other content of that size": (answer(bytes(len(BODY))), InputRefusal.WRONG_CHECKSUM),
    "gzip bomb": (answer(BOMB, Content_Encoding="gzip"), InputRefusal.RESPONSE),
    "gzip twice": (answer(BOMB, Content_Encoding="gzip, gzip"), InputRefusal.RESPONSE),
    "unknown compression": (answer(BODY, Content_Encoding="zstd"), InputRefusal.RESPONSE),
    "part in place of the whole": (
        answer(BODY, "206 Partial Content", Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}"),
        InputRefusal.RESPONSE,
    ),
    "expired presigned URL": (answer(b"<Error/>", "403 Forbidden"), InputRefusal.DENIED),
    "error page with status 200": (answer(b"<html>not found</html>"), InputRefusal.WRONG_SIZE),
    "body cut": (raw(SIZED, BODY[:1000]), None),
    "slow body": (endless(SIZED, b"x", 0.05), None),
    "silent body": (raw(SIZED, BODY[:1000], hang=True), None),
    "silent from the start": (raw(hang=True), None),
    "slow headers": (endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", 0.05), None),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100), None),
    "one endless header": (endless(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 10000), None),
    "endless interim answers": (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), None),
    "endless trailers": (endless(CHUNKED + b"1\r\nx\r\n0\r\n", b"A: b\r\n" * 100), None),
    "slow trailers": (endless(CHUNKED + b"1\r\nx\r\n0\r\n", b"A: b\r\n", 0.05), None),
    "slow chunk extension": (endless(CHUNKED + b"5;", b"x", 0.05), None),
    "endless chunk extension": (endless(CHUNKED + b"5;", b"x" * 1000), None),
    "compressed chunks": (raw(head("200 OK", {"Transfer-Encoding": "gzip, chunked"}), BOMB), None),
    "two lengths": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"), None),
    "not HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), None),
}
"""attack -> what the server does, and the reason of the refusal; None: an error that is tried again later."""


@pytest.mark.parametrize(("handler", "reason"), SERVED.values(), ids=SERVED)
async def test_served(tls: Authority, handler: Handler, reason: InputRefusal | None) -> None:
    """The fetch ends with an error, and never passes on more bytes than were declared."""
    caught, received = await attempt(tls, handler, limits=PATIENT if reason else HASTY)
    assert getattr(caught, "reason", None) is reason
    assert isinstance(caught, InputRefused if reason else Transient)
    assert received <= len(BODY)


async def test_endless_body_without_declared_size(tls: Authority) -> None:
    """Without size_bytes the site's limit for an input ends the fetch."""
    caught, received = await attempt(tls, endless(OK, bytes(65536)), size=None, limits=PATIENT)
    assert isinstance(caught, InputRefused)
    assert caught.reason is InputRefusal.TOO_LARGE
    assert received <= 10**7


async def attempt(
    tls: Authority, handler: Handler, *, size: int | None = len(BODY), limits: Limits
) -> tuple[ProvdError, int]:
    """Returns the error, and how many bytes were passed on before it."""
    parts: list[bytes] = []
    async with serve({"/f": handler}, tls.server()) as far:
        http = Http(policy(f"localhost:{far.port}"), ca_file=str(tls.ca), limits=limits)
        with pytest.raises(ProvdError) as caught:
            await collect(fetch(http, web_input(far.url("/f"), size=size)), parts.append)
    return caught.value, sum(map(len, parts))
