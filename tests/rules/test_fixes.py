"""Every rule says how it is closed, and what may break; what it says in Bicep and Terraform exists."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scanner.model.remedy import FIELDS
from scanner.model.rule import Rule
from tests.rules import examples, pinned

RULES = examples.all_rules()
PAGES: dict[str, list[str]] = tomllib.loads((Path(__file__).parent / "terraform.toml").read_text("utf-8"))
NO_PORTAL = frozenset(
    (
        "acr-anonymous-pull",
        "acr-export-enabled",
        "cosmos-key-metadata-writes",
        "mongo-vcore-data-api-enabled",
        "redis-authentication-disabled",
    )
)
"""Rules about what the portal has no switch for."""
READS = re.compile(r"^az( [a-z][a-z0-9-]*)* (show|list|get|list-versions)(\s|$)")
WRITTEN: dict[str, str] = {
    "siteConfig": "Site: what is written there is read at config/web",
    "days": "the retention policies of BlobServiceProperties and FileServiceProperties",
    "expirationAction": "StorageAccount sasPolicy, beside sasExpirationPeriod",
    "managed": "ManagedCluster aadProfile: written with enableAzureRBAC",
    "continuousModeProperties": "DatabaseAccountGetResults backupPolicy of the type Continuous",
    "tier": "DatabaseAccountGetResults backupPolicy.continuousModeProperties",
    "source": "Configuration of flexible servers: written with its value",
    "name": "the name of a child that is written",
    "properties": "the properties of a child that is written",
    "primaryKeyURI": "PostgreSQL Server dataEncryption of the type AzureKeyVault",
    "primaryUserAssignedIdentityId": "PostgreSQL Server dataEncryption of the type AzureKeyVault",
    "administratorType": "Server administrators: written with the login",
    "sid": "Server administrators: written with the login",
    "isAzureMonitorTargetEnabled": "ServerBlobAuditingPolicy: where the log goes",
}
"""Members that are written beside the one that rules look at, with the model of the SDK that has them."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_it_says_how_it_is_closed_and_what_may_break(rule: Rule) -> None:
    fix = rule.fix
    assert fix.az.startswith("az ") or fix.steps
    assert not READS.match(fix.az), "a fix changes something"
    assert not fix.check_first or READS.match(fix.check_first) or "metrics list" in fix.check_first
    assert fix.impact.endswith((".", "!")) or len(fix.impact) > 20
    assert fix.cost in (1, 2, 3)
    assert bool(fix.portal) != (rule.id in NO_PORTAL)
    for command in (fix.az, fix.first_step):
        assert not re.search(r"203\.0\.113|198\.51\.100|192\.0\.2\.", command), "a documentation range locks out"
        for each in filter(None, command.split(" && ")):
            assert re.search(r" --(ids|id|subscription) ", each), "it names no subscription"
    for name in re.findall(r"<([^>]*)>", " ".join((fix.az, *fix.steps))):
        assert name in FIELDS, "a field without words"
    assert "<" not in fix.first_step
    assert not fix.first_step or fix.first_step.startswith("az ")


def _names(bicep: str) -> set[str]:
    """The members that a piece of Bicep writes."""
    return {name.rsplit("/", 1)[0] for name in re.findall(r"([\w/]+)\s*:(?!/)", re.sub(r"'[^']*'", "''", bicep))}


def _known(rule: Rule) -> set[str]:
    """Every member of the paths that rules look at on the type and below it, and the reads themselves."""
    found: set[str] = set()
    for type in rule.resource_type.types:
        for read, entry in pinned.pinned().items():
            if read.lower() == type.lower() or read.lower().startswith(f"{type.lower()}/"):
                found |= {step.removesuffix("[]") for path in entry["paths"] for step in path.split(".")}
                found |= set(read[len(type) :].strip("/").split("/"))
    return found


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.fix.bicep], ids=lambda rule: rule.id)
def test_what_it_writes_in_bicep_is_what_rules_look_at(rule: Rule) -> None:
    names = _names(rule.fix.bicep)
    assert names
    known = _known(rule)
    assert {name for name in names if name not in known and name not in WRITTEN} == set()
    assert names & known - set(WRITTEN), "none of them is looked at"


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.fix.terraform], ids=lambda rule: rule.id)
def test_what_it_writes_in_terraform_is_an_argument_of_the_page_that_was_read(rule: Rule) -> None:
    left, _, value = rule.fix.terraform.partition(" = ")
    argument = left.partition(".")[2]
    assert argument in PAGES[rule.fix.terraform_page], "read the page and add it to terraform.toml"
    assert re.fullmatch(r"azurerm_[a-z_]+(\.[a-z0-9_]+)*", left)
    assert left.partition(".")[0] == f"azurerm_{rule.fix.terraform_page}"
    assert not value or re.fullmatch(r'"[^"]+"|\[("[^"]+"(, )?)+\]|true|false|\d+', value)


def test_every_member_that_is_only_written_is_written() -> None:
    written: set[Any] = {name for rule in RULES for name in _names(rule.fix.bicep)}
    assert set(WRITTEN) <= written
