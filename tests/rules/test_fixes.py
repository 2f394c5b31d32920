"""Every rule says how it is closed, and what may break; what it says in Bicep and Terraform exists."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import hcl2

from scanner.model.remedy import FIELDS
from scanner.model.rule import Rule
from tests.rules import examples, pinned
from tests.rules.each import each_rule

RULES = examples.all_rules()
TERRAFORM: dict[str, Any] = tomllib.loads((Path(__file__).parent / "terraform.toml").read_text("utf-8"))
KINDS = {bool: "boolean", int: "number", str: "string", list: "strings"}
NO_PORTAL = frozenset(
    (
        "acr-anonymous-pull",
        "acr-export-enabled",
        "cosmos-key-metadata-writes",
        "mongo-vcore-data-api-enabled",
        "redis-authentication-disabled",
        "cassandra-no-authentication",
        "cassandra-no-backup",
        "cassandra-audit-log-off",
    )
)
"""Rules about what the portal has no switch for."""
READS = re.compile(r"^az( [a-z][a-z0-9-]*)* (show|list|get|list-versions|list-effective-nsg)(\s|$)")
WRITTEN: dict[str, str] = {
    "siteConfig": "Site: what is written there is read at config/web",
    "days": "the retention policies of BlobServiceProperties and FileServiceProperties",
    "sasExpirationPeriod": "StorageAccount sasPolicy, beside expirationAction",
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


@each_rule
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
        for read, paths in pinned.pinned().items():
            if read.lower() == type.lower() or read.lower().startswith(f"{type.lower()}/"):
                found |= {step.removesuffix("[]") for path in paths for step in path.split(".")}
                found |= set(read[len(type) :].strip("/").split("/"))
    locks = (each for each in rule.reads if each.is_extension)
    for extension in (*(each for each in rule.resource_type.children if each.is_extension), *locks):
        paths = pinned.pinned().get(extension.type, set())
        found |= {step.removesuffix("[]") for path in paths for step in path.split(".")}
    return found


@each_rule
def test_what_it_writes_in_bicep_is_what_rules_look_at(rule: Rule) -> None:
    if not rule.fix.bicep:
        return
    names = _names(rule.fix.bicep)
    assert names
    known = _known(rule)
    assert {name for name in names if name not in known and name not in WRITTEN} == set()
    assert names & known - set(WRITTEN), "none of them is looked at"


def _resource(rule: Rule) -> tuple[str, dict[str, Any]]:
    """The type and the body of the only resource of a rule's HCL."""
    ((type, named),) = hcl2.loads(rule.fix.terraform + "\n")["resource"][0].items()
    (body,) = (body for name, body in named.items() if name.strip('"') == "example")
    return type.strip('"'), body


def _arguments(body: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each argument of a body with its kind; nested ones joined by dots, a block without any by itself."""
    for name, value in body.items():
        if name.startswith("__"):
            continue
        blocks = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
        for block in blocks:
            yield from list(_arguments(block, f"{above}{name}.")) or [(f"{above}{name}", "block")]
        if not blocks:
            yield f"{above}{name}", KINDS[type(value)]


@each_rule
def test_what_it_writes_in_terraform_is_an_argument_of_the_schema(rule: Rule) -> None:
    if not rule.fix.terraform:
        return
    type, body = _resource(rule)
    written = dict(_arguments(body))
    assert written
    assert written.items() <= TERRAFORM[type].items(), "look it up in the provider's schema, then pin it"
    assert type == f"azurerm_{rule.fix.terraform_page}"
    assert max(map(len, rule.fix.terraform.splitlines())) <= 120
    changed = any(f"{type}.{name}.".startswith(f"{each}.") for name in written for each in TERRAFORM["replaces"])
    assert changed == rule.fix.terraform.startswith("# This replaces the resource"), "a reader must see it"


def test_a_rule_with_a_reason_for_no_terraform_has_none() -> None:
    without = {rule.id for rule in RULES if not rule.fix.terraform}
    named = {id for id in (rule.id for rule in RULES) if any(fnmatchcase(id, each) for each in TERRAFORM["none"])}
    assert named <= without


def test_every_pinned_argument_is_written() -> None:
    written = [
        (type, dict(_arguments(body))) for type, body in (_resource(rule) for rule in RULES if rule.fix.terraform)
    ]
    for type, names in TERRAFORM.items():
        if type.startswith("azurerm_"):
            assert set(names) == {name for each, found in written if each == type for name in found}


def test_every_member_that_is_only_written_is_written() -> None:
    written: set[Any] = {name for rule in RULES for name in _names(rule.fix.bicep)}
    assert set(WRITTEN) <= written
