"""The part of Kusto that the sandbox's Resource Graph understands."""

from typing import Any

import pytest

from scanner.sandbox.kusto import BadQuery, run

ROWS: list[dict[str, Any]] = [
    {
        "id": "/b",
        "type": "microsoft.web/sites",
        "subscriptionId": "s1",
        "tags": {"env": "Prod"},
        "properties": {"n": 3},
    },
    {"id": "/A", "type": "microsoft.keyvault/vaults", "subscriptionId": "s1", "tags": None, "properties": {"n": 1}},
    {"id": "/c", "type": "microsoft.web/sites", "subscriptionId": "s2", "tags": {"env": "dev"}, "properties": None},
]


def ids(query: str) -> list[Any]:
    return [row.get("id") for row in run(query, lambda name: list(ROWS) if name == "resources" else []).rows]


def rows(query: str) -> list[dict[str, Any]]:
    return run(query, lambda _: list(ROWS)).rows


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("type in~ ('Microsoft.Web/sites', 'x')", ["/b", "/c"]),
        ("type in ('Microsoft.Web/sites')", []),
        ("type !in~ ('microsoft.web/sites')", ["/A"]),
        ("type =~ 'Microsoft.KeyVault/Vaults'", ["/A"]),
        ("type == 'Microsoft.KeyVault/Vaults'", []),
        ('type == "microsoft.keyvault/vaults"', ["/A"]),
        ("type != 'microsoft.web/sites' or subscriptionId == 's2'", ["/A", "/c"]),
        ("type =~ 'microsoft.web/sites' and not(subscriptionId == 's2')", ["/b"]),
        ("tags['env'] =~ 'prod'", ["/b"]),
        ("tags.env == 'dev'", ["/c"]),
        ("isnotempty(tags.env)", ["/b", "/c"]),
        ("isnull(properties)", ["/c"]),
        ("properties.n >= 1 and properties.n < 3", ["/A"]),
        ("type startswith 'Microsoft.Web'", ["/b", "/c"]),
        ("type !startswith 'Microsoft.Web'", ["/A"]),
        ("type has 'vaults'", ["/A"]),
        ("type has 'vault'", []),
        ("type contains 'VAULT'", ["/A"]),
        ("tolower(id) == '/a'", ["/A"]),
        ("(id == '/b' or id == '/c') and subscriptionId == 's2'", ["/c"]),
    ],
)
def test_where(condition: str, expected: list[str]) -> None:
    assert ids(f"resources | where {condition}") == expected


def test_order_is_without_case_and_descends_unless_told() -> None:
    assert ids("Resources | order by id asc") == ["/A", "/b", "/c"]
    assert ids("resources | sort by id") == ["/c", "/b", "/A"]
    assert ids("resources | order by type asc, id desc") == ["/A", "/c", "/b"]
    assert run("resources | order by id asc", lambda _: list(ROWS)).ordered
    assert not run("resources | project id", lambda _: list(ROWS)).ordered


def test_summarize_counts() -> None:
    counted = rows("resources | summarize count() by type, subscriptionId")
    assert counted[0] == {"type": "microsoft.web/sites", "subscriptionId": "s1", "count_": 1}
    assert sum(row["count_"] for row in counted) == 3
    assert rows("resources | summarize n=count(), subs=dcount(subscriptionId)") == [{"n": 3, "subs": 2}]
    assert rows("resources | count") == [{"Count": 3}]


def test_project_extend_and_limit() -> None:
    assert rows("resources | project id, env = tags.env | limit 1") == [{"id": "/b", "env": "Prod"}]
    assert rows("resources | extend low = tolower(id) | project-away id, properties, tags | take 1")[0]["low"] == "/b"
    assert rows("resources | distinct subscriptionId") == [{"subscriptionId": "s1"}, {"subscriptionId": "s2"}]
    assert ids("resources | top 2 by id asc") == ["/A", "/b"]
    assert rows("resources | project properties.n | limit 1") == [{"properties_n": 3}]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "resources | mv-expand tags",
        "resources | where",
        "resources | where type like 'x'",
        "resources | where nope(type)",
        "resources | where (type == 'x'",
        "resources | where type == 'x",
        "resources | summarize percentile(id)",
        "resources | limit many",
        "resources other",
        "resources | join x",
    ],
)
def test_what_it_does_not_know_it_refuses(query: str) -> None:
    with pytest.raises(BadQuery):
        run(query, lambda _: list(ROWS))
