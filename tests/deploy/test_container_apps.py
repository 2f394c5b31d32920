"""Bicep and Terraform of the Container Apps job: names that Azure knows, both locks closed, the same in both."""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.mgmt.appcontainers.models as apps
import azure.mgmt.storage.models as storage
import hcl2
import pytest

from docs.build import bicep_role, terraform_role
from scanner.rulebook import permissions as access
from scanner.rulebook.loader import load
from scanner.rulebook.registered_actions import granted, without
from tests.deploy import bicep
from tests.deploy.bicep import Made
from tests.deploy.files import DEPLOY, files, run

FOLDER = DEPLOY / "container-apps"
MAIN = FOLDER / "main.bicep"
TERRAFORM = FOLDER / "terraform"
MODELS = {
    "Microsoft.App/jobs": apps.Job,
    "Microsoft.App/managedEnvironments": apps.ManagedEnvironment,
    "Microsoft.Storage/storageAccounts": storage.StorageAccountCreateParameters,
    "Microsoft.Storage/storageAccounts/blobServices": storage.BlobServiceProperties,
    "Microsoft.Storage/storageAccounts/blobServices/containers": storage.BlobContainer,
    "Microsoft.Storage/storageAccounts/managementPolicies": storage.ManagementPolicy,
}
OUTSIDE = frozenset({"name", "dependsOn", "scope", "parent"})
"""What Bicep itself takes in a resource."""


def made() -> dict[str, Made]:
    return {each.symbol: each for each in bicep.resources(bicep.parse(MAIN))}


@pytest.mark.parametrize("file", files("*.bicep", below=FOLDER), ids=lambda path: path.name)
def test_bicep_is_bicep(file: Path) -> None:
    assert list(bicep.resources(bicep.parse(file)))


def test_bicep_with_a_fault_is_none(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.bicep"
    wrong.write_text(MAIN.read_text("utf-8").replace("kind: 'StorageV2'", "kind 'StorageV2'"), "utf-8")
    with pytest.raises(AssertionError, match=r"wrong\.bicep"):
        bicep.parse(wrong)


# The names of properties, by the models of Azure's SDKs


def unknown(body: Any, model: type, at: str = "") -> Iterator[str]:
    """The paths in a body that a model does not have. A dictionary of the caller's own keys ends the walk."""
    if isinstance(body, list):
        for each in body:
            yield from unknown(each, model, at)
        return
    if not isinstance(body, dict):
        return
    model()  # fields are made with the first instance
    fields = {field._rest_name: name for name, field in model._attr_to_rest_field.items()}  # type: ignore[attr-defined]
    hints = {name: hint for base in reversed(model.__mro__) for name, hint in inspect.get_annotations(base).items()}
    for key, value in body.items():
        path = f"{at}.{key}".lstrip(".")
        if key not in fields:
            if at or key not in OUTSIDE:
                yield path
            continue
        hint = str(hints[fields[key]])
        named = re.search(r"_models\.(\w+)", hint)
        below = (
            getattr(sys.modules[model.__module__], named[1], None) if named and "dict[" not in hint.lower() else None
        )
        if below is not None:  # an enum stands in another module
            yield from unknown(value, below, path)


def test_every_property_is_one_that_azure_knows() -> None:
    known = [each for each in made().values() if each.type in MODELS]
    checked = {each.symbol: list(unknown(each.body, MODELS[each.type])) for each in known}
    assert set(checked) == {"storage", "blobs", "reports", "lifecycle", "apps", "job"}
    assert [wrong for wrong in checked.values() if wrong] == []


def test_a_misspelt_property_is_seen() -> None:
    job = made()["job"]
    job.body["properties"]["configuration"]["replicaRetries"] = "0"
    job.body["properties"]["template"]["containers"][0]["arg"] = []
    assert list(unknown(job.body, apps.Job)) == [
        "properties.configuration.replicaRetries",
        "properties.template.containers.arg",
    ]


# Both locks


def test_the_storage_account_of_bicep_is_closed() -> None:
    body = made()["storage"].body["properties"]
    assert body["allowBlobPublicAccess"] == body["allowSharedKeyAccess"] == "false"
    assert body["supportsHttpsTrafficOnly"] == "true"
    assert body["minimumTlsVersion"] == "TLS1_2"
    assert (body["networkAcls"]["defaultAction"], body["networkAcls"]["bypass"]) == ("Deny", "None")
    assert made()["reports"].body["properties"]["publicAccess"] == "None"
    assert made()["writes"].body["scope"] == "storage::blobs::reports"


SCOPE = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-twolocks/providers"
ACCOUNT = f"{SCOPE}/Microsoft.Storage/storageAccounts/sttwolocks"
IDS = {
    "storage": ACCOUNT,
    "blobs": f"{ACCOUNT}/blobServices/default",
    "reports": f"{ACCOUNT}/blobServices/default/containers/reports",
    "apps": f"{SCOPE}/Microsoft.App/managedEnvironments/cae-twolocks",
    "job": f"{SCOPE}/Microsoft.App/jobs/job-twolocks",
    "logs": f"{SCOPE}/Microsoft.OperationalInsights/workspaces/log-twolocks",
}


def deployed(each: Made) -> dict[str, Any]:
    """A resource as Azure would show it: values for what is a parameter or a switch."""

    def plain(document: Any) -> Any:
        if isinstance(document, dict):
            return {key: plain(value) for key, value in document.items()}
        if isinstance(document, list):
            return [plain(value) for value in document]
        known = {"true": True, "false": False, "address": "198.51.100.7"}
        known["subnetId"] = f"{SCOPE}/Microsoft.Network/virtualNetworks/vnet/subnets/jobs"
        return known.get(document, document)

    body: dict[str, Any] = plain({key: value for key, value in each.body.items() if key not in OUTSIDE})
    id = IDS[each.symbol]
    return {**body, "id": id, "type": each.type, "name": id.rsplit("/", 1)[1], "location": "norwayeast"}


def test_twolocks_finds_nothing_in_what_it_is_deployed_with(tmp_path: Path) -> None:
    estate = tmp_path / "estate.json"
    estate.write_text(json.dumps([deployed(each) for symbol, each in made().items() if symbol in IDS]), "utf-8")
    code, text = run("twolocks", "scan", "--quiet", "--from", estate, "--out", tmp_path / "findings.json")
    assert code == 3, text  # a file of bare resources is never complete
    document = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    failed = [each for each in document["findings"] if each["status"] != "unknown" and each["severity"] != "info"]
    assert [each["rule"] for each in failed] == ["log-workspace-public-query"], "people read the logs in the portal"
    (blob,) = [each for each in document["exposures"] if each["endpoint"] == "blob"]
    assert (blob["reach"], blob["authentication"], blob["severity"]) == ("selected", "identity", None)


KEYS = re.compile(r"listKeys|shared_?key\s*[:=]\s*[^f]|primary_|secretRef|secret_name", re.I)


def test_no_key_and_no_secret_is_used() -> None:
    for file in files("*.bicep", "*.tf", below=FOLDER):
        assert not KEYS.search(file.read_text("utf-8")), file
    assert made()["logs"].body["properties"]["features"]["disableLocalAuth"] == "true"


# Terraform


def blocks(kind: str) -> dict[str, Any]:
    """The blocks of a kind in main.tf by `type.name`, or by name."""
    result = {}
    for each in parsed(TERRAFORM / "main.tf").get(kind, []):
        for type, below in each.items():
            for name, body in below.items():
                result[f"{type}.{name}"] = body
    return result


def parsed(file: Path) -> dict[str, Any]:
    """HCL as data, strings without the quotes that the parser leaves around them."""

    def plain(document: Any) -> Any:
        if isinstance(document, dict):
            return {plain(key): plain(value) for key, value in document.items() if not key.startswith("__")}
        if isinstance(document, list):
            return [plain(each) for each in document]
        return (
            document[1:-1]
            if isinstance(document, str) and len(document) > 1 and document[0] == document[-1] == '"'
            else document
        )

    read: dict[str, Any] = plain(hcl2.loads(file.read_text("utf-8")))
    return read


@pytest.mark.parametrize("file", files("*.tf", below=TERRAFORM), ids=lambda path: str(path.relative_to(TERRAFORM)))
def test_terraform_is_terraform(file: Path) -> None:
    assert parsed(file)


def test_every_variable_is_declared_and_used() -> None:
    declared = {name for each in parsed(TERRAFORM / "variables.tf")["variable"] for name in each}
    used = set(re.findall(r"\bvar\.(\w+)", (TERRAFORM / "main.tf").read_text("utf-8")))
    assert used == declared


def test_every_reference_of_terraform_leads_somewhere() -> None:
    known = set(blocks("resource")) | {f"data.{name}" for name in blocks("data")}
    text = (TERRAFORM / "main.tf").read_text("utf-8")
    used = {f"{type}.{name}" for type, name in re.findall(r"(?<![\w.])(azurerm_\w+)\.(\w+)\.", text)}
    assert used <= known


def test_the_storage_account_of_terraform_is_closed() -> None:
    body = blocks("resource")["azurerm_storage_account.reports"]
    assert body["allow_nested_items_to_be_public"] is False
    assert body["shared_access_key_enabled"] is False
    assert body["https_traffic_only_enabled"] is True
    assert body["min_tls_version"] == "TLS1_2"
    (rules,) = body["network_rules"]
    assert (rules["default_action"], rules["bypass"]) == ("Deny", ["None"])
    assert blocks("resource")["azurerm_storage_container.reports"]["container_access_type"] == "private"


# The same in both


def test_the_job_runs_the_same_command_in_both() -> None:
    job = made()["job"].body["properties"]
    (container,) = job["template"]["containers"]
    other = blocks("resource")["azurerm_container_app_job.scan"]
    (theirs,) = other["template"][0]["container"]
    assert [word for word in container["args"] if "history" not in word] == [
        word for word in theirs["args"] if "history" not in word
    ]
    assert (job["configuration"]["replicaRetryLimit"], other["replica_retry_limit"]) == ("0", 0)
    assert (job["configuration"]["replicaTimeout"], other["replica_timeout_in_seconds"]) == ("14400", 14400)


def test_each_exit_code_has_an_alert_in_both() -> None:
    codes = bicep.value(bicep.declared(bicep.parse(MAIN), "variable_declaration")["codes"].named_children[-1])
    mine = {each["code"]: (int(each["severity"]), each["text"]) for each in codes}
    (local,) = parsed(TERRAFORM / "main.tf")["locals"]
    theirs = {code: (each["severity"], each["text"]) for code, each in local["codes"].items()}
    assert mine == theirs
    assert set(mine) == {"1", "2", "3", "4", "70"}


ENDS = re.compile(r'extract\(@\\?"(.+?)\\?", 1, Log\)')


def test_the_alerts_read_the_line_with_which_a_scan_ends() -> None:
    patterns = {ENDS.search(file.read_text("utf-8")) for file in (MAIN, TERRAFORM / "main.tf")}
    matches = {match[1].replace("\\\\", "\\") for match in patterns if match}
    assert matches == {r"^(?:\S+ done +)?exit (\d+)"}
    (pattern,) = matches
    for line, code in {
        "2026-11-25T02:00:53Z done     exit 3: incomplete, 6 checks inconclusive (1 gap); nothing new": "3",
        "2026-11-25T02:00:53Z done     exit 0: nothing at high or above": "0",
        "exit 4": "4",
        "exit 70": "70",
    }.items():
        match = re.search(pattern, line)
        assert match
        assert match[1] == code
    for line in ("2026-11-25T02:00:53Z found    exit 1 is the name of a machine", "error: exit 4", "  exit 4"):
        assert not re.search(pattern, line)


# The role


def test_the_roles_are_those_of_this_version() -> None:
    """As `make docs-check` holds them; here with what stands in them."""
    rules = load(packages=False)
    actions = granted(access.actions(rules))
    (role,) = bicep.resources(bicep.parse(FOLDER / "role.bicep"))
    assert (FOLDER / "role.bicep").read_text("utf-8").endswith(bicep_role(rules))
    assert (TERRAFORM / "role" / "main.tf").read_text("utf-8").endswith(terraform_role(rules))
    assert role.body["properties"]["permissions"] == [{"actions": actions, "notActions": without(actions)}]
    body = parsed(TERRAFORM / "role" / "main.tf")["resource"][0]["azurerm_role_definition"]["twolocks"]
    assert body["permissions"][0]["actions"] == actions
    assert body["permissions"][0]["not_actions"] == without(actions)
    assert json.dumps(actions).count("/read") == len(actions)
