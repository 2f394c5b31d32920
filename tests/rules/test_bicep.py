"""The Bicep of fixes: what a reader of our own reads back from it is what the overlay sets, whatever Azure's texts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.evaluate.bicep import NOTE, bicep_of, text, versions_of
from scanner.model.kept import KeptPaths
from scanner.model.remedy import ADD, REMOVE, Deletion, Edit, Remedy, changed
from scanner.model.resource import Bundle, Resource
from tests.rules import examples
from tests.rules.kept import kept_resource

TOGETHER = "all fixes of all examples"

TOKEN = re.compile(
    r"'(?:[^'\\\n]|\\(?:[\\'nrt$]|u\{[0-9a-f]+\}))*'|json\('[^']*'\)|-?\d+|true|false|null|[A-Za-z_]\w*|[{}\[\]:\n]"
)
ESCAPE = re.compile(r"\\(u\{([0-9a-f]+)\}|.)")
PLAIN = {"n": "\n", "r": "\r", "t": "\t"}
ACCOUNT = Resource(
    {
        "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
        "properties": {"networkAcls": {"ipRules": [{"value": "20.31.7.1"}]}},
    }
)
VERSIONS = versions_of(examples.rules().kinds)


class Reader:
    """Reads an expression as `text` writes it."""

    def __init__(self, written: str) -> None:
        self.tokens = [each for each in TOKEN.findall(written) if each != "\n"]

    def value(self) -> Any:
        token = self.tokens.pop(0)
        if token == "{":
            return dict(self.members())
        if token == "[":
            return list(self.items())
        if token.startswith("json("):
            return float(token[6:-2])
        known = {"true": True, "false": False, "null": None}
        if token in known:
            return known[token]
        return string(token) if token.startswith("'") else int(token)

    def members(self) -> Any:
        while self.tokens[0] != "}":
            key = self.tokens.pop(0)
            assert self.tokens.pop(0) == ":"
            yield string(key) if key.startswith("'") else key, self.value()
        self.tokens.pop(0)

    def items(self) -> Any:
        while self.tokens[0] != "]":
            yield self.value()
        self.tokens.pop(0)


def string(token: str) -> str:
    assert "${" not in re.sub(r"\\.", "", token), "an interpolation runs what Azure returned"
    return ESCAPE.sub(lambda hit: chr(int(hit[2], 16)) if hit[2] else PLAIN.get(hit[1], hit[1]), token[1:-1])


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
    written = bicep_of(Remedy(changes=edits), ACCOUNT, VERSIONS)
    assert written.startswith(NOTE)
    head, _, body = written.removeprefix(NOTE).partition(" = ")
    assert head.startswith("resource target 'Microsoft.Storage/storageAccounts@20")
    assert Reader(body).value() == {"name": "a", "properties": {"minimumTlsVersion": value}, "tags": {name: value}}


def test_a_list_is_written_whole() -> None:
    edit = Edit(ACCOUNT.id, "properties.networkAcls.ipRules", {"value": "<YOUR_RANGE>"}, ADD)
    body = bicep_of(Remedy(changes=(edit,)), ACCOUNT, VERSIONS).partition(" = ")[2]
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
    assert bicep_of(Remedy(changes=(change,)), ACCOUNT, VERSIONS) == ""


def test_a_list_of_which_only_parts_were_kept_is_not_written() -> None:
    """A deployment replaces the list: an entry without the members that were not kept would lose them."""
    vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
    policies = [{"tenantId": "t", "objectId": one, "permissions": {"keys": ["all"]}} for one in ("a", "b")]
    whole = Resource({"id": vault, "properties": {"accessPolicies": policies}})
    part = kept_resource(whole, KeptPaths({"Microsoft.KeyVault/vaults": ["properties.accessPolicies[].objectId"]}))
    path = "properties.accessPolicies"
    for before, is_said in ((whole, True), (part, False)):
        entries = before.body["properties"]["accessPolicies"]
        for each in (Edit(vault, path, REMOVE, entry=entries[0]), Edit(vault, path, entries[1:])):
            bundle = Bundle(vault)
            top = Resource(before.body, bundle=bundle)
            bundle.add(top)
            assert bool(bicep_of(Remedy(changes=(each,)), top, VERSIONS)) is is_said


FACTS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "bicep_paths.json").read_text("utf-8"))


def test_what_fixes_write_is_what_the_schema_of_the_type_lets_them_write() -> None:
    from tests.rules.bicep_paths import all_written

    wrong = []
    for (type, api, path), values in all_written().items():
        fact = FACTS.get(f"{type}@{api}", {}).get(path)
        if fact is None:
            wrong.append(f"{type}@{api} has no {path}: see tests.rules.bicep_paths")
        elif fact.get("ro"):
            wrong.append(f"{type}@{api} {path} is read-only")
        elif fact.get("v"):
            known = {str(each).lower() for each in fact["v"]}
            wrong += [
                f"{type}@{api} {path}: {each}" for each in values if each.lower() not in known and "<" not in each
            ]
    assert wrong == []


def test_a_property_that_azure_reports_is_left_out() -> None:
    disk = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d"
    edits = (Edit(disk, "properties.publicNetworkAccess", "Disabled"), Edit(disk, "properties.diskState", "Unattached"))
    top = Resource({"id": disk, "properties": {}}, bundle=Bundle(disk))
    body = bicep_of(Remedy(changes=edits), top, VERSIONS).partition(" = ")[2]
    assert Reader(body).value()["properties"] == {"publicNetworkAccess": "Disabled"}
    assert bicep_of(Remedy(changes=edits[1:]), top, VERSIONS) == ""
