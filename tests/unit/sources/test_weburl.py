"""URLs with a single reading are accepted, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from provider_daemon.sources.weburl import BadUrl, WebUrl, join, parse_url


def test_parts() -> None:
    """Host in lower case, the scheme's port, and a query kept as it is written."""
    assert parse_url("https://Data.Example.org/a%2Fb/c?x=%2B&y") == WebUrl(
        "https", "data.example.org", 443, "/a%2Fb/c", "?x=%2B&y"
    )
    assert parse_url("http://[2001:DB8::0:1]:8080") == WebUrl("http", "2001:db8::1", 8080, "/", "")
    assert str(parse_url("http://[2001:DB8::0:1]:8080")) == "http://[2001:db8::1]:8080/"
    assert str(parse_url("https://h.example:443/a?b")) == "https://h.example/a?b"


def test_shown_has_no_query() -> None:
    """The query of a presigned URL holds a signature."""
    assert parse_url("https://h.example:444/a?X-Amz-Signature=1").shown == "https://h.example:444/a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "https:///a",
        "https:/h/a",
        "//h/a",
        "ftp://h/a",
        "HTTPS://h/a",
        "file:///etc/passwd",
        "https://user@h/a",
        "https://user:secret@h/a",
        "https://good.example\\@127.0.0.1/",
        "https://good.example#@127.0.0.1/",
        "https://h/a b",
        "https://h/a\n",
        "https://h/a\u00e9",
        "https://h\u3002example/",
        "https://h/%zz",
        "https://h/%",
        "https://h:0/",
        "https://h:65536/",
        "https://h:/",
        "https://h:80a/",
        "https://h..example/",
        "https://localhost./",
        "https://-h.example/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.01/",
        "https://1.2.3.4.5/",
        "https://a.256/",
        "https://[::1/",
        "https://::1/",
        "https://[fe80::1%25eth0]/",
        "https://[127.0.0.1]/",
        "https://[::g]/",
        f"https://{'a' * 64}.example/",
        f"https://h/{'a' * 5000}",
    ],
)
def test_refused(text: str) -> None:
    """Forms that parsers read differently, or that hide the host."""
    with pytest.raises(BadUrl):
        parse_url(text)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "https://h.example:444/b"),
        ("b?c", "https://h.example:444/d/b?c"),
        ("//other.example/b", "https://other.example/b"),
        ("https://other.example/b#part", "https://other.example/b"),
        ("http://other.example/", "http://other.example/"),
    ],
)
def test_join(location: str, target: str) -> None:
    """A Location may be relative."""
    assert str(join(parse_url("https://h.example:444/d/a?q"), location)) == target


@pytest.mark.parametrize(
    "location", ["", "file:///etc/passwd", "//u@h/", "https://h\\x/", "javascript:1", "\u00e9"]
)
def test_join_refused(location: str) -> None:
    """A Location that is not a valid URL is refused like a first URL."""
    with pytest.raises(BadUrl):
        join(parse_url("https://h.example/a"), location)


URLISH = st.text(st.sampled_from("ahtps:/?#@[]%0127.xX\\é \t-_f&="), max_size=40)


@given(URLISH.map("https://{}".format) | URLISH | st.text(max_size=60))
def test_reads_as_the_http_client_does(text: str) -> None:
    """Whatever is accepted has the same host, port and request target for the HTTP client, and is stable."""
    try:
        url = parse_url(text)
    except BadUrl:
        return
    client = URL(str(url), encoded=True)
    assert (client.scheme, client.raw_host, client.port) == (url.scheme, url.host, url.port)
    assert client.raw_path_qs in (f"{url.path}{url.query}", f"{url.path}{url.query}".removesuffix("?"))
    assert client.user is None
    assert client.password is None
    assert parse_url(str(url)) == url
