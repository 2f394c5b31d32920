"""Azure RBAC beyond role assignments: what custom roles allow of keys, and the deny assignments that may refuse it."""

from typing import Any, Final, Generic, NamedTuple, TypeVar

from scanner.model.ids import segments
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_objects, known_text, same, value_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Children, Resource
from scanner.model.unread import Unread, malformed

from .subscription import SUBSCRIPTION

READ: Final = "microsoft.keyvault/vaults/keys/read"
WRAP: Final = "microsoft.keyvault/vaults/keys/wrap/action"
UNWRAP: Final = "microsoft.keyvault/vaults/keys/unwrap/action"
ALL: Final = frozenset({READ, WRAP, UNWRAP})
"""The data actions that a service needs on its key, in lower case."""
PERMISSIONS = "properties.permissions"
NO_ONE: Final[frozenset[str]] = frozenset()
EVERYONE: Final = "00000000-0000-0000-0000-000000000000"
"""The id of the principal that stands for all (role-based-access-control/deny-assignments)."""


ALONE: Final = ("user", "serviceprincipal", "device")
"""The types of principals that have no members."""
_ABOVE: Final = ("providers", "microsoft.management", "managementgroups")


def is_custom(definition: Resource) -> bool:
    """Return whether a role definition is one of the customer. Raises Unread."""
    return not same(definition.get("properties.type"), "BuiltInRole")


def may_refuse_keys(denial: Resource) -> bool:
    """Return whether a deny assignment may refuse the use of a key. Raises Unread."""
    return any(allowed(each) for each in known_objects(denial.body, PERMISSIONS))


_ACTIONS = (f"{PERMISSIONS}[].dataActions", f"{PERMISSIONS}[].notDataActions", f"{PERMISSIONS}[].condition")
DEFINITIONS = SUBSCRIPTION.child(
    "providers/Microsoft.Authorization/roleDefinitions",
    api="2022-04-01",
    joined=True,
    filter="type eq 'CustomRole'",
    matters=is_custom,
    keep=("properties.roleName", "properties.type", *_ACTIONS),
)
"""The custom roles that can be assigned on the subscription (role-based-access-control/role-definitions-list). Whether the list
has those that can be assigned on a resource group alone is not documented: one that it lacks is not known."""
DENIALS = SUBSCRIPTION.child(
    "providers/Microsoft.Authorization/denyAssignments",
    api="2022-04-01",
    joined=True,
    matters=may_refuse_keys,
    keep=(
        "properties.denyAssignmentName",
        "properties.scope",
        "properties.principals[].id",
        "properties.principals[].type",
        "properties.excludePrincipals[].id",
        *_ACTIONS,
    ),
)
"""The deny assignments on the subscription, below it and above it: without `$filter` the list has all that hold for something
in it (role-based-access-control/deny-assignments-rest)."""


# What actions include


def includes(pattern: str, action: str) -> bool:
    """Return whether a pattern of actions includes an action (in lower case); `*` is any text."""
    first, *rest = pattern.lower().split("*")
    if not rest:
        return first == action
    last = rest.pop()
    position, end = len(first), len(action) - len(last)
    if not action.startswith(first) or not action.endswith(last) or position > end:
        return False
    for each in rest:
        value = action.find(each, position, end)
        if value < 0:
            return False
        position = value + len(each)
    return True


def allowed(permission: Any) -> frozenset[str]:
    """Return the actions on keys that an entry of permissions includes. Raises Unread for an undocumented form."""
    wanted, but = _patterns(permission, "dataActions"), _patterns(permission, "notDataActions")
    return frozenset(
        each for each in ALL if any(includes(p, each) for p in wanted) and not any(includes(p, each) for p in but)
    )


def _patterns(permission: Any, name: str) -> list[str]:
    value = value_at(permission, name)
    if is_absent(value):
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise malformed(f"{PERMISSIONS}[].{name}")
    return value


# Custom roles


class CustomRole(NamedTuple):
    """A role of the customer: its name, the actions on keys that it allows, and why they are not known."""

    name: str
    allows: frozenset[str]
    missing: Message = NOTHING


def custom_roles(index: Index, subscription: Resource, children: Children) -> dict[str, CustomRole]:
    """Return the custom roles by id in lower case, read once for each subscription."""
    key = ("custom-roles", subscription.key)
    if key not in index.memo:
        index.memo[key] = {each.name.lower(): _custom_role(each) for each in children}
    return index.memo[key]  # type: ignore[return-value]


def _custom_role(definition: Resource) -> CustomRole:
    name = definition.name
    try:
        name = known_text(definition.body, "properties.roleName") or name
        permissions = known_objects(definition.body, PERMISSIONS)
        if not permissions:
            raise Unread(PERMISSIONS, Message("Azure did not return them"))
        allows = frozenset[str]().union(*(allowed(each) for each in permissions))
        if allows and any(known_text(each, "condition") for each in permissions):
            return CustomRole(name, NO_ONE, Message("its condition is not evaluated"))
    except Unread as unread:
        return CustomRole(
            name, NO_ONE, Message("what the role {name} allows is not known: {why}", name=name, why=unread.why)
        )
    return CustomRole(name, allows)


# Scopes and deny assignments


def covering_scope(scope: str) -> str | None:
    """Return a scope in lower case, "" for management groups and the tenant; None for one that holds no vault."""
    pieces = segments(scope)
    if pieces[:1] == ("subscriptions",):
        return "/" + "/".join(pieces)
    return "" if scope and (not pieces or pieces[: len(_ABOVE)] == _ABOVE) else None


Held = TypeVar("Held")


class ByScope(Generic[Held]):
    """What holds at scopes, in the order in which it was added. A subscription may have thousands of assignments."""

    def __init__(self) -> None:
        self._at: dict[str | None, list[tuple[int, Held]]] = {}
        self._count = 0

    def add(self, scope: str | None, held: Held) -> None:
        """Add what holds at a scope; None: at one that is not known."""
        self._at.setdefault(scope, []).append((self._count, held))
        self._count += 1

    def at(self, scopes: tuple[str | None, ...]) -> list[Held]:
        """Return what holds at some scopes."""
        matches = [one for scope in scopes for one in self._at.get(scope, ())]
        return [each for _, each in sorted(matches, key=lambda one: one[0])]


class Denial(NamedTuple):
    """A deny assignment that may refuse the use of keys. `scope`: its scope in lower case; None where it is not known.

    `refuses`: the ids (lower case) of those whom it names; None where it may mean others too. `spares`: the ids of
    those whom it leaves out.
    """

    name: str
    scope: str | None
    refuses: frozenset[str] | None
    spares: frozenset[str] = NO_ONE


def denials(index: Index, subscription: Resource, children: Children) -> ByScope[Denial]:
    """Return the deny assignments that may refuse the use of keys, read once for each subscription."""
    key = ("denials-on-keys", subscription.key)
    if key not in index.memo:
        known = index.memo[key] = ByScope[Denial]()
        for denial in map(_denial, children):
            if denial is not None:
                known.add(denial.scope, denial)
    return index.memo[key]  # type: ignore[return-value]


def _denial(each: Resource) -> Denial | None:
    """Return a deny assignment; None for one that holds for no vault. What is not known of it may refuse everyone."""
    name = each.name
    try:
        if not may_refuse_keys(each):
            return None
        name = known_text(each.body, "properties.denyAssignmentName") or name
        scope = known_text(each.body, "properties.scope")
        if scope and covering_scope(scope) is None:
            return None
        named = known_objects(each.body, "properties.principals")
        spared = known_objects(each.body, "properties.excludePrincipals")
        ids = frozenset(known_text(one, "id").lower() for one in named)
        alone = all(known_text(one, "type").lower() in ALONE for one in named)
        is_known = bool(ids) and alone and not ids & {"", EVERYONE}
        return Denial(
            name,
            covering_scope(scope),
            ids if is_known else None,
            frozenset(known_text(one, "id").lower() for one in spared),
        )
    except Unread:
        return Denial(name, None, None)


def refused(known: ByScope[Denial], principal: str, scopes: tuple[str | None, ...]) -> Message:
    """Return why an identity may be refused a key that lies in some places; "" where no deny assignment may."""
    for each in known.at(scopes):
        is_named = each.refuses is None or principal in each.refuses
        if is_named and principal not in each.spares:
            return Message("deny assignment {name} may refuse it the key", name=each.name)
    return NOTHING
