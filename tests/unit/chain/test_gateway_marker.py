"""The gateway's address in a cluster's description."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.gateway_marker import find, put

URL = "https://gateway.example.org:8443"


@pytest.mark.parametrize(
    ("description", "url"),
    [
        (f"gateway={URL}", URL),
        (f"A cluster in Basel.\ngateway={URL}\nWater-cooled.", URL),
        (f"gateway={URL}/provd/", f"{URL}/provd"),
        ("gateway=https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        (f"gateway=https://old.example.org gateway={URL}", URL),
        ("", ""),
        ("no gateway", ""),
        (f"mygateway={URL}", ""),
        (f"(gateway={URL})", ""),
        ("gateway=ftp://x", ""),
        ("gateway=https://user:password@x", ""),
        ("gateway=javascript:alert(1)", ""),
        (f"gateway={URL}?a=b", ""),
        ("gateway=https://" + "x" * 300, ""),
    ],
)
def test_found_or_not(description: str, url: str) -> None:
    """A word of its own with an address that a client can use."""
    assert find(description) == url


def test_a_new_address_replaces_the_old_one() -> None:
    """The text around it stays."""
    text = put("In Basel, gateway=https://old.example.org water-cooled", URL)
    assert text == f"In Basel, water-cooled gateway={URL}"
    assert put(text, "") == "In Basel, water-cooled"


@pytest.mark.parametrize(
    "url", ["ftp://x", "https://x y", "https://", "x", "https://x?y", f"{URL} gateway=https://z"]
)
def test_an_invalid_address_is_not_written(url: str) -> None:
    """It would be found by nobody."""
    with pytest.raises(ValueError, match="invalid gateway"):
        put("text", url)


@given(st.text())
def test_what_is_put_is_found(description: str) -> None:
    """In any description, once; and putting it again changes nothing."""
    text = put(description, URL)
    assert find(text) == URL
    assert text.count("gateway=") - description.count("gateway=") <= 1
    assert put(text, URL) == text
