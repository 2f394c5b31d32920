"""The `az` commands of a rule's fix, with the names of a sample filled in."""

import re
from collections.abc import Iterator

from scanner.fix.joins import join_of
from scanner.fix.placeholders import filled
from scanner.model.fix import RANGE
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.rule import Rule

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
AZ = re.compile(r"\baz [a-z]")


def commands_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield place and text of each command of a rule's fix. A fix that is described in words has none."""
    for type in rule.resource_type.types:
        top = sample(type)
        subject = top if rule.subject is None else below(rule.subject, top)
        for field in ("az", "first_step"):
            template: str = getattr(rule.fix, field)
            if AZ.search(template):
                text = filled(template, subject, top, **_cause(rule, subject))
                yield f"{rule.id}, {field}", with_fields(text)
                yield from ((f"{rule.id}, {field}, two ranges", each) for each in with_two_ranges(text))


FIELD_VALUES = {
    "YOUR_RANGE": "20.31.7.9/32",
    "EXPIRES": "2027-11-30",
    "KEY_URI": "https://sample.vault.azure.net/keys/sample",
    "KEY_VERSION_URI": "https://sample.vault.azure.net/keys/sample/0123456789abcdef0123456789abcdef",
    "TENANT_ID": "00000000-0000-0000-0000-000000000002",
}
"""Values of fields that have a form; every other field gets a word."""
FIELD_TYPES = {
    "NSG_ID": "Microsoft.Network/networkSecurityGroups",
    "WAF_POLICY_ID": "Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies",
    "STORAGE_ID": "Microsoft.Storage/storageAccounts",
    "DISK_ENCRYPTION_SET_ID": "Microsoft.Compute/diskEncryptionSets",
    "PLAN_ID": "Microsoft.Network/ddosProtectionPlans",
    "WORKSPACE_ID": "Microsoft.OperationalInsights/workspaces",
    "IDENTITY_ID": "Microsoft.ManagedIdentity/userAssignedIdentities",
    "ACTION_GROUP_ID": "Microsoft.Insights/actionGroups",
    "RESOURCE_GUARD_ID": "Microsoft.DataProtection/resourceGuards",
    "VNET_SUBNET_ID": "Microsoft.Network/virtualNetworks/subnets",
}
"""The types of the resources that fields name by id."""


def with_fields(command: str) -> str:
    """Return a command with sample values in its fields."""
    return re.sub(r"<([A-Z][A-Z0-9_]*)>", lambda hit: FIELD_VALUES.get(hit[1], _sample_field(hit[1])), command)


def with_two_ranges(text: str) -> Iterator[str]:
    """Yield the commands of a fix that take several ranges, with two of them."""
    commands = text.split(" && ")
    join = join_of(commands)
    for each in commands if join else ():
        if RANGE in each:
            yield from map(with_fields, each.replace(RANGE, join.join((RANGE, "20.31.8.0/28"))).splitlines())


def _sample_field(name: str) -> str:
    """Return a made-up value of a field: an id where its name says so."""
    return sample(FIELD_TYPES[name]).id if name in FIELD_TYPES else f"sample-{name.lower()}"


def _cause(rule: Rule, subject: Resource) -> dict[str, str]:
    """Return sample words for what a rule's command removes."""
    is_port = rule.lock and rule.resource_type.type.startswith("Microsoft.Compute/")
    group = sample("Microsoft.Network/networkSecurityGroups").id
    cause = f"{group}/securityRules/sample" if is_port else f"{subject.id}/sample/sample"
    values = getattr(rule.finder, "instead", None) or {}
    return {"cause": cause, "entry": next(iter(values.values()), cause), "path": "properties.sample", "place": "0"}


def sample(type: str) -> Resource:
    """Return a made-up resource of a type."""
    namespace, *types = type.split("/")
    path = "".join(f"/{each}/sample" for each in types)
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-sample"
    return Resource({"id": f"{group}/providers/{namespace}{path}", "location": "norwayeast"})


def below(child: Read, top: Resource) -> Resource:
    """Return a made-up resource of a read below a top-level one."""
    parent = below(child.parent, top) if isinstance(child.parent, Read) else top
    return Resource({"id": f"{parent.id}/{child.path}" + ("" if child.one else "/sample")})
