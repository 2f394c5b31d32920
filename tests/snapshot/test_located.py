"""Where resources are: a database beyond the first thousands says what a mapping does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.located import Located
from scanner.snapshot.located import StoredLocations, located

IDS = st.builds(
    lambda group, type, name: f"/subscriptions/s/resourcegroups/{group}/providers/{type}/{name}",
    st.sampled_from(["rg", "rg-2"]),
    st.sampled_from(["microsoft.storage/storageaccounts", "microsoft.web/sites"]),
    st.sampled_from(["a", "b'", '"c', "æ", "%"]),
)
PAIRS = st.lists(st.tuples(IDS, st.sampled_from(["norwayeast", "Norway West", ""])))


@given(PAIRS, IDS)
def test_a_database_says_what_a_mapping_says(pairs: list[tuple[str, str]], other: str) -> None:
    known, stored = Located(dict(pairs)), StoredLocations({}, pairs)
    assert dict(stored) == dict(known)
    assert len(stored) == len(known)
    assert stored.get(other) == known.get(other)
    assert (other in stored) == (other in known)
    type, name = other.split("/providers/")[1].rsplit("/", 1)
    assert stored.has_name(type, name) == known.has_name(type, name)


def test_only_many_resources_are_in_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.snapshot.located.IN_MEMORY", 2)
    pairs = [(f"/subscriptions/s/resourcegroups/rg/providers/a.b/c/{each}", "norwayeast") for each in range(4)]
    assert type(located(pairs[:2])) is Located
    assert type(located(pairs)) is StoredLocations
    assert dict(located(pairs)) == dict(pairs)
