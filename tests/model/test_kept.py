"""Bodies of which only some paths are kept: what is cut off is never absent, however it is looked up."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.model.json_paths import MISSING, get_path
from scanner.model.kept import MARK, NOT_KEPT, KeptObject, KeptPaths
from scanner.model.resource import Resource
from scanner.model.verdict import Unread

TEXT = st.text(max_size=10) | st.sampled_from(["a", "b", "c", "*", "**", "[]", "properties"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from(["properties.a", "properties.a[].b", "properties.*.c", "properties", "b.**"]))
TYPE = "Microsoft.Agency/things"


def partial_body(body: dict[str, Any], *paths: str) -> KeptObject:
    """Return a body that was cut to these paths."""
    kept = KeptPaths({TYPE: paths})
    result = kept.partial_body(kept.cut(body, TYPE), TYPE)
    assert isinstance(result, KeptObject)
    return result


@given(st.dictionaries(TEXT, JSON, max_size=4), PATHS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_cutting_never_fails_and_never_adds(body: dict[str, Any], paths: list[str]) -> None:
    kept = KeptPaths({TYPE: paths})
    made = kept.cut(body, TYPE)
    assert set(made) <= {*body, MARK}
    for path in ("properties.a.b", "properties.x", "b", "B.c"):
        try:
            document = get_path(kept.partial_body(kept.cut(body, TYPE), TYPE), path)
        except Unread:
            continue
        whole = get_path(body, path)
        is_kept = type(document) is type(whole) or document == NOT_KEPT
        assert is_kept or (document is None) == (whole is None), path


BODY = {"properties": {"kept": {"a": 1}, "other": 2}, "tags": {"mine": "x", "other": "y"}}
LOOKUPS: dict[str, Callable[[Any], object]] = {
    "subscript": lambda document: document["other"],
    "get": lambda document: document.get("other"),
    "in": lambda document: "other" in document,
    "not in": lambda document: "OTHER" not in document,
    "iterated": list,
    "keys": lambda document: document.keys(),
    "values": lambda document: document.values(),
    "items": lambda document: document.items(),
    "length": len,
    "copied": dict,
    "copy": lambda document: document.copy(),
    "unpacked": lambda document: {**document},
    "merged": lambda document: document | {},
    "merged into": lambda document: {} | document,
    "updated": {}.update,
}


@pytest.mark.parametrize("look", LOOKUPS.values(), ids=LOOKUPS)
def test_no_lookup_takes_what_was_not_kept_for_absent(look: Callable[[Any], object]) -> None:
    body = partial_body(BODY, "properties.kept.a")
    for result in (body["properties"], Resource(body).tags):
        with pytest.raises(Unread):
            look(result)


def test_what_was_kept_is_looked_up_as_before() -> None:
    body = partial_body(BODY, "properties.kept.*", "properties.gone")
    document = body["properties"]
    assert (document["kept"]["a"], document.get("kept") == {"a": 1}, "kept" in document) == (1, True, True)
    assert (list(document["kept"]), len(document["kept"]), {**document["kept"]}) == (["a"], 1, {"a": 1})
    assert (document.get("gone", 7), "gone" in document, get_path(body, "properties.GONE")) == (7, False, MISSING)
    with pytest.raises(KeyError):
        document["gone"]
    assert (bool(document), bool(partial_body({"properties": {}}, "properties.x")["properties"])) == (True, False)


def test_an_id_is_no_name_of_a_secret_where_the_path_goes_on_to_a_named_member() -> None:
    id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/key-reader"
    body = partial_body({"identity": {"userAssignedIdentities": {id: {"clientId": "c", "secret": "x"}}}})
    assert get_path(body, "identity.userAssignedIdentities") == {id: {"clientId": "c"}}
    for path in ("properties.*", "properties.**", "properties.*.*"):
        assert partial_body({"properties": {id: "x"}}, path)["properties"] == {id: NOT_KEPT}
    named = partial_body({"properties": {"password": {"a": "x"}, id: {"a": "y"}}}, "properties.*.a")["properties"]
    assert dict.items(named) == {"password": {MARK: NOT_KEPT}, id: {"a": "y"}}.items()


def test_of_a_webhook_the_scheme_and_host_alone_are_kept() -> None:
    type = "Microsoft.Insights/actionGroups"
    kept = KeptPaths({type: ("properties.webhookReceivers[].serviceUri",)})
    urls = (
        "https://user:pw@hook.agency.example:8443/a/SECRET?code=SECRET#SECRET",
        "HTTP://hook.agency.example?SECRET",
        "SECRET",
        "https://SECRET\\@evil.example/x",
        "https://hook.agency.example\nSECRET",
        None,
    )
    document = kept.cut({"properties": {"WebhookReceivers": [{"ServiceUri": each} for each in urls]}}, type.upper())
    assert document["properties"]["WebhookReceivers"] == [
        {"ServiceUri": each}
        for each in (
            "https://hook.agency.example:8443",
            "HTTP://hook.agency.example",
            NOT_KEPT,
            NOT_KEPT,
            NOT_KEPT,
            None,
        )
    ]


def test_a_path_below_one_that_keeps_everything_takes_nothing_away() -> None:
    kept = KeptPaths({"a/b": ["properties.rule.**", "properties.rule.if.field"]})
    rule = {"if": {"field": "location", "notIn": ["norwayeast"]}, "then": {"effect": "deny"}}
    assert kept.cut({"properties": {"rule": rule}}, "a/b") == {"properties": {"rule": rule}}
    assert kept.cut({"properties": {"rule": {"key": "k"}}}, "a/b") == {"properties": {"rule": {"key": "not kept"}}}
