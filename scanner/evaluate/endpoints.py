"""The exposures of a resource: its exposure function, and what that function did not emit."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from scanner.evaluate.hosts import hosts_of
from scanner.model.exposure import Exposure, unread
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.model.verdict import Unread
from scanner.reach.paths.front_ends import endpoint_keys, publishers


def exposures_of(kind: ResourceType, top: Resource, index: Index) -> tuple[list[Exposure], Exception | None]:
    """Return the exposures of a resource, with their hosts and what publishes them, and the exception that its
    exposure function raised.
    """
    exposures, problem = locks_of(kind, top, index)
    known: dict[str, Any] = {}
    return [_published(_with_hosts(each, kind, top, known), top, index) for each in exposures], problem


def locks_of(kind: ResourceType, top: Resource, index: Index) -> tuple[list[Exposure], Exception | None]:
    """Return the exposures of a resource with their locks alone, and the exception that the function raised.

    Declared endpoints that the function did not emit, and those that only a pattern names, are unread where it stopped
    early. A function that leaves one out otherwise is a ValueError.
    """
    exposures, stop, problem = _emitted(kind, top, index)
    if top.has_no_properties:
        silent = Unread("properties", top.why_absent_is_unknown)
        exposures = [_unproven(each, silent) for each in exposures]
    for each in exposures:
        for one in (*each.reach.possible_grants, *each.authentication.possible_grants):
            one.missing.__traceback__ = None  # its frames hold these exposures: what is no cycle is freed at once
    names, has_stopped = {each.endpoint for each in exposures}, stop is not None or problem is not None
    left = [each for each in kind.endpoint_list if "*" not in each.name and each.name not in names]
    if left and not has_stopped:
        problem = ValueError(f"the exposure function of {kind.type} omitted {', '.join(each.name for each in left)}")
    if has_stopped:  # more endpoints that only a pattern names may come after it
        left += [each for each in kind.endpoint_list if "*" in each.name]
    missing = stop or Unread("endpoints", Message("the exposure function stopped before it"))
    exposures += [unread(each.name, each.kind, missing) for each in left]
    return exposures, problem


def _emitted(kind: ResourceType, top: Resource, index: Index) -> tuple[list[Exposure], Unread | None, Exception | None]:
    """Return what the exposure function emitted, and the Unread or the other exception that it stopped at."""
    exposures: list[Exposure] = []
    if kind.endpoint_function is None:
        return exposures, None, None
    try:
        for exposure in kind.endpoint_function(top, index):
            exposures.append(exposure)  # noqa: PERF402 - what came before a fault is kept
    except Unread as stop:
        return exposures, stop.with_traceback(None), None
    except Exception as error:  # noqa: BLE001 - a rule file may raise anything; its lock rules become errors
        return exposures, None, error
    return exposures, None, None


def _unproven(exposure: Exposure, missing: Unread) -> Exposure:
    """Return the same endpoint with nothing proven, not even that its feature is off."""
    if exposure.disabled_reason:
        return unread(exposure.endpoint, exposure.kind, missing, exposure.display_name)
    return replace(
        exposure, reach=exposure.reach.as_possible(missing), authentication=exposure.authentication.as_possible(missing)
    )


def _with_hosts(exposure: Exposure, kind: ResourceType, top: Resource, known: dict[str, Any]) -> Exposure:
    matches = hosts_of(kind, top, exposure, known)
    return replace(exposure, hosts=matches) if matches != exposure.hosts else exposure


def _published(exposure: Exposure, top: Resource, index: Index) -> Exposure:
    """Return the same endpoint with the front ends that publish it and the DNS names that it has."""
    try:
        keys = (*endpoint_keys(top.id, exposure.kind, exposure.address), *exposure.hosts)
        publisher_index = publishers(index)
        front_ends, chains = publisher_index.publishers(keys), publisher_index.chains(keys)
    except Unread as missing:  # a snapshot that was made without a property of a front end
        front_ends, chains = (Message("not known what publishes it ({missing})", missing=missing),), ()
    if exposure.disabled_reason or not front_ends:
        return exposure
    admits = tuple(dict.fromkeys((*exposure.admits, *front_ends)))
    return replace(exposure, admits=admits, publishers=tuple(dict.fromkeys((*exposure.publishers, *chains))))


def by_subject(rule: Rule, top: Resource, exposures: list[Exposure]) -> Iterator[tuple[Resource, list[Exposure]]]:
    """Yield the endpoints that a lock rule reads: those of the resource, and those of each child that is its subject.

    A rule without a subject reads all of them as the resource's own.
    """
    named = [each for each in exposures if rule.names(each.endpoint)]
    if rule.subject is None:
        yield top, named
        return
    exposures_of_top = [each for each in named if each.subject is None]
    if exposures_of_top:
        yield top, exposures_of_top
    parents, _ = parents_of(rule.subject, top)
    for parent in parents:
        for child in parent.children(rule.subject):
            yield child, [each for each in named if each.subject is not None and each.subject.key == child.key]


def parents_of(subject: Read, top: Resource) -> tuple[list[Resource], list[Unread]]:
    """Return the resources that a read is made below, and the lists above it that were not read."""
    if isinstance(subject.parent, ResourceType):
        return [top], []
    grand, missing = parents_of(subject.parent, top)
    resources: list[Resource] = []
    for parent in grand:
        children = parent.children(subject.parent)
        resources += children.items
        if children.gap is not None:
            missing.append(children.gap)
    return resources, missing
