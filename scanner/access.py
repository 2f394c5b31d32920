"""The smallest role that suffices: what the enabled rules read, as Azure's role definitions are written."""

import json
from collections.abc import Iterable, Sequence

from scanner.index import EXTENSIONS, INDEX_TYPES
from scanner.loader import RuleSet
from scanner.reach.effective import ACTIONS as EFFECTIVE

NAME = "Twolocks reader"
DESCRIPTION = "Reads what Twolocks judges; no secrets, no writes"
ALWAYS = (
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Management/managementGroups/descendants/read",
    "Microsoft.ResourceGraph/resources/read",
    "Microsoft.Resources/subscriptions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
)
"""What finding subscriptions, and what is in them, needs whatever the rules are."""

PLACEHOLDER = "/subscriptions/00000000-0000-0000-0000-000000000000"
FORMATS = ("json", "bicep", "terraform")


def actions(rules: RuleSet, effective: bool = False) -> list[str]:
    """The read actions of the enabled rules, sorted; one that differs from another in case only stands once.

    `effective`: with what `scan --effective` asks for; these are no secrets and change nothing either.
    """
    kinds = rules.read()
    wanted = [f"{type}/read" for kind in kinds for type in kind.types]
    wanted += [action for child in rules.reads() for action in child.actions]
    wanted += [f"{type}/read" for type in INDEX_TYPES if type.lower() not in EXTENSIONS]
    wanted += EFFECTIVE if effective else ()
    return sorted({action.lower(): action for action in (*wanted, *ALWAYS)}.values(), key=str.lower)


def role(found: Sequence[str], scopes: Iterable[str] = (), format: str = "json") -> str:
    """The role as a file that `az role definition create`, a Bicep deployment or Terraform takes."""
    where = list(scopes) or [PLACEHOLDER]
    return {"json": _json, "bicep": _bicep, "terraform": _terraform}[format](found, where)


def _json(found: Sequence[str], scopes: list[str]) -> str:
    definition = {
        "Name": NAME,
        "IsCustom": True,
        "Description": DESCRIPTION,
        "Actions": list(found),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": scopes,
    }
    return json.dumps(definition, indent=2)


def _bicep(found: Sequence[str], scopes: list[str]) -> str:
    return f"""targetScope = 'subscription'

resource twolocks 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {{
  name: guid(subscription().id, {_single(NAME)})
  properties: {{
    roleName: {_single(NAME)}
    description: {_single(DESCRIPTION)}
    type: 'CustomRole'
    permissions: [
      {{
        actions: [
{_rows(found, 10, _single, "")}
        ]
      }}
    ]
    assignableScopes: [
{_rows(scopes, 6, _single, "")}
    ]
  }}
}}"""


def _terraform(found: Sequence[str], scopes: list[str]) -> str:
    return f"""resource "azurerm_role_definition" "twolocks" {{
  name        = {json.dumps(NAME)}
  description = {json.dumps(DESCRIPTION)}
  scope       = {json.dumps(scopes[0])}

  permissions {{
    actions = [
{_rows(found, 6, json.dumps, ",")}
    ]
  }}

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
