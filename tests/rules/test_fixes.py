"""Every rule says how it is closed, and what may break; what it says in Bicep and Terraform exists."""

import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from scanner.model.fix import FIELDS
from scanner.model.rule import Rule
from tests.rules import examples, pinned
from tests.rules.each import each_rule
from tests.rules.terraform import NAMED, arguments, resource

RULES = examples.all_rules()
TERRAFORM: dict[str, Any] = tomllib.loads((Path(__file__).parent / "terraform.toml").read_text("utf-8"))
AZURERM: dict[str, Any] = tomllib.loads((Path(__file__).parent / "azurerm.toml").read_text("utf-8"))
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
SUB_PLANS = {
    "VirtualMachines": "P2",
    "StorageAccounts": "DefenderForStorageV2",
    "KeyVaults": "PerKeyVault",
    "Arm": "PerSubscription",
    "Api": "P1",
}
"""The sub-plans that Azure accepts on a new subscription. Since July 2026 it refuses PerTransaction of KeyVaults
and PerApiCall of Arm (Azure/Azure-Landing-Zones issue 4203). Built-in policies name the others (MDC_..._DINE.json)."""
READS = re.compile(r"^az( [a-z][a-z0-9-]*)* (show|list|get|list-versions|list-effective-nsg)(\s|$)")


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
    result: set[str] = set()
    for type in rule.resource_type.types:
        for read, paths in pinned.pinned().items():
            if read.lower() == type.lower() or read.lower().startswith(f"{type.lower()}/"):
                result |= {step.removesuffix("[]") for path in paths for step in path.split(".")}
                result |= set(read[len(type) :].strip("/").split("/"))
    locks = (each for each in rule.reads if each.is_extension)
    for extension in (*(each for each in rule.resource_type.children if each.is_extension), *locks):
        paths = pinned.pinned().get(extension.type, set())
        result |= {step.removesuffix("[]") for path in paths for step in path.split(".")}
    return result


@each_rule
def test_what_it_writes_in_bicep_is_what_rules_look_at(rule: Rule) -> None:
    """That Azure takes it says `test_bicep.py`."""
    assert not rule.fix.bicep or _names(rule.fix.bicep) & _known(rule), "none of its members is looked at"


@each_rule
def test_what_it_writes_in_terraform_is_an_argument_of_the_provider(rule: Rule) -> None:
    if not rule.fix.terraform:
        return
    type, body = resource(rule)
    written = dict(arguments(body))
    assert written
    for name, kind in written.items():
        known, *flags = AZURERM[type].get(name, "no such argument").split(", ")
        assert known == kind, f"{type}.{name}: look it up in the provider's schema, then run tests.rules.azurerm_schema"
        assert not {"computed", "deprecated"} & set(flags), f"{type}.{name} is not to be set"
    assert type == f"azurerm_{rule.fix.terraform_page}"
    assert set(NAMED.findall(f"{rule.fix.terraform} {rule.fix.text}")) <= set(AZURERM), "no such resource"
    assert max(map(len, rule.fix.terraform.splitlines())) <= 120
    changed = type not in TERRAFORM["added"]["names"] and any(_replaces(type, name) for name in written)
    assert changed == rule.fix.terraform.startswith("# This replaces the resource"), "a reader must see it"


def _replaces(type: str, name: str) -> bool:
    """Whether changing an argument replaces the resource."""
    blocks = re.findall(r"replaces(?: with (\S+))?", AZURERM[type][name].replace(",", " "))
    return any(f"{type}.{each}" not in TERRAFORM["in_place"] for each in blocks) or any(
        f"{type}.{name}.".startswith(f"{each}.") for each in TERRAFORM["replaces"]
    )


def test_a_rule_with_a_reason_for_no_terraform_has_none() -> None:
    without = {rule.id for rule in RULES if not rule.fix.terraform}
    named = {
        rule.id
        for rule in RULES
        if any(fnmatchcase(id, each) for id in (rule.id, *rule.aliases) for each in TERRAFORM["none"])
    }
    assert named <= without


def test_what_the_schema_lists_is_written() -> None:
    written: dict[str, set[str]] = {}
    for rule in RULES:
        if rule.fix.terraform:
            type, body = resource(rule)
            written.setdefault(type, set()).update(name for name, _ in arguments(body))
    assert {type: set(names) for type, names in AZURERM.items() if type.startswith("azurerm_") and names} == written
    unused = {each for each in (*TERRAFORM["replaces"], *TERRAFORM["in_place"]) if not _is_written(each, written)}
    assert unused | set(TERRAFORM["added"]["names"]) - set(written) == set()


def _is_written(argument: str, written: dict[str, set[str]]) -> bool:
    type, _, path = argument.partition(".")
    return any(f"{name}.".startswith(f"{path}.") for name in written.get(type, ()))


FREE = "FoundationalCspm"
"""The plan that costs nothing, and that the provider of Terraform does not know."""
PLANS = [rule for rule in RULES if rule.fix.az.startswith("az security pricing create") and FREE not in rule.fix.az]


@pytest.mark.parametrize("id", [rule.id for rule in PLANS])
def test_a_defender_plan_is_switched_on_with_a_sub_plan_that_azure_accepts(id: str) -> None:
    fix = examples.rules().rules[id].fix
    plan = re.findall(r"--name (\w+)", fix.az)[0]
    wanted = SUB_PLANS.get(plan, "")
    pricing = f"providers/Microsoft.Security/pricings/{plan} properties"
    changed = {f"{pricing}.pricingTier": "Standard"} | ({f"{pricing}.subPlan": wanted} if wanted else {})
    assert dict(fix.change) == changed
    assert (
        re.findall(r"--subplan (\w+)", fix.az) == re.findall(r"subPlan: '(\w+)'", fix.bicep) == [wanted][: bool(wanted)]
    )
    body = resource(examples.rules().rules[id])[1]
    assert {name: text.strip('"') for name, text in body.items() if not name.startswith("__")} == {
        "tier": "Standard",
        "resource_type": plan,
        **({"subplan": wanted} if wanted else {}),
    }
    assert "bills" in fix.impact
