"""Azure roles on keys: which role assignments let the identity of a resource use its key in a vault with Azure RBAC."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from msgspec import Struct, field

from scanner.model.fix import Cause
from scanner.model.ids import name_of, segments, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_text, same
from scanner.model.key_uses import KeyUse
from scanner.model.message import NOTHING, Message, joined
from scanner.model.resource import Children, Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    unknown,
    unknown_value,
)

from .role_definitions import (
    ALL,
    ALONE,
    NO_ONE,
    UNWRAP,
    WRAP,
    ByScope,
    CustomRole,
    Denial,
    covering_scope,
    custom_roles,
    denials,
    refused,
)
from .subscription import SUBSCRIPTION
from .vault_keys import MOST, names, unused

RBAC = "properties.enableRbacAuthorization"
ROLE = "properties.roleDefinitionId"
SERVICE_ROLE = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
USE_KEYS: Final = {
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
    SERVICE_ROLE: "Key Vault Crypto Service Encryption User",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
}
"""The built-in roles with the data actions keys/read, keys/wrap/action and keys/unwrap/action of vaults
(role-based-access-control/built-in-roles/security)."""
WITHOUT_KEYS: Final = frozenset(
    {
        # Privileged and general: no data actions
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",  # Owner
        "b24988ac-6180-42a0-ab88-20f7382dd24c",  # Contributor
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",  # Reader
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",  # User Access Administrator
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",  # Role Based Access Control Administrator
        "a8889054-8d42-49c9-bc1c-52486c10e7cd",  # Reservations Administrator
        # Security: no data actions, or others than wrap and unwrap
        "f25e0fa2-a7c8-4377-a976-54943a77a395",  # Key Vault Contributor
        "8b54135c-b56d-4d72-a534-26097cfdc8d8",  # Key Vault Data Access Administrator
        "21090545-7ca7-4776-b22c-e363652d74d2",  # Key Vault Reader
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",  # Key Vault Secrets Officer
        "4633458b-17de-408a-b874-0445c86b69e6",  # Key Vault Secrets User
        "a4417e6f-fecd-4de8-b567-7b0420556985",  # Key Vault Certificates Officer
        "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",  # Key Vault Certificate User
        "08bbd89e-9f13-488c-ac41-acfcb10c90ab",  # Key Vault Crypto Service Release User
        "18500a29-7fe2-46b2-a342-b16a415e101d",  # Managed HSM contributor
        "28bf596f-4eb7-45ce-b5bc-6cf482fec137",  # Locks Contributor
        "fb1c8493-542b-48eb-b624-b4c8fea62acd",  # Security Admin
        "39bc4728-0917-49c7-9d2c-d95423bc2eb4",  # Security Reader
        "ab8e14d6-4a74-4a29-9ba8-549422addade",  # Microsoft Sentinel Contributor
        "8d289c81-5878-46d4-8554-54e1e3d8b5cb",  # Microsoft Sentinel Reader
        "3e150937-b8fe-4cfb-8069-0eaf05ecd056",  # Microsoft Sentinel Responder
        # Monitor, networking, compute, identity, management and governance: no data actions of vaults
        "43d0d8ad-25c7-4714-9337-8ba259a9fe05",  # Monitoring Reader
        "749f88d5-cbae-40b8-bcfc-e573ddc772fa",  # Monitoring Contributor
        "3913510d-42f4-4e42-8a64-420c390055eb",  # Monitoring Metrics Publisher
        "92aaf0da-9dab-42b6-94a3-d43ce8d16293",  # Log Analytics Contributor
        "73c42c96-874c-492b-b04d-ab87d138a893",  # Log Analytics Reader
        "4d97b98b-1d4f-4787-a291-c67834d212e7",  # Network Contributor
        "b12aa53e-6015-4669-85d0-8515ebb3ae7f",  # Private DNS Zone Contributor
        "befefa01-2a29-4197-83a8-272ff33ce314",  # DNS Zone Contributor
        "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",  # Virtual Machine Contributor
        "de139f84-1756-47ae-9be6-808fbbe84772",  # Website Contributor
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",  # Managed Identity Contributor
        "f1a07417-d97a-45cb-824c-7a7467783830",  # Managed Identity Operator
        "fa23ad8b-c56e-40d8-ac0c-ce449e1d2c64",  # Billing Reader
        "434105ed-43f6-45c7-a02f-909b2ba83430",  # Cost Management Contributor
        "72fafb9e-0641-4937-9268-a91bfd8191a3",  # Cost Management Reader
        "5d58bcaf-24a5-4b20-bdb6-eed9f69fbe4c",  # Management Group Contributor
        "ac63b705-f282-497d-ac71-919bf39d939d",  # Management Group Reader
        "36243c78-bf99-498c-9df9-86d9f8d28608",  # Resource Policy Contributor
        "cfd33db0-3dd1-45e3-aa9d-cdbdf3b6f24e",  # Support Request Contributor
        "4a9ae827-6dc8-4573-8ac7-8239d42aa03f",  # Tag Contributor
        # Storage and containers: data actions of their own services alone
        "5e467623-bb1f-42f4-a55d-6e525e11384b",  # Backup Contributor
        "00c29273-979b-4161-815c-10b084fb9324",  # Backup Operator
        "a795c7a0-d4a2-40c1-ae25-d81f01202912",  # Backup Reader
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",  # Storage Account Contributor
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # Storage Blob Data Owner
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",  # Storage Blob Data Reader
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",  # AcrPull
        "8311e382-0749-4cb8-b61a-304f252e45ec",  # AcrPush
    }
)
"""Built-in roles that do not let anyone unwrap with a key of a vault (role-based-access-control/built-in-roles). Roles that
stand in neither table may: a custom role looks the same in a role assignment."""
VAULT: Final = ("providers", "microsoft.keyvault", "vaults")
IN_GROUP: Final = len(("subscriptions", "id", "resourcegroups", "name"))
PRINCIPAL_TYPE = "properties.principalType"
SPACE = uuid.UUID("7d0c1c5e-2f4b-4b0e-9a51-6c3f8e2d7b90")


def may_use_keys(assignment: Resource) -> bool:
    """Return whether a role assignment may let the identity of a resource use a key: of no person, and on or above a vault.

    Raises Unread.
    """
    if same(assignment.get(PRINCIPAL_TYPE), "User") or _role(assignment) in WITHOUT_KEYS:
        return False
    pieces = segments(known_text(assignment.body, "properties.scope"))
    return pieces[IN_GROUP : IN_GROUP + len(VAULT)] in ((), VAULT)


ROLES = SUBSCRIPTION.child(
    "providers/Microsoft.Authorization/roleAssignments",
    api="2022-04-01",
    always=True,
    matters=may_use_keys,
    keep=("properties.principalId", PRINCIPAL_TYPE, ROLE, "properties.scope", "properties.condition"),
)
"""The role assignments on the subscription, below it, and on the management groups above it, which hold for it too
(role-based-access-control/role-assignments-list-rest: only a filter leaves out those below)."""


def _role(assignment: Resource) -> str:
    return name_of(known_text(assignment.body, ROLE)).lower()


class Assigned(NamedTuple):
    """A role assignment that may let a principal use keys. `covering`: its scope in lower case; "" above subscriptions, None
    where Azure did not return it. `role`: the name of the role. `allows`: the actions on keys that it allows.
    `missing`: why these are not known; "" where they are.
    """

    id: str
    principal: str
    role: str
    covering: str | None
    scope: str
    allows: frozenset[str]
    missing: Message = NOTHING


class Assignments(Struct):
    """The role assignments of a subscription that matter for keys.

    `of`: those of a principal, by its object id and their scope. `shared`: those of groups, by place.
    """

    of: dict[str, ByScope[Assigned]] = field(default_factory=dict)
    shared: dict[str | None, list[Assigned]] = field(default_factory=dict)


def assignments(index: Index, subscription: Resource, children: Children, custom: Children) -> Assignments:
    """Return the role assignments that may let principals use keys, read once for each subscription. `custom`: the
    definitions of custom roles.
    """
    key = ("roles on keys", subscription.key)
    if key not in index.memo:
        known, roles = Assignments(), custom_roles(index, subscription, custom)
        for each in children:
            _add(known, each, roles, custom.gap)
        index.memo[key] = known
    return index.memo[key]  # type: ignore[return-value]


def _add(known: Assignments, each: Resource, roles: Mapping[str, CustomRole], gap: Unread | None) -> None:
    """Add a role assignment. One of which a part is not known may let everyone use every key."""
    try:
        role, scope = _role(each), known_text(each.body, "properties.scope")
        principal = known_text(each.body, "properties.principalId").lower()
        type = known_text(each.body, PRINCIPAL_TYPE).lower()
        name, allows, missing = _allowed(role, roles, gap)
        missing = missing or (_why_unknown(each) if allows else NOTHING)
    except Unread as unread:
        known.shared.setdefault(None, []).append(
            Assigned(each.id, "", "", None, "", NO_ONE, Message("{unread}", unread=unread))
        )
        return
    if not (missing or allows):
        return
    covering = covering_scope(scope)
    if covering is None and scope:
        return
    if covering is None:
        missing = Message("Azure did not return its scope")
    assigned = Assigned(each.id, principal, name, covering, scope, allows, missing)
    known.of.setdefault(principal, ByScope()).add(covering, assigned)
    is_shared = type not in ALONE or not principal
    if is_shared and (missing or allows & {WRAP, UNWRAP}):
        known.shared.setdefault(covering, []).append(assigned)


def _allowed(role: str, roles: Mapping[str, CustomRole], gap: Unread | None) -> tuple[str, frozenset[str], Message]:
    """Return the name of a role, the actions on keys that it allows, and why these are not known."""
    if role in USE_KEYS:
        return USE_KEYS[role], ALL, NOTHING
    custom = roles.get(role)
    if custom is not None:
        return custom.name, custom.allows, custom.missing
    if role in WITHOUT_KEYS:
        return role, NO_ONE, NOTHING
    named = role or Message("without an id")
    why = Message("what the role {role} allows is not read", role=named)
    return named, NO_ONE, why if gap is None else Message("{why}: {gap}", why=why, gap=gap.why)


def _why_unknown(each: Resource) -> Message:
    """Return why it is not known whether an assignment holds; "" for one without a condition."""
    condition = each.get("properties.condition")
    if is_absent(condition) and each.why_absent_is_unknown:
        return Message("whether it has a condition is not known")
    return NOTHING if is_absent(condition) or condition == "" else Message("its condition is not evaluated")


def _scopes_of_key(vault: Resource, key: str) -> tuple[str | None, ...]:
    """Return the scopes that a key of a vault lies in, and None for those that are not known."""
    pieces = segments(f"{vault.id}/keys/{key}")
    return ("", *("/" + "/".join(pieces[:end]) for end in range(2, len(pieces) + 1, 2)), None)


def _may_use(known: Assignments, principal: str, scopes: tuple[str | None, ...]) -> Assigned | Message:
    """Return the role assignment at some places that lets a principal use a key; without one, why another may; else ""."""
    assigned = known.of[principal].at(scopes) if principal in known.of else []
    role = next((each for each in assigned if not each.missing and each.allows == ALL), None)
    if role is not None:
        return role
    unsure = next((each.missing for each in assigned if each.missing), NOTHING)
    if unsure:
        return unsure
    together = frozenset[str]().union(*(each.allows for each in assigned))
    if together == ALL:
        return assigned[0]._replace(role=" and ".join(dict.fromkeys(each.role for each in assigned)))
    if together >= {WRAP, UNWRAP}:
        # Built-in roles that allow to read keys and not to unwrap are left out of the snapshot.
        name = assigned[0].role
        return Message("the role {name} does not allow to read the key, which another role may", name=name)
    shared = next((each for scope in scopes for each in known.shared.get(scope, ())), None)
    return NOTHING if shared is None else _why_shared(shared)


def _why_shared(each: Assigned) -> Message:
    """Return why an assignment to others may let an identity use a key."""
    if not each.role:
        return Message("role assignment {id}: {missing}", id=name_of(each.id), missing=each.missing)
    if not each.principal:
        return Message("Azure did not return who may use keys by a role assignment")
    return Message("members of group {principal} may use keys, and who they are is not read", principal=each.principal)


def _uses(vault: Resource, index: Index) -> Iterator[tuple[str, KeyUse]]:
    for key, uses in index.keys.uses(vault, index).items():
        for use in uses:
            yield key, use


def _identity_missing(vault: Resource, use: KeyUse, index: Index) -> Message:
    """Return why the identity that a resource uses in the vault is not known; "" where it is."""
    if not use.principal:
        return Message("its object id is not known")
    subscription_name, other = (index.subscriptions.get(subscription_of(id), "") for id in (use.resource, vault.id))
    if subscription_name and other and subscription_name.lower() != other.lower():
        return Message("it is of another tenant, so that an application of the vault's tenant stands for it")
    return NOTHING


def lacks_role(vault: Resource, index: Index, *, roles: Read, definitions: Read, denied: Read) -> Verdict:
    """Fail where no role assignment lets the identity of a resource use its key.

    A null or absent enableRbacAuthorization means access policies (key-vault/general/access-control-default).
    """
    rbac = vault.get(RBAC)
    if is_absent(rbac) and vault.why_absent_is_unknown:
        return unknown(Unread(RBAC, vault.why_absent_is_unknown))
    if is_absent(rbac) or same(rbac, False):
        return NotApplicable(Message("the vault uses access policies"))
    if not same(rbac, True):
        return unknown(unknown_value(RBAC, rbac))
    uses = list(_uses(vault, index))
    if not uses:
        return unused(index)
    subscription = index.find(f"/subscriptions/{vault.subscription}")
    children, refusing = subscription.children(roles), subscription.children(denied)
    known = Known(
        assignments(index, subscription, children, subscription.children(definitions)),
        denials(index, subscription, refusing),
        _gap(vault, index, children, Message("role assignments")),
        _gap(vault, index, refusing, Message("deny assignments")),
    )
    return _verdict(vault, index, uses, known)


def _gap(vault: Resource, index: Index, children: Children, what: str) -> Unread | None:
    """Return why more assignments may hold for a vault than are known."""
    if children.gap is None and vault.subscription in index.partial:
        return Unread(what, Message("the subscription is visible in part"))
    return children.gap


class Known(NamedTuple):
    """The roles on keys and deny assignments of a subscription, and why more of each may hold."""

    roles: Assignments
    denials: ByScope[Denial]
    gap: Unread | None
    denials_gap: Unread | None

    def use(self, use: KeyUse, scopes: tuple[str | None, ...]) -> Assigned | Message:
        """Return the role assignment that lets an identity use a key; without one, why another may; else ""."""
        principal = use.principal.lower()
        matches = _may_use(self.roles, principal, scopes)
        return (refused(self.denials, principal, scopes) or matches) if isinstance(matches, Assigned) else matches


def _verdict(vault: Resource, index: Index, uses: list[tuple[str, KeyUse]], known: Known) -> Verdict:
    seen: dict[Assigned, list[KeyUse]] = {}
    unsure: dict[Message, list[KeyUse]] = {}
    failing: list[KeyUse] = []
    gap = known.gap
    for key, use in uses:
        result = _identity_missing(vault, use, index) or known.use(use, _scopes_of_key(vault, key))
        if isinstance(result, Assigned):
            seen.setdefault(result, []).append(use)
        elif result or gap is not None:
            unsure.setdefault(result, []).append(use)
        else:
            failing.append(use)
    missing = [
        Unread(Message("the identity of {own}", own=names(key_uses)), why) if why or gap is None else gap
        for why, key_uses in unsure.items()
    ]
    if failing:
        return _fail(vault, failing, missing)
    evidence = [_seen(role, key_uses) for role, key_uses in list(seen.items())[:MOST]]
    missing += [*([known.denials_gap] if known.denials_gap is not None else []), *index.keys.more(index)]
    return unknown(*missing, evidence=evidence) if missing else Pass(tuple(evidence))


def _seen(role: Assigned, uses: list[KeyUse]) -> Evidence:
    name = role.role
    return Evidence(
        f"{role.id} {ROLE}", Message("{name} on {scope}, for {own}", name=name, scope=_on(role.scope), own=names(uses))
    )


def _on(scope: str) -> str:
    """Return what a scope is, in words."""
    pieces = segments(scope)
    if pieces[:1] != ("subscriptions",):
        return Message("management group {scope}", scope=name_of(scope)) if pieces else Message("the tenant")
    words = {2: Message("the subscription"), IN_GROUP: Message("resource group {scope}", scope=name_of(scope))}
    return words.get(len(pieces), name_of(scope))


def _fail(vault: Resource, failing: list[KeyUse], missing: list[Unread]) -> Fail:
    wanted = USE_KEYS[SERVICE_ROLE]
    seen = Evidence(
        Message("role assignments on the key and above it"),
        Message("none for {failing}", failing=names(failing)),
        wanted,
    )
    others = joined("", [Message(" Inconclusive for others: {why}.", why=each.why) for each in missing])
    words = Message(
        "The identity of {failing} has no role that lets it unwrap its key.{others}",
        failing=names(failing),
        others=others,
    )
    principals = dict.fromkeys(each.principal.lower() for each in failing)
    causes = tuple(_assigning(vault, each, position) for position, each in enumerate(principals))
    return Fail((seen,), words, causes=causes)


def _assigning(vault: Resource, principal: str, position: int) -> Cause:
    """Return the role assignment that an identity lacks."""
    name = uuid.uuid5(SPACE, f"{vault.key} {principal}")
    definition = f"/subscriptions/{vault.subscription}/providers/Microsoft.Authorization/roleDefinitions/{SERVICE_ROLE}"
    value = {
        "roleDefinitionId": definition,
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "scope": vault.id,
    }
    id = f"{vault.id}/providers/Microsoft.Authorization/roleAssignments/{name}"
    return Cause(id, "properties", None, value, text=principal, position=position)
