"""Exemptions from policies: where in a subscription an assignment does not deny what it denies elsewhere.

governance/policy/concepts/exemption-structure: an exemption holds for all that is below its scope, until it expires; one
of an initiative may name the definitions that it is from.
"""

from typing import Any, Final

from msgspec import Struct

from scanner.model.dates import seconds_of
from scanner.model.ids import name_of, segments, type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_text, same
from scanner.model.message import Message
from scanner.model.resource import Children, Resource
from scanner.model.verdict import Evidence, Unread, malformed, not_returned, unknown_value

from .subscription import SUBSCRIPTION

# No stable version has exemptions (azure-rest-api-specs, policy/PolicyExemption.tsp: a preview-only type).
EXEMPTIONS = SUBSCRIPTION.child("providers/Microsoft.Authorization/policyExemptions", api="2022-07-01-preview")
"""The exemptions on the subscription, on what is in it, and on the management groups above it."""

WHOLE: Final = object()
"""In place of the reference of a definition: an assignment of one definition, which every exemption of it is from."""
ASSIGNED: Final = "microsoft.authorization/policyassignments"
_ASSIGNMENT = "properties.policyAssignmentId"
_REFERENCES = "properties.policyDefinitionReferenceIds"
_EXPIRES = "properties.expiresOn"
_TAIL = 4
"""The segments of the id of an exemption after its scope."""


class Exempted(Struct, frozen=True):
    """What one assignment is exempted from. `taken`: the time of the scan."""

    listed: Children
    assigned: Resource
    taken: str

    def why(self, reference: Any = WHOLE) -> Evidence | None:
        """Return an exemption from a definition of the assignment; None without one. `reference`: of the definition, in
        an initiative. Raises Unread where there may be one.
        """
        missing = self.listed.gap
        for each in self.listed:
            try:
                if self._is_from(each, reference):
                    return Evidence(
                        Message("exemption {name}", name=each.name), _scope(each), Message("no exemption that holds")
                    )
            except Unread as unread:
                missing = missing or Unread(
                    Message("exemption {name}: {what}", name=each.name, what=unread.what), unread.why, unread.gap
                )
        if missing is not None:
            raise missing
        return None

    def _is_from(self, each: Resource, reference: Any) -> bool:
        """Return whether an exemption holds, and is from the definition. Raises Unread."""
        of = each.require(_ASSIGNMENT)
        if not isinstance(of, str) or type_of(of).lower() != ASSIGNED:
            raise unknown_value(_ASSIGNMENT, of)
        if segments(of) != segments(_id(self.assigned)):
            return False
        names = each.items(_REFERENCES)
        if reference is not WHOLE and names:
            if not isinstance(reference, str):
                raise not_returned("properties.policyDefinitions[].policyDefinitionReferenceId")
            if not all(isinstance(name, str) for name in names):
                raise malformed(_REFERENCES)
            if not any(same(reference, name) for name in names):
                return False
        return not self._is_over(each)

    def _is_over(self, each: Resource) -> bool:
        expires = each.get(_EXPIRES)
        if is_absent(expires):
            return False
        end = seconds_of(expires) if isinstance(expires, str) else None
        if end is None:
            raise malformed(_EXPIRES)
        now = seconds_of(self.taken)
        if now is None:
            raise Unread(_EXPIRES, Message("the date of the scan is not known"))
        return end <= now


def exempted(subscription: Resource, assigned: Resource, index: Index) -> Exempted:
    """Return what an assignment of a subscription is exempted from."""
    return Exempted(subscription.children(EXEMPTIONS), assigned, index.taken or "")


def _id(assigned: Resource) -> str:
    """Return the id of an assignment as Azure has it: a list of the subscription has those of management groups too,
    below the subscription here.
    """
    scope = known_text(assigned.body, "properties.scope")
    name = name_of(assigned.id).rpartition(":")[2]
    return f"{scope}/providers/Microsoft.Authorization/policyAssignments/{name}"


def _scope(each: Resource) -> str:
    """Return where an exemption is set: the name of a resource group, resource or management group."""
    above, _, _ = each.name.rpartition(":")
    if above:
        return Message("management group {above}", above=above)
    pieces = [segment for segment in each.id.split("/") if segment][:-_TAIL]
    return pieces[-1] if len(pieces) > len(("subscriptions", "id")) else Message("the subscription")
