"""The check of network security perimeters: whether the association of a resource is enforced."""

from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Verdict, unknown
from scanner.reach.services.perimeters import perimeters


def learning(resource: Resource, index: Index, *, configurations: Read | None = None) -> Verdict:
    """Fail where a perimeter of the resource is in Learning mode. `configurations`: the read of its associations."""
    known = perimeters(resource, index, configurations)
    not_enforced = [each for each in known.perimeters if not each.enforced]
    if not_enforced:
        seen = tuple(Evidence(f"{each.id} accessMode", each.mode, "Enforced") for each in not_enforced)
        return Fail(seen, causes=tuple(each.association for each in not_enforced))
    missing = known.missing or known.read_error
    if missing is not None:
        return unknown(missing)
    if not known.perimeters:
        return NotApplicable(Message("it is not in a network security perimeter"))
    return Pass(tuple(Evidence(f"{each.id} accessMode", each.mode, "Enforced") for each in known.perimeters))
