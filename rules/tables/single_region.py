"""The check that a store has a copy in a second region: a list of regions, or replicas below the resource."""

from scanner.model.index import Index
from scanner.model.json_paths import spelled, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, not_returned_or_unknown


def replicated(resource: Resource, index: Index, *, replicas: Read) -> Verdict:
    """Fail where a resource has no replica. `replicas`: the read that lists them."""
    if not replicas.needed(resource):
        return NotApplicable(Message("this tier has no replicas"))
    location = resource.location
    if not location:
        raise not_returned_or_unknown("location")
    children = resource.children(replicas)
    others = [each.location for each in children if each.location and each.location != location]
    if others:
        return Pass((Evidence(f"{replicas.path}[].location", others),))
    children.all()
    return Fail(
        (Evidence(replicas.path, [each.location for each in children], Message("a replica in a second region")),)
    )


def cosmos_regions(resource: Resource, index: Index) -> Verdict:
    """Fail where a Cosmos DB account has one region."""
    path = "properties.locations"
    value = resource.require(path)
    if not isinstance(value, list) or not value:
        raise Unread(path, Message("Azure returned no items"))
    seen = (
        Evidence(
            f"{path}[].locationName",
            [spelled(value_at(each, "locationName")) for each in value],
            Message("two or more"),
        ),
    )
    return Pass(seen) if len(value) > 1 else Fail(seen)
