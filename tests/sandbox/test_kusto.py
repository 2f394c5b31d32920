"""The queries that the sandbox's Resource Graph understands."""

from typing import Any

import pytest

from scanner.sandbox.kusto import BadQuery, run

WEB, VAULT = "microsoft.web/sites", "microsoft.keyvault/vaults"
ROWS: list[dict[str, Any]] = [
    {"id": "/b", "type": WEB, "subscriptionId": "s1", "resourceGroup": "rg-a", "kind": "app"},
    {"id": "/A", "type": VAULT, "subscriptionId": "s1", "resourceGroup": "rg-a", "kind": None},
    {"id": "/c", "type": WEB, "subscriptionId": "s2", "resourceGroup": "rg-b", "kind": "App"},
    {"id": "/d", "type": WEB, "subscriptionId": "s2", "resourceGroup": "rg-b", "kind": ""},
]


def rows(query: str) -> list[dict[str, Any]]:
    return run(query, lambda name: list(ROWS) if name == "resources" else []).rows


def ids(query: str) -> list[Any]:
    return [row.get("id") for row in rows(query)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("type in~ ('Microsoft.Web/sites', 'x')", ["/b", "/c", "/d"]),
        ("type in~ ('x')", []),
        ("type =~ 'Microsoft.KeyVault/Vaults'", ["/A"]),
        ("kind =~ 'app'", ["/b", "/c"]),
        ("kind =~ ''", ["/A", "/d"]),
        ("type =~ 'microsoft.web/sites' and resourceGroup =~ 'RG-B'", ["/c", "/d"]),
        ("nothing =~ 'x'", []),
    ],
)
def test_where(condition: str, expected: list[str]) -> None:
    assert ids(f"resources | where {condition}") == expected


def test_order_is_without_case() -> None:
    assert ids("Resources | order by id asc") == ["/A", "/b", "/c", "/d"]
    assert ids("resources | order by type asc, id asc") == ["/A", "/b", "/c", "/d"]
    assert run("resources | order by id asc", lambda _: list(ROWS)).ordered
    assert not run("resources | project id", lambda _: list(ROWS)).ordered


def test_project() -> None:
    assert rows("resources | where type =~ 'Microsoft.KeyVault/vaults' | project id, kind") == [
        {"id": "/A", "kind": None}
    ]


def test_summarize_counts_by_type_and_subscription() -> None:
    query = (
        "resources | where type in~ ('microsoft.web/sites', 'microsoft.keyvault/vaults') "
        "| summarize count_=count(), groups=make_set(resourceGroup) by type, subscriptionId "
        "| order by subscriptionId asc, type asc"
    )
    assert rows(query) == [
        {"type": VAULT, "subscriptionId": "s1", "count_": 1, "groups": ["rg-a"]},
        {"type": WEB, "subscriptionId": "s1", "count_": 1, "groups": ["rg-a"]},
        {"type": WEB, "subscriptionId": "s2", "count_": 2, "groups": ["rg-b"]},
    ]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "resources | mv-expand tags",
        "resources | where",
        "resources | where type == 'x'",
        "resources | where type =~ 'x' or type =~ 'y'",
        "resources | where type =~ 'x",
        "resources | where type in~ ()",
        "resources | project properties.n",
        "resources | summarize count() by type",
        "resources | order by id",
        "resources | limit 1",
        "resources other",
        "resources | join x",
    ],
)
def test_what_it_does_not_know_it_refuses(query: str) -> None:
    with pytest.raises(BadQuery):
        run(query, lambda _: list(ROWS))
