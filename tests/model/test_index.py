"""The table of resources by key, compared with a dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from scanner.model.index import ResourcesByKey
from tests.model.test_keys import resource


class SameHash(str):
    """A text with the hash of all others."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 7


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=9), st.booleans())
def test_it_is_a_dictionary_also_where_hashes_are_equal(added: list[tuple[str, bool]], is_packed: bool) -> None:
    table, plain = ResourcesByKey(), {}
    for name, has_same in added:
        one = resource("X.Y/z", name)
        one.key = SameHash(one.key) if has_same else one.key
        table.add(one)
        plain[one.key] = one
    if is_packed:
        table.pack()
    assert dict(table) == plain
    assert len(table) == len(plain)
    assert all(table[key] is one and key in table for key, one in plain.items())
    assert table.get("/none") is None
    assert SameHash("/none") not in table
