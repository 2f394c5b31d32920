"""Fingerprints that begin alike are those of their parts."""

from hypothesis import given
from hypothesis import strategies as st

from scanner.document.schema import exposure_fingerprint, finding_fingerprint, fingerprint

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)


@given(TEXTS, TEXTS, TEXTS)
def test_a_fingerprint_is_that_of_its_parts(first: str, second: str, third: str) -> None:
    assert finding_fingerprint(first, second) == fingerprint("1", first, second.lower())
    segments = ["1", first.lower(), second.lower()]
    assert exposure_fingerprint(first, second, "") == fingerprint(*segments)
    if third:
        assert exposure_fingerprint(first, second, third) == fingerprint(*segments, third.lower())
