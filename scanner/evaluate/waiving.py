"""What waivers and settings accept of a failed finding, and of the endpoints of a resource."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from scanner.document.schema import WaiverRow
from scanner.evaluate.gaps import ends
from scanner.evaluate.locks import cell_text, named_few
from scanner.evaluate.policy import Failure, Intended, Waivers
from scanner.model.exposure import EndpointId, Exposure
from scanner.model.message import NOTHING, Message, joined
from scanner.model.resource import Resource
from scanner.model.rule import Rule
from scanner.model.severity import Severity


class Acceptance(Struct, frozen=True):
    """What is accepted of a failed finding. `waiver`: who accepted all of it; `lapsed`: the waiver of a part that has
    expired; `message`: the sentences that this adds to the finding's message.
    """

    waiver: WaiverRow | None = None
    lapsed: WaiverRow | None = None
    message: Message = NOTHING


_NOTHING = Acceptance()


def accept_property(
    waivers: Waivers, rule: Rule, subject: Resource, endpoints: Sequence[str], severity: Severity
) -> Acceptance:
    """Return what is accepted of the finding of a property rule, which names these endpoints or none."""
    if not waivers.names(rule):
        return _NOTHING
    tags = tags_of(subject)
    failures = [Failure(name, severity=severity) for name in endpoints or ("",)]
    matches = [(each, waivers.waived(rule, subject.id, tags, each)) for each in failures]
    left = [each for each, waiver in matches if waiver is None]
    if left:
        return _lapsed(waivers, rule, subject, left)
    return Acceptance(min((waiver for _, waiver in matches if waiver), key=ends))


def accept_endpoints(
    waivers: Waivers, rule: Rule, subject: Resource, failing: Iterable[Exposure], intended: Mapping[EndpointId, str]
) -> dict[EndpointId, WaiverRow]:
    """Return who accepted each failing endpoint: a waiver, or the settings."""
    result: dict[EndpointId, WaiverRow] = {}
    is_named = waivers.names(rule)
    if not is_named and not intended:
        return result
    tags = tags_of(subject)
    for each in failing:
        if (reason := intended.get(each.id)) is not None:
            result[each.id] = WaiverRow(reason, "settings", "")
        elif is_named and (waiver := waivers.waived(rule, subject.id, tags, failure_of(each))):
            result[each.id] = waiver
    return result


def accept_lock(
    waivers: Waivers,
    rule: Rule,
    subject: Resource,
    failing: Sequence[Exposure],
    accepted: Mapping[EndpointId, WaiverRow],
    intended: Mapping[EndpointId, str],
) -> Acceptance:
    """Return what is accepted of the finding of a lock rule, by what is accepted of its failing endpoints."""
    left = [each for each in failing if each.id not in accepted]
    if not left:
        return Acceptance(min(accepted.values(), key=ends))
    waived = [each.endpoint for each in failing if each.id in accepted and each.id not in intended]
    message = Message("Accepted: {names}.", names=named_few(waived)) if waived else NOTHING
    return _lapsed(waivers, rule, subject, [failure_of(each) for each in left], message)


def _lapsed(
    waivers: Waivers, rule: Rule, subject: Resource, failures: Iterable[Failure], message: Message = NOTHING
) -> Acceptance:
    """Return the waiver that covered one of these failures and has expired, of several the last to end."""
    if not waivers.names(rule):
        return Acceptance(message=message) if message else _NOTHING
    tags = tags_of(subject)
    waiver_rows = [past for each in failures if (past := waivers.past(rule, subject.id, tags, each))]
    if not waiver_rows:
        return Acceptance(message=message)
    lapsed = max(waiver_rows, key=ends)
    return Acceptance(
        None,
        lapsed,
        joined(
            " ",
            (
                message,
                Message("The waiver of {owner} expired on {expires}.", owner=lapsed.owner, expires=lapsed.expires),
            ),
        ),
    )


def failure_of(exposure: Exposure) -> Failure:
    """Return a failing endpoint as waivers see it."""
    return Failure(exposure.endpoint, exposure.address, cell_text(exposure), exposure.severity)


def tags_of(resource: Resource) -> Mapping[str, str]:
    """Return the tags of a resource, or those of its top-level resource where it has none."""
    top = resource.bundle.top
    return resource.known_tags or (top.known_tags if top is not None else {})


def intended_of(exposures: Iterable[Exposure], top: Resource, entries: Sequence[Intended]) -> dict[EndpointId, str]:
    """Return the reason of each endpoint that the settings declare public."""
    if not entries:
        return {}
    return {
        each.id: entry.reason
        for each in exposures
        for entry in entries
        if entry.covers((each.subject or top).id, each.endpoint) or entry.covers(top.id, each.endpoint)
    }


class AcceptedLocks(Struct):
    """For each lock of an endpoint: whether every rule that is Unknown for it was accepted."""

    locks: dict[tuple[EndpointId, bool], bool] = field(default_factory=dict)
    """Keyed by the endpoint, and whether it is its network lock."""

    def add(self, rule: Rule, inconclusive: Iterable[Exposure], waiver: WaiverRow | None) -> None:
        """Record a rule that is Unknown on these endpoints, and who accepted that."""
        for each in inconclusive:
            lock = each.id, rule.category == "network"
            self.locks[lock] = self.locks.get(lock, True) and waiver is not None

    def has(self, exposure: Exposure) -> bool:
        """Return whether a rule is Unknown for an endpoint."""
        return (exposure.id, True) in self.locks or (exposure.id, False) in self.locks

    def unresolved(self, exposure: Exposure) -> Iterator[str]:
        """Yield the gaps that leave open how bad an endpoint is; "" for a possible grant without a gap that is
        not accepted.
        """
        for is_network, lock in ((True, exposure.reach), (False, exposure.authentication)):
            accepted = self.locks.get((exposure.id, is_network), False)
            yield from (each.missing.gap or "" for each in lock.possible_grants if each.missing.gap or not accepted)
