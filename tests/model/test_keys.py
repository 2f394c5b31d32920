"""Keys by their addresses, and which resources need a key."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.index import Index
from scanner.model.keys import KeyFinder, KeyName, KeyRegister, host_of, key_of
from scanner.model.resource import Resource
from scanner.model.unread import Unread
from scanner.model.verdict import Fail, Unknown

GROUP = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers"
OTHER = GROUP.replace("000000000001", "000000000002")
FINDER = KeyFinder(what="account", uri="properties.key")


def resource(type: str, name: str, **properties: Any) -> Resource:
    return Resource({"id": f"{GROUP}/{type}/{name}", "location": "norwayeast", "properties": properties}, by="get")


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("https://kv.vault.azure.net/keys/a", KeyName("kv.vault.azure.net", "a")),
        ("https://KV.vault.azure.net:443/keys/A/0F", KeyName("kv.vault.azure.net", "A", "0f")),
        ("https://hsm.managedhsm.azure.net/keys/a/", KeyName("hsm.managedhsm.azure.net", "a")),
        ("https://kv.vault.azure.net/secrets/a", None),
        ("http://kv.vault.azure.net/keys/a", None),
        ("https://kv.vault.azure.net/keys/a/b/c", None),
        (7, None),
        (None, None),
    ],
)
def test_a_key_by_its_uri(uri: object, key: KeyName | None) -> None:
    assert key_of(uri) == key


def test_a_vault_by_its_address_with_and_without_port() -> None:
    assert host_of("https://KV.vault.azure.net:443/") == host_of("kv.vault.azure.net") == "kv.vault.azure.net"
    assert host_of("https://kv.vault.azure.net/keys/a") == ""


def test_a_vault_of_the_same_name_in_another_cloud_is_not_the_vault() -> None:
    index = Index()
    vault = resource("Microsoft.KeyVault/vaults", "kv", vaultUri="https://kv.vault.azure.net/")
    index.add(vault)
    assert index.keys.vault(KeyName("kv.vault.azure.net", "a"), index) is vault
    with pytest.raises(Unread):
        index.keys.vault(KeyName("kv.vault.azure.cn", "a"), index)


def test_resources_need_a_key_whatever_the_case_of_its_name() -> None:
    index = Index()
    vault = resource("Microsoft.KeyVault/vaults", "kv", vaultUri="https://kv.vault.azure.net/")
    stores = [
        resource("X.Y/z", "one", key="https://kv.vault.azure.net/keys/A"),
        resource("X.Y/z", "two", key="https://kv.vault.azure.net/keys/a/0f"),
        resource("X.Y/z", "three", key="https://other.vault.azure.net/keys/a"),
        resource("X.Y/z", "four", key=7),
    ]
    index.keys = KeyRegister({"x.y/z": (FINDER,)}, lambda: stores)
    result = index.keys.uses(vault, index)
    assert {name: [each.resource.rpartition("/")[2] for each in uses] for name, uses in result.items()} == {
        "a": ["one", "two"]
    }
    assert [each.version for each in result["a"]] == ["", "0f"]
    assert [each.why for each in index.keys.more(index)] == ["not known of which key: four"]


HOSTS = ("kv.vault.azure.net", "kv.vault.azure.cn", "kv.managedhsm.azure.net", "kv2.vault.azure.net", "other.example")


@given(
    st.lists(st.tuples(st.sampled_from(HOSTS), st.sampled_from(("a", "A", "b"))), max_size=8),
    st.sampled_from(("kv", "KV", "kv2", "other", "none")),
    st.sampled_from((None, *HOSTS)),
)
def test_the_uses_of_a_vault_are_those_of_its_hosts(
    named: list[tuple[str, str]], name: str, address: str | None
) -> None:
    index = Index()
    stores = [resource("X.Y/z", f"s{at}", key=f"https://{host}/keys/{key}") for at, (host, key) in enumerate(named)]
    index.keys = KeyRegister({"x.y/z": (FINDER,)}, lambda: stores)
    vault = resource("Microsoft.KeyVault/vaults", name, **({"vaultUri": f"https://{address}/"} if address else {}))
    wanted: dict[str, set[str]] = {}
    for store, (host, key) in zip(stores, named, strict=True):
        if host == address if address else host.partition(".")[0] == name.lower():
            wanted.setdefault(key.lower(), set()).add(store.id)
    result = index.keys.uses(vault, index)
    assert {key: {use.resource for use in uses} for key, uses in result.items()} == wanted


def test_without_a_second_pass_it_is_unknown_which_resources_need_a_key() -> None:
    index = Index()
    with pytest.raises(Unread, match="not in the snapshot"):
        index.keys.uses(resource("Microsoft.KeyVault/vaults", "kv"), index)


def test_the_key_of_geo_redundant_backups_is_used_beside_the_first_one() -> None:
    index = Index()
    vault = resource("Microsoft.KeyVault/vaults", "kv", vaultUri="https://kv.vault.azure.net/")
    index.add(vault)
    finder = KeyFinder(what="server", uri="properties.key", copy_uri="properties.copy")
    both = {"key": "https://other.vault.azure.net/keys/first", "copy": "https://kv.vault.azure.net/keys/second"}
    index.keys = KeyRegister({"x.y/z": (finder,)}, lambda: [resource("X.Y/z", "one", **both)])
    uses = index.keys.uses(vault, index)
    assert {name: [use.what for use in matches] for name, matches in uses.items()} == {
        "second": ["geo-redundant backups"]
    }


def test_a_copy_alone_does_not_stand_for_the_key_of_the_resource() -> None:
    finder = KeyFinder(
        what="server", mode="properties.mode", customer=("Own",), uri="properties.key", copy_uri="properties.copy"
    )
    with pytest.raises(Unread):
        finder.find(resource("X.Y/z", "one", mode="Own", copy="https://kv.vault.azure.net/keys/second"), Index())


@pytest.mark.parametrize("location", [7, ["norwayeast"], "norwayeast"])
def test_a_key_in_another_subscription_fails_whatever_is_known_of_the_region(location: Any) -> None:
    index = Index()
    for group, name in ((GROUP, "near"), (OTHER, "far")):
        id = f"{group}/Microsoft.KeyVault/vaults/{name}"
        properties = {"vaultUri": f"https://{name}.vault.azure.net/"}
        index.add(Resource({"id": id, "location": "norwayeast", "properties": properties}, by="get"))
    both = {"key": "https://near.vault.azure.net/keys/a", "copy": "https://far.vault.azure.net/keys/a"}
    store = resource("X.Y/z", "one", **both)
    store.body["location"] = location
    finder = KeyFinder(what="server", uri="properties.key", copy_uri="properties.copy")
    verdict = finder.check(store, index)
    assert isinstance(verdict, Fail)
    assert [(each.path, each.value) for each in verdict.evidence] == [("properties.copy", "another subscription: far")]


def test_a_key_beside_its_store_is_inconclusive_where_the_region_of_the_store_is_not_known() -> None:
    index = Index()
    index.add(resource("Microsoft.KeyVault/vaults", "kv", vaultUri="https://kv.vault.azure.net/"))
    store = resource("X.Y/z", "one", key="https://kv.vault.azure.net/keys/a")
    store.body["location"] = 7
    assert isinstance(KeyFinder(what="server", uri="properties.key").check(store, index), Unknown)
