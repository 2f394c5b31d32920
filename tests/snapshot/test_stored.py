"""A bundle in a file says what it said in memory."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.resource import Bundle, Resource
from scanner.snapshot.stored import BundleFile

VAULT = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"
names = st.lists(st.text(min_size=1, max_size=20), unique_by=str.lower, max_size=5)


def bundle(children: list[str], own: bool) -> Bundle:
    made = Bundle(VAULT.lower())
    ids = [*([VAULT] if own else []), *(f"{VAULT}/keys/{each}" for each in children)]
    for position, id in enumerate(ids):
        made.add(Resource({"id": id, "properties": {"place": position}}, api="2024-11-01", by="get", bundle=made))
    made.reads[f"{VAULT.lower()}/keys"] = len(children)
    return made


@given(st.lists(st.tuples(names, st.booleans()), max_size=5))
def test_bundles_in_a_file(made: list[tuple[list[str], bool]]) -> None:
    file = BundleFile(None)
    for known in [bundle(*each) for each in made]:
        stored = file.put(known)
        assert stored.id == known.id
        assert stored.reads == known.reads
        assert list(stored.resources) == list(known.resources)
        for each, one in zip(stored.stored, known.resources.values(), strict=True):
            assert (each.id, each.key, each.type, each.name) == (one.id, one.key, one.type, one.name)
            assert (each.list_key, each.api, each.by, each.body) == (one.list_key, one.api, one.by, one.body)


@pytest.mark.usefixtures("new_objects_only")
def test_bundles_that_were_dropped_are_freed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the collector of cycles, whose cost would grow with all that an evaluation keeps."""
    monkeypatch.setattr("scanner.snapshot.stored.IN_MEMORY", 2)
    file = BundleFile(None)
    stored = [file.put(bundle([f"key-{number}"], own=True)) for number in range(50)]

    def vaults() -> list[Resource]:
        every = (each for each in gc.get_objects() if type(each) is Resource)
        return [each for each in every if each.type == "Microsoft.KeyVault/vaults"]

    gc.collect()
    gc.disable()
    try:
        others = vaults()  # what other tests of this process hold
        in_use = stored[0].stored[1]
        for each in stored:
            assert each.read().top is not None
        held = [each for each in vaults() if not any(each is other for other in others)]
        assert len(held) == 2
    finally:
        gc.enable()
    assert in_use.bundle.top is not None
    assert in_use.bundle.top.name == "kv"


def test_a_resource_in_use_finds_what_is_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.snapshot.stored.IN_MEMORY", 1)
    file = BundleFile(None)
    one, other = (file.put(bundle(["a", "b"], own=True)) for _ in range(2))
    resource = one.read().resources[f"{VAULT.lower()}/keys/a"]
    assert other.read().top is not None
    beside = resource.bundle.resources[f"{VAULT.lower()}/keys/b"]
    assert beside.body["properties"] == {"place": 2}
    assert resource.bundle.reads == {f"{VAULT.lower()}/keys": 2}
