"""Fixes applied as overlays: a fix's changes on the bodies of an example, which is then evaluated again."""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from scanner.document.schema import FindingRow, FixRow
from scanner.evaluate.results import BundleResult
from scanner.evaluate.trials import edited
from scanner.fix.checked import unchecked
from scanner.model.fix import Change, Deletion, Edit, Fix
from scanner.model.ids import is_subscription, root_of, type_of
from scanner.model.index import Index, is_indexed
from scanner.model.resource import Bundle, Resource
from tests.rules import examples
from tests.rules.examples import Case
from tests.rules.verdicts import ORDER, exposures, statuses

FIELD_VALUES = {
    "YOUR_RANGE": "20.31.7.9/32",
    "ORIGIN": "https://portal.contoso.com",
    "KEY_URI": "https://vault.example/keys/sample",
    "KEY_VERSION_URI": "https://vault.example/keys/sample/0123456789abcdef0123456789abcdef",
    "VAULT_URI": "https://vault.example/",
    "KEY_NAME": "sample",
    "RESOURCE_GROUP": "rg-alerts",
    "ACTION_GROUP_ID": "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg-alerts/providers/"
    "Microsoft.Insights/actionGroups/ag-drift",
    "DISK_ENCRYPTION_SET_ID": "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg-example/providers/"
    "Microsoft.Compute/diskEncryptionSets/des",
    "CLIENT_ID": "c1000000-0000-4000-8000-000000000001",
    "TENANT_ID": examples.TENANT,
    "WAF_POLICY_ID": "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/"
    "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/main",
    "WORKSPACE_ID": "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg-logs/providers/"
    "Microsoft.OperationalInsights/workspaces/log-central",
    "WORKSPACE_GUID": "10000000-0000-4000-8000-00000000000c",
}
"""What is put into fields: an address of one machine is narrow, whatever the settings."""


def with_values(value: Any) -> Any:
    """Return a value with its fields filled in."""
    if isinstance(value, dict):
        return {key: with_values(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_values(each) for each in value]
    if not isinstance(value, str) or "<" not in value:
        return value
    for name, text in FIELD_VALUES.items():
        value = value.replace(f"<{name}>", text)
    return value


def overlaid(bundle: Bundle, steps: tuple[Change, ...]) -> Bundle:
    """Return a copy of a bundle with changes; what does not exist yet is made, and counted as read."""
    made = Bundle(bundle.id, reads=dict(bundle.reads), skips=dict(bundle.skips), gaps=dict(bundle.gaps))
    gone = {each.resource.lower() for each in steps if isinstance(each, Deletion)}
    changes = [each for each in steps if isinstance(each, Edit)]
    for resource in bundle.resources.values():
        if resource.id.lower() in gone:
            made.reads[resource.list_key] = made.reads.get(resource.list_key, 1) - 1
            continue
        body = overlaid_body(resource.body, resource.id, changes)
        made.add(Resource(body, api=resource.api, by=resource.by, bundle=made))
    for each in changes:
        key = each.resource.lower()
        if key.startswith(f"{bundle.id.lower()}/") and not any(known.lower() == key for known in _ids(made)):
            body = {"id": each.resource, "name": each.resource.rsplit("/", 1)[-1], "properties": {}}
            resource = Resource(overlaid_body(body, each.resource, changes), api="", by="get", bundle=made)
            made.add(resource)
            made.reads[resource.key] = 1
            made.reads[resource.list_key] = made.reads.get(resource.list_key, 0) + 1
    return made


def _ids(bundle: Bundle) -> list[str]:
    return [each.id for each in bundle.resources.values()]


def overlaid_body(body: dict[str, Any], id: str, changes: list[Edit]) -> dict[str, Any]:
    for each in changes:
        if each.resource.lower() == id.lower():
            body = edited(body, each._replace(value=with_values(each.value)))
    return body


@dataclass(frozen=True, slots=True)
class Fixed:
    """A finding of an example, and what evaluating the example says once its fix has run."""

    case: Case
    finding: FindingRow
    fix: Fix
    status: str
    closed: frozenset[str]
    """The endpoints that were open and are closed now."""

    @property
    def id(self) -> str:
        return f"{self.case.id}: {self.finding.rule}"


def index_of(case: Case, steps: tuple[Change, ...]) -> Index:
    """Return the index of an example with changes of its resources."""
    changes = [each for each in steps if isinstance(each, Edit)]
    gone = {each.resource.lower() for each in steps if isinstance(each, Deletion)}
    also = [
        overlaid_body(examples.nulls(body), str(body.get("id")), changes)
        for body in case.also
        if str(body.get("id")).lower() not in gone
    ]
    return examples.index_of(replace(case, also=[*also, *_new(case, changes)]))


ACTION_GROUP = {"id": FIELD_VALUES["ACTION_GROUP_ID"], "properties": {"enabled": True, "armRoleReceivers": [{}]}}
"""The action group that a field names: it exists, and notifies someone."""
WORKSPACE = {
    "id": FIELD_VALUES["WORKSPACE_ID"],
    "location": "norwayeast",
    "properties": {"customerId": FIELD_VALUES["WORKSPACE_GUID"]},
}
"""The workspace that two fields name: it exists, and receives logs."""


WAF_POLICY = {
    "id": FIELD_VALUES["WAF_POLICY_ID"],
    "properties": {
        "policySettings": {"state": "Enabled", "mode": "Prevention"},
        "customRules": [],
        "managedRules": {"managedRuleSets": [{"ruleSetType": "Microsoft_DefaultRuleSet", "ruleSetVersion": "2.1"}]},
    },
}
"""The policy that a field names: it exists, and blocks."""


NEW_FLOW_LOG = re.compile(r"'(flow-[\w{}-]+)'")
"""The name of a flow log that a command makes."""


def _new(case: Case, changes: list[Edit]) -> list[dict[str, Any]]:
    """Return what changes make or name beside the example: in the bundles of subscriptions, and in the index."""
    known = {str(body.get("id")).lower() for body in case.also}
    new = dict.fromkeys(each.resource for each in changes if each.resource.lower() not in known)
    fields = {"<ACTION_GROUP_ID>": ACTION_GROUP, "<WORKSPACE_": WORKSPACE, "<WAF_POLICY_ID>": WAF_POLICY}
    named = [body for field, body in fields.items() if field in str(changes)]
    named += [{"id": each, "properties": {"enabled": True}} for each in set(NEW_FLOW_LOG.findall(str(changes)))]
    return named + [
        overlaid_body({"id": id, "name": id.rsplit("/", 1)[-1], "properties": {}}, id, changes)
        for id in new
        if (root_of(id) in known and is_subscription(root_of(id))) or is_indexed(type_of(id))
    ]


def fixed(case: Case) -> list[Fixed]:
    """Return the failures of an example whose fix can be applied to its bodies, each evaluated again."""
    bundle_result = examples.result(case)
    rows = [row for row in bundle_result.findings if row.status == "fail"]
    return [_fixed(case, row, bundle_result) for row in rows]


def _fixed(case: Case, row: FindingRow, bundle_result: BundleResult) -> Fixed:
    fix = bundle_result.fixes[row.fingerprint]
    bundle = examples.bundle(case)
    if any(isinstance(each, Deletion) and each.resource.lower() == bundle.id.lower() for each in fix.changes):
        closed = frozenset(each.endpoint for each in bundle_result.exposures if each.severity is not None)
        return Fixed(case, row, fix, "gone", closed)
    if not fix.changes:
        return Fixed(case, row, fix, row.status, frozenset())
    after, index = overlaid(bundle, fix.changes), index_of(case, fix.changes)
    asked = statuses([examples.rule_at(row.rule, row.resource)], after, index)
    now = [status for id, _, status in asked if id == row.resource]
    left = exposures(examples.kinds_of(case.type), after, index)
    closed = _closed(bundle_result, {(each.endpoint, each.address) for each in left if each.severity is not None})
    return Fixed(case, row, fix, min(now, key=ORDER.index, default="gone"), closed)


def status_of(result: BundleResult, row: FindingRow) -> str:
    """Return the status of the same check in another result; "gone" where what it was about is gone."""
    for each in result.findings:
        if each.fingerprint == row.fingerprint:
            return each.status
    if row.rule in result.passed.get(row.resource, ()):
        return "pass"
    return "not-applicable" if row.rule in result.not_applicable.get(row.resource, ()) else "gone"


def closed_between(before: BundleResult, after: BundleResult) -> frozenset[str]:
    """Return the endpoints that were open and are closed in another result."""
    return _closed(before, {(each.endpoint, each.address) for each in after.exposures if each.severity is not None})


def _closed(before: BundleResult, open_now: set[tuple[str, str]]) -> frozenset[str]:
    return frozenset(
        each.endpoint
        for each in before.exposures
        if each.severity is not None and (each.endpoint, each.address) not in open_now
    )


COMPLIANCE = "whether objects lack a key is reported once the service asks for it"
LEFT = {
    "network_watchers: the virtual networks were not listed in whole, and one is in a region without a Network "
    "Watcher: network-watcher-missing": "a network that was not listed may be in another region",
    "traffic_controllers: a gateway whose second WAF policy only detects: agc-no-waf": "which routes use a policy is "
    "in Kubernetes, so with policies that block the rule is inconclusive",
    "apim: an open product whose policy checks a token: apim-api-no-authentication": "operations are not read where a "
    "key is required, and one of them may leave out the policy of the open product",
    "acr: a token with a certificate, and one of an unknown status: acr-token-passwords": "a second token has "
    "an unknown status",
    "appservice: a social login allows anyone: app-no-platform-sign-in": "the social provider stays until the "
    "user removes it",
    "search: search-platform-key-allowed: never set: search-platform-key-allowed": COMPLIANCE,
    "locks: *: search-platform-key-allowed": COMPLIANCE,
    "resource_logs: *: search-platform-key-allowed": COMPLIANCE,
    "governance: a policy that leaves out a group: subscription-no-region-policy": "the example has an assignment "
    "of the same name, whose exclusion stays until the user removes it",
    "governance: a policy for some types only: subscription-no-region-policy": "the example has an assignment of the "
    "same name, whose selectors stay until the user removes them",
    "governance: a policy whose effect is overridden: subscription-no-region-policy": "the example has an assignment "
    "of the same name, whose override stays until the user removes it",
    "governance: a definition of the customer that leaves out a group: subscription-no-region-policy": "the example "
    "has an assignment of the same name, whose exclusion stays until the user removes it",
    "governance: the initiative of Microsoft for sovereignty, of which Allowed locations is overridden: "
    "subscription-no-region-policy": "the example has an assignment of the same name, whose override stays until the "
    "user removes it",
    "governance: an exemption from another assignment: subscription-no-sku-policy": "the exemption stays until the "
    "user removes it",
    "governance: an exemption from the policy on sizes: subscription-no-sku-policy": "the exemption stays until the "
    "user removes it",
    "governance: exemptions may not be read, and no policy limits regions: subscription-no-region-policy": "whether an "
    "exemption leaves something out is not known",
    "governance: the same, overridden by its reference: subscription-no-region-policy": "the example has an assignment "
    "of the same name, whose override stays until the user removes it",
    "machines: open over IPv6 alone: machine-management-port-exposed": "the range that is filled in is one of IPv4",
    "monitoring: one table is short, and another is not known: log-workspace-table-short-retention": "the retention of "
    "the other table is not known",
    "places: a region that no list has does not hide one that is not allowed: cosmos-region-outside": "the other "
    "region is not known",
    "storage: a service whose keys are on by an unknown value, on an account that takes keys: "
    "storage-shared-key-enabled": "the service's own switch has an unknown value",
    "vault_keys: the newest version in use is disabled, and the versions were refused, a vault: "
    "keyvault-key-disabled": "the state of the other version in use is not known",
    "vault_keys: Azure RBAC: a deny assignment, and no role: keyvault-identity-lacks-role": "the deny assignment stays",
    "vault_keys: Azure RBAC: the deny assignments were refused, and no role lets the identity: "
    "keyvault-identity-lacks-role": "the deny assignments are not known",
    "vault_keys: Azure RBAC: an account lacks the role, and another one is not known: "
    "keyvault-identity-lacks-role": "the identity of the other account is not known",
}
"""Failures that stay inconclusive or open once the fix has run, and why."""


@lru_cache
def everything() -> tuple[Fixed, ...]:
    derived = [case for rule in examples.all_rules() for case in examples.of_rule(rule)]
    return tuple(each for case in (*examples.cases(), *derived) for each in fixed(case))


@lru_cache
def by_rule() -> dict[str, list[Fixed]]:
    result = defaultdict(list)
    for each in everything():
        result[each.finding.rule].append(each)
    return dict(result)


def left(each: Fixed) -> bool:
    return each.id in LEFT or f"{each.case.file}: *: {each.finding.rule}" in LEFT


def fix_of(each: Fixed) -> FixRow:
    assert each.finding.fix is not None, each.id
    return each.finding.fix


IN_CAPITALS = re.compile(r"(?<![\w<-])[A-Z][A-Z_]{2,}\b(?!>)")
WORDS = ("SCM", "TLS", "AAD", "POSIX", "DISABLED", "ON", "WDATP", "AES", "GCM", "OFF", "CONNECTION")
READS = re.compile(r"^az( [a-z][a-z0-9-]*)* (show|list|get|list-versions|list-effective-nsg)(\s|$)")


def problems(command: str) -> list[str]:
    """What is wrong with a command as it is printed, behind its check."""
    command = unchecked(command)
    plain = re.sub(r"'[^']*'", "''", command)
    result = [] if re.search(r" --(ids|subscription|id) ", command) else ["names no subscription"]
    result += [f"placeholder {word}" for word in IN_CAPITALS.findall(plain) if word not in WORDS]
    result += ["a brace"] * bool(re.search(r"\{\w+\}", command))
    result += ["only reads"] * bool(READS.match(command))
    result += ["a documentation range"] * bool(re.search(r"203\.0\.113|198\.51\.100|192\.0\.2\.", plain))
    return result
