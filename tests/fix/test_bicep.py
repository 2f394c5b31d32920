"""The Bicep of fixes: what a reader of our own reads back from it is what the overlay sets, whatever Azure's texts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scanner.fix.bicep import NEEDED, NOTE, bicep_of, text, versions_of
from scanner.model.fix import ADD, REMOVE, Deletion, Edit, Fix, changed
from scanner.model.kept import KeptPaths
from scanner.model.resource import Bundle, Resource
from tests.rules import examples
from tests.rules.bicep_paths import Reader, all_written, is_known, known, of_blocks, of_row, problems
from tests.rules.kept import kept_resource

TOGETHER = examples.TOGETHER

ACCOUNT = Resource(
    {
        "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
        "properties": {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "20.31.7.1"}]}},
    }
)
VERSIONS = versions_of(examples.rules().kinds)


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["'", "${x}", "\\", "a'\n}\nresource x", "'''", "$", "\\${", "\u202e", "\x00", "true"]
)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.none() | st.integers(-(2**31), 2**31) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_read_back_is_what_was_written(value: Any) -> None:
    written = text(value)
    assert Reader(written).value() == value
    assert all(char.isprintable() or char == "\n" for char in written)


@given(TEXTS, TEXTS)
def test_a_block_sets_what_the_overlay_sets(name: str, value: str) -> None:
    edits = (Edit(ACCOUNT.id, "properties.minimumTlsVersion", value), Edit(ACCOUNT.id, "tags", {name: value}))
    written = bicep_of(Fix(changes=edits), ACCOUNT, VERSIONS)
    assert written.startswith(NOTE)
    head, _, body = written.removeprefix(NOTE).partition(" = ")
    assert head.startswith("resource target 'Microsoft.Storage/storageAccounts@20")
    assert Reader(body).value() == {"name": "a", "properties": {"minimumTlsVersion": value}, "tags": {name: value}}


def test_a_list_is_written_whole() -> None:
    edit = Edit(ACCOUNT.id, "properties.networkAcls.ipRules", {"value": "<YOUR_RANGE>"}, ADD)
    body = bicep_of(Fix(changes=(edit,)), ACCOUNT, VERSIONS).partition(" = ")[2]
    assert Reader(body).value()["properties"] == changed(ACCOUNT.body, edit)["properties"]


@pytest.mark.parametrize(
    "change",
    [
        Deletion(ACCOUNT.id),
        Edit(ACCOUNT.id, "properties.x"),
        Edit(f"{ACCOUNT.id}/unknown/x", "properties.x", True),
        Edit(f"{ACCOUNT.id}/blobServices/default", "properties.cors.corsRules", {}, ADD),
    ],
)
def test_what_a_template_cannot_say_has_none(change: Any) -> None:
    assert bicep_of(Fix(changes=(change,)), ACCOUNT, VERSIONS) == ""


def test_a_list_of_which_only_parts_were_kept_is_not_written() -> None:
    """A deployment replaces the list: an entry without the members that were not kept would lose them."""
    vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
    policies = [{"tenantId": "t", "objectId": one, "permissions": {"keys": ["all"]}} for one in ("a", "b")]
    whole = Resource({"id": vault, "properties": {"accessPolicies": policies}})
    partial = kept_resource(whole, KeptPaths({"Microsoft.KeyVault/vaults": ["properties.accessPolicies[].objectId"]}))
    path = "properties.accessPolicies"
    for before, is_said in ((whole, True), (partial, False)):
        entries = before.body["properties"]["accessPolicies"]
        for each in (Edit(vault, path, REMOVE, entry=entries[0]), Edit(vault, path, entries[1:])):
            bundle = Bundle(vault)
            top = Resource(before.body, bundle=bundle)
            bundle.add(top)
            assert bool(bicep_of(Fix(changes=(each,)), top, VERSIONS)) is is_said


def test_what_fixes_write_is_what_the_schema_of_the_type_lets_them_write() -> None:
    """Its paths, the kind and the values of each, and what an object needs."""
    wrong: dict[str, set[str]] = {}
    for each in all_written(is_known):
        for problem in problems(known(), each):
            wrong.setdefault(f"{each.type}@{each.api} {problem}", set()).add(each.where)
    assert wrong == {}


RULES = Edit(ACCOUNT.id, "properties.networkAcls.ipRules", [])


@pytest.mark.parametrize(
    ("acls", "has"),
    [
        ({"defaultAction": "Deny", "bypass": "None"}, True),
        ({"bypass": "None"}, False),
        ({"defaultAction": None}, False),
        (None, False),
    ],
)
def test_what_an_object_needs_besides_is_written_as_it_is(acls: Any, has: bool) -> None:
    """Azure refuses network rules without their default action; where it is not known, there is no block."""
    top = Resource({"id": ACCOUNT.id, "properties": {"networkAcls": acls}})
    written = bicep_of(Fix(changes=(RULES,)), top, VERSIONS)
    assert bool(written) is has
    if has:
        (matches,) = of_blocks("", written)
        assert matches.body == {"properties": {"networkAcls": {"ipRules": [], "defaultAction": "Deny"}}}


def test_what_an_object_needs_is_what_the_schema_says() -> None:
    """Each row is one that some fix writes, and names what the schema requires."""
    for type, objects in NEEDED.items():
        (facts,) = (each for key, each in known().items() if key.startswith(f"{type}@"))
        assert {path: set(map(str.lower, names)) for path, names in objects.items()} == {
            path: {*facts[path.lower()]["rq"], *filter(None, [facts[path.lower()].get("disc")])} for path in objects
        }


@pytest.mark.parametrize(
    ("bicep", "problem"),
    [
        ("networkAcls: { ipRules: [] }", "properties.networkacls needs defaultaction"),
        ("networkAcls: { defaultAction: 'Closed' }", "properties.networkacls.defaultaction: Closed"),
        ("allowSharedKeyAccess: 'false'", 'properties.allowsharedkeyaccess is Boolean, not "false"'),
        ("provisioningState: 'Succeeded'", "has no properties.provisioningstate: see tests.rules.bicep_paths"),
        ("encryption: { services: { queue: { keyType: 'Account' } } }", ""),
        ("allowSharedKeyAccess: switch", ""),
    ],
)
def test_a_wrong_row_is_found(bicep: str, problem: str) -> None:
    rule = examples.rules().rules["storage-shared-key-enabled"]
    (written,) = of_row(replace(rule, fix=replace(rule.fix, bicep=bicep)), is_known)
    assert list(problems(known(), written)) == ([problem] if problem else [])


def test_a_property_that_azure_reports_is_left_out() -> None:
    disk = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d"
    edits = (Edit(disk, "properties.publicNetworkAccess", "Disabled"), Edit(disk, "properties.diskState", "Unattached"))
    top = Resource({"id": disk, "properties": {}}, bundle=Bundle(disk))
    body = bicep_of(Fix(changes=edits), top, VERSIONS).partition(" = ")[2]
    assert Reader(body).value()["properties"] == {"publicNetworkAccess": "Disabled"}
    assert bicep_of(Fix(changes=edits[1:]), top, VERSIONS) == ""
