"""What rules read, as RBAC actions; and the smallest role that suffices, as Azure's role definitions are written."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from scanner.content import content
from scanner.errors import InputError
from scanner.model.ids import OF_SUBSCRIPTION, QUOTA_TYPES, SUBSCRIPTION
from scanner.model.index import EXTENSIONS, INDEX_TYPES, LISTED_BY_GROUP
from scanner.model.keys import POOLS, VAULTS
from scanner.model.resource_type import ResourceType
from scanner.model.rule import Rule
from scanner.reach.paths.effective_rules import ACTIONS as EFFECTIVE
from scanner.rulebook.loader import KEY_USERS, RuleSet, load, reads_of
from scanner.rulebook.registered_actions import granted, without

KEY_SETS = "Microsoft.Compute/diskEncryptionSets"
NAME = "Twolocks reader"
DESCRIPTION = "Reads the settings that Twolocks evaluates; no secrets, no writes"
GRAPH = "Microsoft.ResourceGraph/resources/read"
ALWAYS = (
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Management/managementGroups/descendants/read",
    GRAPH,
    "Microsoft.Resources/subscriptions/locations/read",
    "Microsoft.Resources/subscriptions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    *(f"{each}/read" for each in QUOTA_TYPES),
)
"""What finding subscriptions, what is in them and their quotas needs whatever the rules are."""

PLACEHOLDER = "/subscriptions/00000000-0000-0000-0000-000000000000"
GROUP = "/providers/Microsoft.Management/managementGroups/"
_SCOPE = re.compile(
    r"/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/resourceGroups/[\w().-]{1,90})?"
    r"|/providers/Microsoft\.Management/managementGroups/[\w().-]{1,90}",
    re.I,
)
_READ = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)+(/[A-Za-z0-9][A-Za-z0-9_.-]*)+/read", re.ASCII)
"""An action that only reads one type: `Provider.Name/type/.../read`, without `*`."""
_NETWORK = "Microsoft.Network"
_PERIMETER = f"{_NETWORK}/networkSecurityPerimeters"
_PERIMETERS = (
    _PERIMETER,
    f"{_PERIMETER}/profiles",
    f"{_PERIMETER}/profiles/accessRules",
    f"{_PERIMETER}/resourceAssociations",
)
_CHAIN = (
    f"{_NETWORK}/virtualNetworks",
    f"{_NETWORK}/networkSecurityGroups",
    f"{_NETWORK}/networkInterfaces",
    f"{_NETWORK}/effectiveSecurityAdminRules",
    f"{_NETWORK}/publicIPAddresses",
    f"{_NETWORK}/publicIPPrefixes",
    f"{_NETWORK}/loadBalancers",
    f"{_NETWORK}/azureFirewalls",
    f"{_NETWORK}/firewallPolicies",
    f"{_NETWORK}/firewallPolicies/ruleCollectionGroups",
    f"{_NETWORK}/ipGroups",
)
_MANAGERS = f"{_NETWORK}/networkManagers"
_ADMIN_RULES = (
    _MANAGERS,
    f"{_MANAGERS}/networkGroups",
    f"{_MANAGERS}/securityAdminConfigurations",
    f"{_MANAGERS}/securityAdminConfigurations/ruleCollections",
    f"{_MANAGERS}/securityAdminConfigurations/ruleCollections/rules",
)
"""What Resource Graph shows the deployed security admin rules of; that these reads suffice is not verified."""
_SCOPES = ("Microsoft.Insights/privateLinkScopes",)
_ACCESSES = ("Microsoft.Compute/diskAccesses",)
_MORE = {
    "microsoft.app/containerapps": ("Microsoft.App/managedEnvironments",),
    "microsoft.compute/disks": _ACCESSES,
    "microsoft.compute/snapshots": _ACCESSES,
    "microsoft.compute/virtualmachines": _CHAIN,
    "microsoft.containerinstance/containergroups": _CHAIN,
    "microsoft.insights/components": _SCOPES,
    "microsoft.insights/datacollectionendpoints": _SCOPES,
    "microsoft.network/networksecuritygroups": (*_CHAIN, f"{_NETWORK}/applicationGateways"),
    "microsoft.operationalinsights/workspaces": _SCOPES,
    "microsoft.sql/managedinstances": _CHAIN,
    "microsoft.web/sites": ("Microsoft.Cdn/profiles", f"{_NETWORK}/frontDoors", "Microsoft.Web/hostingEnvironments"),
}
"""What verdicts on a kind look up among the network resources, beside perimeters."""


def needs(rule: Rule) -> frozenset[str]:
    """The actions without which a rule is inconclusive: of its type, of what it reads below, of what it looks up."""
    wanted = [f"{type}/read" for type in rule.resource_type.types]
    wanted += [action for child in reads_of(rule) for action in child.actions]
    return frozenset(wanted) | looks(rule)


def looks(rule: Rule) -> frozenset[str]:
    """The actions of the index that a verdict hangs on. They count in every subscription, as the index spans them all.

    Rather too many than too few: of a type with endpoints, the lock rules and all of the category network look there.
    """
    kind, read_actions = rule.resource_type, frozenset(f"{each}/read" for each in _looked_up(rule))
    if not (rule.lock or rule.category == "network"):
        return read_actions
    more = _MORE.get(kind.type.lower(), ())
    types = {*more, *(_PERIMETERS if kind.endpoint_function is not None and more is not _CHAIN else ())}
    extended: list[str] = []
    if {each.lower() for each in types} & EXTENSIONS:
        extended = [GRAPH, f"{_NETWORK}/virtualNetworks/read", *(f"{each}/read" for each in _ADMIN_RULES)]
    return read_actions | {*extended, *(f"{each}/read" for each in types if each.lower() not in EXTENSIONS)}


def _looked_up(rule: Rule) -> Iterator[str]:
    """Yield the types that a rule names, and those of the keys that its row finds."""
    for each in rule.looks_up:
        yield from _key_users() if each == KEY_USERS else (each,)
    if rule.keys is not None:
        yield from (VAULTS, POOLS, *([KEY_SETS] if rule.keys.sets else []))


@lru_cache(maxsize=1)
def _key_users() -> tuple[str, ...]:
    """Return the types whose rows find keys."""
    matches = [type for rule in load(packages=False).rules.values() if rule.keys for type in rule.resource_type.types]
    return tuple(dict.fromkeys(matches))


def looks_at_all(rule: Rule) -> bool:
    """Whether a verdict may hang on any resource of a type, so that one that is not visible leaves it inconclusive."""
    return any(True for _ in _looked_up(rule))


SET_ON_SUBSCRIPTION = frozenset(f"{each}/read" for each in OF_SUBSCRIPTION)
"""The actions (lower case) of lists of what is set on a subscription."""


def of_subscription(rule: Rule) -> frozenset[str]:
    """The actions of a rule that only a role on the whole subscription allows: lists of what is set on it."""
    if rule.resource_type.type == SUBSCRIPTION:
        return needs(rule)
    return frozenset(f"{child.type}/read" for child in reads_of(rule) if child.resource_type.type == SUBSCRIPTION)


def indexed(rules: RuleSet) -> frozenset[str]:
    """The actions of the index: a scan reads it whole, whatever the rules are."""
    beside: list[ResourceType] = [kind for kind in rules.read() if not rules.rules_of(kind)]
    wanted = [f"{type}/read" for kind in beside for type in kind.types]
    wanted += [action for child in rules.looked_up() for action in child.actions]
    return frozenset([*wanted, *(f"{type}/read" for type in INDEX_TYPES if type.lower() not in EXTENSIONS)])


def listed(rules: RuleSet) -> frozenset[str]:
    """The actions with which a scan lists whole subscriptions, where it sees them in full."""
    types = [type for kind in rules.read() for type in kind.types] + list(INDEX_TYPES)
    whole = (each for each in types if each.lower() not in LISTED_BY_GROUP)
    return frozenset(f"{each}/read" for each in whole if each.count("/") == 1)


def actions(rules: RuleSet, effective: bool = False) -> list[str]:
    """The read actions of the enabled rules, sorted; one that differs from another in case only stands once.

    `effective`: with what `scan --effective` asks for; these are no secrets and change nothing either.
    """
    wanted = [action for rule in rules.enabled.values() for action in sorted(needs(rule))]
    wanted += [*sorted(indexed(rules)), *(EFFECTIVE if effective else ())]
    return sorted({action.lower(): action for action in (*wanted, *ALWAYS)}.values(), key=str.lower)


@lru_cache(maxsize=1)
def askable() -> frozenset[str]:
    """The actions (lower case) that the built-in rules and a scan of them ever need: what a role to copy may hold."""
    rules = load(packages=False)
    rules.enabled = dict(rules.rules)
    return frozenset(each.lower() for each in (*actions(rules, effective=True), *listed(rules)))


def of_custom_rules(rules: RuleSet) -> frozenset[str]:
    """The actions (lower case) of rules that the user loaded, which a role to copy may hold too: reads of one type.

    They follow from the types and reads that the rules declare, never from an answer of Azure or a file of findings.
    """
    built_in = str(content("rules"))
    custom = [rule for id, rule in rules.rules.items() if not rules.files[id].startswith(built_in)]
    return frozenset(each.lower() for rule in custom for each in needs(rule) if is_safe(each))


def is_safe(action: str) -> bool:
    """Whether a role to copy may hold an action that a rule needs: it reads one type, or built-in rules need it too."""
    return _READ.fullmatch(action) is not None or action.lower() in askable()


def scope(text: str, at: str = "") -> str:
    """A scope where a role may be assigned, as it was given: a subscription, a group in one, a management group.

    Raises InputError.
    """
    if _SCOPE.fullmatch(text.rstrip("/")) is None:
        raise InputError(
            f'"{text}" is not a scope',
            at=at,
            do=f"write /subscriptions/ID, /subscriptions/ID/resourceGroups/NAME or {GROUP}NAME",
        )
    return text.rstrip("/")


def in_management_group(text: str) -> bool:
    """Whether a scope is a management group."""
    return text.lower().startswith(GROUP.lower())


def role(needed: Sequence[str], scopes: Iterable[str] = (), format: str = "json") -> str:
    """The role that allows what is needed, as `az role definition create`, a Bicep deployment or Terraform takes it.

    It has an action that Azure has not registered as the wildcard that grants it (`registered_actions.py`).
    Raises InputError for two management groups: a custom role names one at most (role-definitions, AssignableScopes).
    A management group stands first, as the role is made there.
    """
    where = sorted(dict.fromkeys(scopes), key=lambda each: not in_management_group(each)) or [PLACEHOLDER]
    groups = [each for each in where if in_management_group(each)]
    if len(groups) > 1:
        raise InputError(
            f"a custom role can have one management group, not {len(groups)}",
            at=f"--scope {groups[1]}",
            do="create one role for each, or use their parent group",
        )
    matches = granted(needed)
    return {"json": _json, "bicep": _bicep, "terraform": _terraform}[format](matches, without(matches), where)


def _json(matches: Sequence[str], excluded: Sequence[str], scopes: list[str]) -> str:
    definition = {
        "Name": NAME,
        "IsCustom": True,
        "Description": DESCRIPTION,
        "Actions": list(matches),
        "NotActions": list(excluded),
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": scopes,
    }
    return json.dumps(definition, indent=2)


def _bicep(matches: Sequence[str], excluded: Sequence[str], scopes: list[str]) -> str:
    other = f"""        notActions: [
{_rows(excluded, 10, _single, "")}
        ]
"""
    level = "managementGroup" if in_management_group(scopes[0]) else "subscription"
    return f"""targetScope = '{level}'

resource twolocks 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {{
  name: guid({level}().id, {_single(NAME)})
  properties: {{
    roleName: {_single(NAME)}
    description: {_single(DESCRIPTION)}
    type: 'CustomRole'
    permissions: [
      {{
        actions: [
{_rows(matches, 10, _single, "")}
        ]
{other if excluded else ""}      }}
    ]
    assignableScopes: [
{_rows(scopes, 6, _single, "")}
    ]
  }}
}}"""


def _terraform(matches: Sequence[str], excluded: Sequence[str], scopes: list[str]) -> str:
    other = f"""    not_actions = [
{_rows(excluded, 6, json.dumps, ",")}
    ]
"""
    return f"""resource "azurerm_role_definition" "twolocks" {{
  name        = {json.dumps(NAME)}
  description = {json.dumps(DESCRIPTION)}
  scope       = {json.dumps(scopes[0])}

  permissions {{
    actions = [
{_rows(matches, 6, json.dumps, ",")}
    ]
{other if excluded else ""}  }}

  assignable_scopes = [
{_rows(scopes, 4, json.dumps, ",")}
  ]
}}"""


def _single(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _rows(words: Iterable[str], indent: int, quote: object, end: str) -> str:
    assert callable(quote)
    return "\n".join(f"{' ' * indent}{quote(word)}{end}" for word in words)
