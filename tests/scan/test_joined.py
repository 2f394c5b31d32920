"""The second collection: versions of keys with an older version in use, custom roles and deny assignments of vaults."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from scanner.sandbox.served_estate import Refusal
from scanner.sandbox.server import Sandbox, running
from tests.history.changing_estate import Json, RunResult, sandbox, scheduled_run
from tests.history.test_changing_estate import second_look
from tests.scan.tenants import DRIFT, NORD, PROD, SUBSCRIPTIONS, SYD, estate
from tests.terminals import GROUP, SUB, Ended, twolocks

VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv"
VERSIONS = f"{VAULT}/keys/bundet/versions"
ACTION = "Microsoft.KeyVault/vaults/keys/versions/read"
RULE = "keyvault-key-disabled"


def vault(id: str = VAULT) -> Json:
    acls = {"defaultAction": "Deny", "bypass": "AzureServices"}
    properties = {"vaultUri": "https://kv.vault.azure.net/", "enableRbacAuthorization": True, "networkAcls": acls}
    return {
        "id": id,
        "name": "kv",
        "type": "Microsoft.KeyVault/vaults",
        "location": "norwayeast",
        "properties": properties,
    }


def key(name: str, *, older: bool | None = None, id: str = VAULT) -> list[Json]:
    """A key whose newest version is 0b, and whether its version 0a is enabled."""
    uri = f"https://kv.vault.azure.net/keys/{name}"
    own = {"keyUri": uri, "keyUriWithVersion": f"{uri}/0b", "attributes": {"enabled": True}}
    result = [{"id": f"{id}/keys/{name}", "name": name, "type": "Microsoft.KeyVault/vaults/keys", "properties": own}]
    for version, enabled in (("0a", older), ("0b", True)) if older is not None else ():
        body = {"keyUriWithVersion": f"{uri}/{version}", "attributes": {"enabled": enabled}}
        result.append({"id": f"{id}/keys/{name}/versions/{version}", "name": version, "properties": body})
    return result


def account(name: str, key: str, version: str = "", group: str = GROUP) -> Json:
    named = {"keyvaulturi": "https://kv.vault.azure.net", "keyname": key, "keyversion": version}
    properties = {"encryption": {"keySource": "Microsoft.Keyvault", "keyvaultproperties": named}}
    type = "Microsoft.Storage/storageAccounts"
    id = f"{group}/providers/{type}/{name}"
    return {"id": id, "name": name, "type": type, "location": "norwayeast", "properties": properties}


def resources(*, older: bool = True) -> list[Json]:
    """A key of each kind: one whose newest version is followed, named, and one with an older version in use."""
    return [
        vault(),
        *key("fulgt", older=True),
        *key("nyest", older=True),
        *key("ubrukt", older=True),
        *key("bundet", older=older),
        account("stfulgt", "fulgt"),
        account("stnyest", "nyest", "0B"),
        account("stbundet", "bundet", "0A"),
    ]


def scan(box: Sandbox, folder: Path, *words: str) -> tuple[Ended, Json]:
    out = folder / "findings.json"
    given = ("--arm-endpoint", box.url, "--auth", "environment", "--only", "keyvault-key-*", "--only", "storage-key-*")
    ended = twolocks("scan", *given, "--out", out, *words, env=box.environment())
    return ended, json.loads(out.read_text())


def asked(box: Sandbox) -> list[str]:
    """The lists of versions that were asked for, by the name of the key."""
    return [each.path.split("/")[-2] for each in box.requests if each.path.endswith("/versions")]


def states(document: Json, rule: str = RULE) -> dict[str, str]:
    """The states of a rule by the name of the key, without those of keys that pass."""
    result = {each["resource"]: each["status"] for each in document["findings"] if each["rule"] == rule}
    return {id.rsplit("/", 1)[-1]: status for id, status in result.items()}


def passed(document: Json, name: str) -> bool:
    return any(RULE in rules for id, rules in document["passed"].items() if id.endswith(f"/keys/{name}"))


@pytest.mark.parametrize("more", [(), ("--no-graph",)], ids=["graph", "lists"])
def test_only_keys_with_an_older_version_in_use_are_asked_for_versions(tmp_path: Path, more: tuple[str, ...]) -> None:
    with running(sandbox(resources(older=False))) as box:
        ended, document = scan(box, tmp_path, "--explain-reads", *more)
    assert asked(box) == ["bundet"]
    assert states(document) == {"bundet": "fail"}
    message = next(each["message"] for each in document["findings"] if each["rule"] == RULE)
    assert message.startswith("Version 0a is disabled. 1 resource depends on it: stbundet.")
    line = next(each for each in ended.err.splitlines() if each.endswith("  Microsoft.KeyVault/vaults/keys/versions"))
    assert line.split()[:2] == ["1", "0"]


def test_an_older_version_that_is_as_it_should_be_passes(tmp_path: Path) -> None:
    with running(sandbox(resources())) as box:
        _, document = scan(box, tmp_path)
    assert states(document) == {}
    assert passed(document, "bundet")


def test_nothing_is_asked_for_where_no_rule_needs_it(tmp_path: Path) -> None:
    with running(sandbox(resources())) as box:
        given = ("--arm-endpoint", box.url, "--auth", "environment", "--only", "keyvault-key-no-rotation")
        twolocks("scan", *given, "--out", tmp_path / "findings.json", env=box.environment())
    assert asked(box) == []


def test_a_refused_list_is_a_gap_and_the_verdict_is_inconclusive(tmp_path: Path) -> None:
    with running(sandbox(resources(), refusals=[Refusal(action=ACTION)])) as box:
        ended, document = scan(box, tmp_path)
    assert ended.code == 3
    assert [(each["url"], each["action"]) for each in document["gaps"] if "versions" in each["url"]] == [
        (VERSIONS, ACTION)
    ]
    assert states(document) == {"bundet": "unknown"}
    assert not passed(document, "bundet")


def test_a_snapshot_keeps_what_was_read(tmp_path: Path) -> None:
    file = tmp_path / "taken.jsonl"
    with running(sandbox(resources(older=False))) as box:
        _, live = scan(box, tmp_path, "--snapshot", str(file))
    taken = tmp_path / "again.json"
    twolocks("scan", "--from", file, "--only", "keyvault-key-*", "--out", taken)
    again = json.loads(taken.read_text())
    assert states(again) == states(live) == {"bundet": "fail"}
    lines = [json.loads(each) for each in file.read_text().splitlines()]
    assert [each["read"]["count"] for each in lines if "read" in each and each["read"]["url"] == VERSIONS] == [2]


def test_a_snapshot_without_the_versions_is_inconclusive(tmp_path: Path) -> None:
    file = tmp_path / "taken.jsonl"
    with running(sandbox(resources())) as box:
        given = ("--arm-endpoint", box.url, "--auth", "environment", "--only", "keyvault-key-no-rotation")
        more = (
            "--only",
            "storage-key-elsewhere",
            "--out",
            tmp_path / "findings.json",
            "--snapshot",
            file,
            "--keep-all",
        )
        twolocks("scan", *given, *more, env=box.environment())
    twolocks("scan", "--from", file, "--only", RULE, "--out", tmp_path / "again.json")
    document = json.loads((tmp_path / "again.json").read_text())
    assert states(document) == {"bundet": "unknown"}


def test_a_vault_in_another_tenant_is_asked_with_its_own_login(tmp_path: Path) -> None:
    group = f"/subscriptions/{DRIFT}/resourceGroups/rg-a"
    id = f"{group}/providers/Microsoft.KeyVault/vaults/kv"
    own = account("stnord", "bundet", "0a", f"/subscriptions/{PROD}/resourceGroups/rg-a")
    given = [vault(id), *key("bundet", older=False, id=id), own]
    with estate(tmp_path, resources=given, subscriptions=SUBSCRIPTIONS, tenant=NORD) as result:
        result.scan("--only", "keyvault-key-*", "--only", "storage-key-*")
        sent = [each for each, _ in result.sent() if each.path.endswith("/versions")]
        assert [each.tenant for each in sent] == [SYD]
        assert states(result.document) == {"bundet": "fail"}


# Custom roles and deny assignments

ROLE = "keyvault-identity-lacks-role"
LISTS = f"/subscriptions/{SUB}/providers/Microsoft.Authorization"
CUSTOM = "0d000000-0000-4000-8000-000000000001"


def with_role(*actions: str, type: str = "CustomRole") -> list[Json]:
    """An account whose identity has a custom role on the vault of its key."""
    own = account("stfulgt", "fulgt")
    own["identity"] = {"type": "SystemAssigned", "principalId": "0b000000-0000-4000-8000-000000000001"}
    permissions = [{"actions": [], "notActions": [], "dataActions": [*actions], "notDataActions": []}]
    role = {"roleName": "Key user", "type": type, "permissions": permissions}
    assigned = {
        "roleDefinitionId": f"{LISTS}/roleDefinitions/{CUSTOM}",
        "principalId": own["identity"]["principalId"],
        "principalType": "ServicePrincipal",
        "scope": VAULT,
    }
    rows = [
        (f"{LISTS}/roleDefinitions/{CUSTOM}", role),
        (f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/one", assigned),
    ]
    above = [{"id": id, "name": id.rsplit("/", 1)[-1], "properties": properties} for id, properties in rows]
    return [vault(), *key("fulgt"), own, *above]


def roles(box: Sandbox, folder: Path, *words: str) -> tuple[Ended, Json]:
    out = folder / "findings.json"
    given = ("--arm-endpoint", box.url, "--auth", "environment", "--only", ROLE, "--only", "storage-key-elsewhere")
    ended = twolocks("scan", *given, "--out", out, *words, env=box.environment())
    return ended, json.loads(out.read_text())


def lists(box: Sandbox) -> list[str]:
    """The lists of role definitions and deny assignments that were asked for, with their filter."""
    paths = [
        each.url for each in box.requests if "roledefinitions?" in each.url.lower() or "denyassign" in each.url.lower()
    ]
    return sorted(unquote_plus(each.rsplit("/", 1)[-1].replace("&api-version=2022-04-01", "")) for each in paths)


EVERY = "Microsoft.KeyVault/vaults/keys/*"


@pytest.mark.parametrize(
    ("actions", "state"), [((EVERY,), {}), (("Microsoft.KeyVault/vaults/*/read",), {"kv": "fail"})]
)
def test_a_custom_role_counts_by_what_it_allows(
    tmp_path: Path, actions: tuple[str, ...], state: dict[str, str]
) -> None:
    with running(sandbox(with_role(*actions))) as box:
        _, document = roles(box, tmp_path)
    assert states(document, ROLE) == state
    assert lists(box) == ["denyAssignments?api-version=2022-04-01", "roleDefinitions?$filter=type eq 'CustomRole'"]


def test_a_built_in_role_is_not_kept(tmp_path: Path) -> None:
    with running(sandbox(with_role(EVERY, type="BuiltInRole"))) as box:
        _, document = roles(box, tmp_path)
    assert states(document, ROLE) == {"kv": "unknown"}


def test_nothing_is_listed_where_no_key_of_a_vault_with_roles_is_in_use(tmp_path: Path) -> None:
    unused = [each for each in with_role(EVERY) if "/storageAccounts/" not in each["id"]]
    policies = with_role(EVERY)
    policies[0]["properties"]["enableRbacAuthorization"] = False
    for given in (unused, policies):
        with running(sandbox(given)) as box:
            _, document = roles(box, tmp_path)
        assert lists(box) == []
        assert states(document, ROLE) == {}


@pytest.mark.parametrize("list", ["roleDefinitions", "denyAssignments"])
def test_a_refused_list_of_roles_is_a_gap_and_the_verdict_is_inconclusive(tmp_path: Path, list: str) -> None:
    action = f"Microsoft.Authorization/{list}/read"
    with running(sandbox(with_role(EVERY), refusals=[Refusal(action=action)])) as box:
        ended, document = roles(box, tmp_path)
    assert ended.code == 3
    assert [(each["url"], each["action"]) for each in document["gaps"]] == [(f"{LISTS}/{list}", action)]
    assert states(document, ROLE) == {"kv": "unknown"}


def test_a_deny_assignment_is_kept_only_where_it_may_hold_for_keys(tmp_path: Path) -> None:
    for name, actions, state in (("data", [EVERY], {"kv": "unknown"}), ("plain", [], {})):
        everyone = [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}]
        denied = {
            "denyAssignmentName": name,
            "permissions": [{"dataActions": actions}],
            "principals": everyone,
            "scope": VAULT,
        }
        id = f"{VAULT}/providers/Microsoft.Authorization/denyAssignments/{name}"
        file = tmp_path / f"{name}.jsonl"
        with running(sandbox([*with_role(EVERY), {"id": id, "name": name, "properties": denied}])) as box:
            _, document = roles(box, tmp_path, "--snapshot", str(file))
        assert states(document, ROLE) == state
        assert (id in file.read_text()) is bool(state)


# The re-verification


def twice(tmp_path: Path, second: list[Json], **options: Any) -> RunResult:
    """A night on which an older version that was disabled is enabled at first, and then what `second` says."""
    return second_look(tmp_path, resources(older=False), resources(), second, **options)


def test_the_versions_are_read_again_before_a_finding_counts_as_fixed(tmp_path: Path) -> None:
    assert twice(tmp_path, resources()).document["changes"]["counts"]["fixed"] == 1
    (tmp_path / "still").mkdir()
    reported = twice(tmp_path / "still", resources(older=False))
    assert reported.document["changes"]["counts"]["fixed"] == 0
    assert states(reported.document) == {"bundet": "fail"}


def test_a_list_that_is_refused_the_second_time_confirms_nothing(tmp_path: Path) -> None:
    reported = twice(tmp_path, resources(), refusals=[Refusal(action=ACTION)])
    assert reported.document["changes"]["counts"]["fixed"] == 0
    assert [each["url"] for each in reported.document["gaps"] if "versions" in each["url"]] == [VERSIONS]


def test_what_is_read_again_leaves_the_versions_of_the_first_read(tmp_path: Path) -> None:
    file, history = tmp_path / "taken.jsonl", str(tmp_path / "history.db")
    scheduled_run([*resources(), account("stborte", "fulgt")], history, tmp_path)
    scheduled_run(resources(), history, tmp_path, "--snapshot", str(file))
    kept = [line for line in file.read_text().splitlines() if f'"{VERSIONS}/' in line]
    assert len(kept) == 2
    assert SUB in kept[0]
