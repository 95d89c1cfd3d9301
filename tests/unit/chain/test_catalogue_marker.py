"""The catalogue's hash and the next maintenance in a cluster's description."""

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import catalogue_marker, gateway_marker

HASH, OTHER = "a" * 64, "b" * 64


def test_words_are_replaced_and_other_text_stays() -> None:
    text = catalogue_marker.put("The new cluster gateway=https://x.example", HASH, (100, 200))
    assert text == f"The new cluster gateway=https://x.example catalogue={HASH} maintenance=100/200"
    changed = catalogue_marker.put(text, OTHER, None)
    assert changed == f"The new cluster gateway=https://x.example catalogue={OTHER}"
    assert gateway_marker.find(changed) == "https://x.example"
    assert catalogue_marker.put(changed, "", None) == "The new cluster gateway=https://x.example"


def test_values_of_another_form_are_none() -> None:
    assert catalogue_marker.find(f"catalogue={HASH[1:]} xcatalogue={HASH}") == ""
    assert catalogue_marker.find_maintenance("maintenance=soon") is None


@given(st.text(), st.booleans(), st.none() | st.tuples(st.integers(0, 10**10), st.integers(0, 10**10)))
def test_what_is_put_is_found(description: str, has_hash: bool, times: tuple[int, int] | None) -> None:
    """In any description, and a second time changes nothing."""
    wanted = HASH if has_hash else ""
    text = catalogue_marker.put(description, wanted, times)
    assert (catalogue_marker.find(text), catalogue_marker.find_maintenance(text)) == (wanted, times)
    assert catalogue_marker.put(text, wanted, times) == text
