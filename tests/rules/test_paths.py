"""Rules read what the pinned api-version returns, and compare it with values that it can have.

The oracle is Azure's schema (`schema.py`), which others write. What it does not have is listed by hand with a source.
"""

import pytest

from scanner.rulebook.kept import kept_paths
from scanner.rulebook.pinned_paths import pattern
from tests.rules import compared, examples, pinned, schema
from tests.rules.compared import Comparison, Undecided
from tests.rules.schema import Schema


def test_rules_look_only_at_what_is_returned() -> None:
    unknown = [
        (read, path, where)
        for read, seen in sorted(pinned.read_paths().items())
        for path, where in seen.items()
        if not pinned.known(read, path)
    ]
    assert unknown == [], "not at this version: run `make paths`, correct the path, or list it by hand with its source"


def test_what_rules_look_at_is_kept() -> None:
    """`test_kept` holds the whole list to all that is read, in `make test-all`."""
    kept = kept_paths(examples.rules()).paths
    lost = []
    for read, seen in pinned.looked_at().items():
        if read not in pinned.by_name():
            continue
        own = [_steps(each) for each in kept.get(pinned.by_name()[read].type.lower(), ())]
        for path, where in seen.items():
            steps = _steps(path)
            is_kept = any(steps[: len(each)] == each[: len(steps)] for each in own)
            if steps[0] == "properties" and len(steps) > 1 and not is_kept:
                lost.append((read, path, where))
    assert lost == [], "run `make paths`"


def _steps(path: str) -> list[str]:
    return path.lower().removesuffix(".**").replace("[]", "").split(".")


def test_rules_look_at_nothing_that_is_only_written() -> None:
    """Azure never returns it, so that a rule on it is always inconclusive."""
    written = [
        (read, path)
        for read, paths in schema.paths().items()
        for path, stated in paths.items()
        if stated == schema.WRITE_ONLY and not pinned.listed(read, path)
    ]
    assert written == []


@pytest.mark.parametrize("read", sorted(schema.entries()))
def test_the_schema_is_of_the_version_that_is_read(read: str) -> None:
    assert schema.entries()[read]["api"] == pinned.by_name()[read].api, "run `make paths`"


@pytest.mark.parametrize("read", sorted(pinned.by_hand()))
def test_what_is_listed_by_hand_has_a_source_and_is_not_in_the_schema(read: str) -> None:
    entry = pinned.by_hand()[read]
    assert read in pinned.by_name()
    assert not entry.get("paths") or entry["source"]
    assert all(entry.get("each", {}).values())
    own = schema.paths().get(read, {})
    assert {path for path in entry.get("more", ()) if schema.container(path) not in own} == set(), "run `make paths`"
    twice = {path for path in (*entry.get("paths", ()), *entry.get("each", ())) if path in own}
    assert {path for path in twice if own[path] != schema.WRITE_ONLY} == set(), "Azure's schema has it: leave it out"


def test_a_path_stands_for_what_leads_to_it() -> None:
    path = pattern("properties.list[].*.value")
    for text in (
        "properties",
        "properties.list",
        "properties.list[]",
        "properties.list[].*",
        "properties.list[].a.value",
    ):
        assert path.fullmatch(text), text
    for text in ("property", "properties.lists", "properties.list[].a.values", "properties.list.value"):
        assert not path.fullmatch(text), text
    assert all(
        pattern("properties.rule.**").fullmatch(text) for text in ("properties.rule", "properties.rule.if.not[].in")
    )
    assert not pattern("properties.rule.**").fullmatch("properties.rules")


# Values


def test_rules_compare_only_values_that_azure_has() -> None:
    strange = [
        each
        for each in (*compared.of_rows(examples.all_rules()), *compared.of_code())
        if not compared.is_known(each, schema.paths().get(each.read, {})) and not compared.is_listed(each)
    ]
    assert strange == [], "Azure's schema does not list it: correct it, or list it in values.toml with its source"


def test_rules_know_each_value_that_azure_has() -> None:
    undecideds = compared.undecided()
    assert sorted(each for each in undecideds if not compared.is_explained(each)) == [], (
        "decide it, or say why in values.toml"
    )
    explained = {
        (rule, path, value)
        for rule, paths in compared.by_hand()["undecided"].items()
        for path, values in paths.items()
        for value in values
    }
    assert explained - {(each.rule, each.path, each.value) for each in undecideds} == set(), "a rule knows it now"


# The checks find what was wrong once. The schemas are those of the api-versions that were pinned then.


@pytest.mark.parametrize(
    ("path", "has"),
    [
        # elastic-san-no-soft-delete: previews alone have it
        ("properties.deleteRetentionPolicy.policyState", ("properties.deleteRetention", "properties.networkAcls")),
        # eventhub-replica-outside, servicebus-replica-outside: from 2026-01-01 on
        ("properties.geoDataReplication.locations[].locationName", ("properties.minimumTlsVersion",)),
        # datashare-external-receiver: another type has it
        ("properties.providerTenantName", ("properties.providerName", "properties.consumerTenantName")),
        # cassandra-no-backup: from 2026-03-15 on
        ("properties.backupSchedules[].scheduleName", ("properties.hoursBetweenBackups",)),
        # private-endpoint-pending: under another name
        (
            "properties.privateEndpointConnections[].properties.privateLinkServiceConnectionState.status",
            (
                "properties.registryPrivateEndpointConnections[].properties."
                "registryPrivateLinkServiceConnectionState.status",
            ),
        ),
        # private-endpoint-pending: once deeper
        (
            "properties.privateEndpointConnections[].properties.privateLinkServiceConnectionState.status",
            (
                "properties.privateEndpointConnections[].properties",
                "properties.privateEndpointConnections[].properties.properties.privateLinkServiceConnectionState.status",
            ),
        ),
        # an object that is no list
        ("properties.rules[].address", ("properties.rules.address",)),
    ],
)
def test_a_path_of_another_version_is_found(path: str, has: tuple[str, ...]) -> None:
    whole = Schema({each: {"t": "String"} for each in has})
    assert whole.member(path) is None
    assert Schema({path: {"t": "String"}}).member(path) is not None


def test_members_of_maps_and_entries_of_lists_are_in_the_schema() -> None:
    whole = Schema(
        {
            "identity.userAssignedIdentities": {"t": "Object"},
            "identity.userAssignedIdentities.*": {"t": "Object"},
            "identity.userAssignedIdentities.*.principalId": {"t": "String", "ro": 1},
            "properties.names": {"t": "Array"},
            "properties.mode": {"t": "Union", "v": ["A", "B"], "open": True},
            "properties.password": {"t": "String", "wo": 1},
        }
    )
    for path in (
        "identity.userAssignedIdentities.*",
        "Identity.userAssignedIdentities./subscriptions/1/providers/Microsoft.ManagedIdentity/x/y.principalId",
        "identity.userAssignedIdentities.*.principalId",
        "properties.names[]",
        "properties.names",
    ):
        assert whole.member(path) is not None, path
    for path in ("properties.mode[]", "properties.modes", "identity.*.principalId.x"):
        assert whole.member(path) is None, path
    assert [schema.said(whole.member(f"properties.{name}") or {}) for name in ("mode", "password", "names")] == [
        ["A", "B"],
        schema.WRITE_ONLY,
        "Array",
    ]


@pytest.mark.parametrize(
    ("value", "stated", "is_known"),
    [
        # storage-copy-scope-open: the value was a word of the documentation
        ("any", ["AAD", "All", "PrivateLink"], False),
        ("all", ["AAD", "All", "PrivateLink"], True),
        (False, ["Disabled", "Enabled"], False),
        ("Disabled", "Boolean", False),
        (True, "Boolean", True),
        (1, "Integer", True),
        ("1", "Integer", False),
        ("anything", "String", True),
        ("anything", "Any", True),
        ("", ["Disabled", "Enabled"], True),
    ],
)
def test_a_value_that_no_list_of_azure_holds_is_found(value: bool | int | str, stated: object, is_known: bool) -> None:
    comparison = Comparison("a rule", "Microsoft.Storage/storageAccounts", ("properties.x",), value)
    assert compared.is_known(comparison, {"properties.x": stated}) == is_known
    assert not compared.is_listed(comparison)


def test_comparisons_of_rows_and_of_code_are_noted() -> None:
    rows = {(each.where, each.paths, each.value) for each in compared.of_rows(examples.all_rules())}
    assert ("storage-copy-scope-open", ("properties.allowedCopyScope",), "All") in rows
    assert ("load-balancer-basic-sku", ("sku.name",), "Gateway") in rows
    code = {(each.read, *each.paths, str(each.value).lower()) for each in compared.of_code()}
    state = "properties.privateEndpointConnections[].properties.privateLinkServiceConnectionState.status"
    duration = "properties.retentionPolicy.dailySchedule.retentionDuration.durationType"
    receivers = "Microsoft.DataShare/accounts/shares/providerShareSubscriptions"
    for read, path, value in (
        ("Microsoft.Storage/storageAccounts", state, "pending"),  # by `==`
        ("Microsoft.Storage/storageAccounts", "properties.networkAcls.defaultAction", "deny"),  # by a row of data
        (receivers, "properties.shareSubscriptionStatus", "active"),
        ("Microsoft.RecoveryServices/vaults/backupPolicies", duration, "weeks"),  # by a table
    ):
        assert (read, path, value) in code, (read, path, value)


def test_a_value_that_a_rule_does_not_know_is_found() -> None:
    undecideds = compared.undecided()
    read, path = "Microsoft.Sql/servers", "properties.restrictOutboundNetworkAccess"
    assert Undecided("sql-outbound-unrestricted", read, path, "SecuredByPerimeter") in undecideds
    assert Undecided("sql-outbound-unrestricted", read, path, "Enabled") not in undecideds
