"""Endpoints and their two locks: who can connect (reach), and which credential a caller needs (authentication)."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.addresses import AddressSet
from scanner.model.fix import Cause, Fix
from scanner.model.json_paths import MISSING, is_absent, same
from scanner.model.levels import LOCKS, Auth, EndpointKind, Level, Reach, cell
from scanner.model.message import NOTHING, Message
from scanner.model.once import once
from scanner.model.resource import Resource
from scanner.model.severity import Severity
from scanner.model.verdict import ABSENT, Evidence, Unread, not_returned, unknown_value


class Hop(Struct, frozen=True):
    """One step of the way to an endpoint."""

    kind: str
    name: str
    detail: Message = NOTHING
    resource: str = ""
    allows: bool | None = True
    """True allows, False blocks, None could not be read."""


Chain = tuple[Hop, ...]
"""Gateways one behind the other, from the outside to the endpoint."""


class Grant(Struct, frozen=True):
    """Access that is certain: its level, and the evidence that proves it."""

    level: Level
    evidence: tuple[Evidence, ...] = ()
    description: Message = NOTHING
    """A part of titles, see `access_sentence` ("accepts an access key")."""
    name: str = ""
    """The credential, for lock rules that read only some credentials of an endpoint (`Rule.ways`)."""
    addresses: AddressSet | None = None
    """The addresses that are allowed, where the grant is about addresses; None at reach `internet` is every address."""
    ids: tuple[str, ...] = ()
    """The subnets, private endpoints or subscriptions that are allowed."""
    rules: tuple[tuple[Any, AddressSet], ...] = ()
    """The rules of which `addresses` is the union, each as it was read, with its addresses."""
    cause: Cause | None = None
    """What grants it, None where the fix of the lock rule removes it."""
    components: tuple[tuple[Cause, AddressSet], ...] = ()
    """The causes of a union, each with its addresses."""
    switch: Cause | None = None
    """A setting that closes it too."""
    then: "Lock | None" = None
    """What is granted once the cause is removed, None for nothing of that lock."""

    def __hash__(self) -> int:
        """Hash what is granted alone: the rules and the values of causes may be lists."""
        return hash((self.level, self.description, self.name, self.addresses, self.ids))

    def with_evidence(self, seen: tuple[Evidence, ...], switch: Cause | None = None) -> "Grant":
        """Return the same grant with more evidence, which comes first. `switch`: a setting that closes it too."""
        return Grant(
            self.level,
            (*seen, *self.evidence),
            self.description,
            self.name,
            self.addresses,
            self.ids,
            self.rules,
            self.cause,
            self.components,
            switch or self.switch,
            self.then,
        )


class PossibleGrant(Struct, frozen=True):
    """Access that something unread, or a value that is not known, may add."""

    level: Level
    missing: Unread
    evidence: tuple[Evidence, ...] = ()
    name: str = ""
    addresses: AddressSet | None = None
    ids: tuple[str, ...] = ()


class Lock(Struct, frozen=True, dict=True):
    """One lock of an endpoint, as the set of its grants and possible grants."""

    grants: tuple[Grant, ...] = ()
    possible_grants: tuple[PossibleGrant, ...] = ()
    hops: tuple[Hop, ...] = ()
    admits: tuple[Message, ...] = ()
    """Access that requires an identity by itself (trusted services, resource instances): shown, never counted as
    reach.
    """

    def __or__(self, other: "Lock") -> "Lock":
        if not (other.grants or other.possible_grants or other.hops or other.admits):
            return self
        return Lock(
            self.grants + other.grants,
            self.possible_grants + other.possible_grants,
            self.hops + other.hops,
            self.admits + other.admits,
        )

    def with_name(self, name: str) -> "Lock":
        """Return the same lock with its grants under a name."""
        grants = tuple(replace(each, name=name) for each in self.grants)
        return replace(
            self, grants=grants, possible_grants=tuple(replace(each, name=name) for each in self.possible_grants)
        )

    def with_switch(self, switch: Cause) -> "Lock":
        """Return the same lock with a setting that closes the whole endpoint."""
        return replace(self, grants=tuple(replace(each, switch=switch) for each in self.grants))

    def select(self, names: Iterable[str]) -> "Lock":
        """Return the lock with the grants of these names, and those without a name."""
        known = {"", *names}
        if known.issuperset([each.name for each in self.grants] + [each.name for each in self.possible_grants]):
            return self
        grants = tuple(each for each in self.grants if each.name in known)
        return replace(
            self, grants=grants, possible_grants=tuple(each for each in self.possible_grants if each.name in known)
        )

    @once
    def levels(self) -> tuple[Level, ...]:
        """Return the level of each grant and possible grant."""
        return (*(grant.level for grant in self.grants), *(possible.level for possible in self.possible_grants))

    @once
    def evidence(self) -> tuple[Evidence, ...]:
        """Return the evidence of the grants, the widest grant first, then that of the possible grants."""
        ways = [each.evidence for each in sorted(self.grants, key=lambda each: -each.level)]
        return tuple(seen for listed in (*ways, *(each.evidence for each in self.possible_grants)) for seen in listed)

    def has(self, level: Level) -> bool:
        """Return whether a grant has exactly that level."""
        return any(grant.level == level for grant in self.grants)

    def as_possible(self, missing: Unread) -> "Lock":
        """Return the same lock with every grant as a possible one."""
        possible_grants = tuple(
            PossibleGrant(grant.level, missing, grant.evidence, addresses=grant.addresses, ids=grant.ids)
            for grant in self.grants
        )
        return Lock((), possible_grants + self.possible_grants, self.hops, self.admits)

    @once
    def widest(self) -> Grant | None:
        """Return the widest grant; None without one."""
        return max(self.grants, key=lambda grant: grant.level) if self.grants else None

    @once
    def widest_possible(self) -> PossibleGrant | None:
        """Return the widest possible grant beyond the certain ones; None where none is wider."""
        if not self.possible_grants:
            return None
        widest = self.widest
        wider = [possible for possible in self.possible_grants if widest is None or possible.level > widest.level]
        return max(wider, key=lambda possible: possible.level) if wider else None


NO_GRANT = Lock()


def grant(
    level: Level,
    *evidence: Evidence,
    description: Message = NOTHING,
    hops: Iterable[Hop] = (),
    cause: Cause | None = None,
    then: Lock | None = None,
) -> Lock:
    """Return a lock with one grant."""
    return Lock((Grant(level, evidence, description, cause=cause, then=then),), hops=tuple(hops))


def possible(level: Level, missing: Unread, *evidence: Evidence, hops: Iterable[Hop] = ()) -> Lock:
    """Return a lock with one possible grant, because something was not read."""
    return Lock(possible_grants=(PossibleGrant(level, missing, evidence),), hops=tuple(hops))


IDENTITY = grant(Auth.identity)
SHARED = grant(Auth.shared)
ANONYMOUS = grant(Auth.anonymous)


class Switch(Struct, frozen=True, eq=False):
    """A property of which each known value means a level; an exposure function and a lock rule share it."""

    path: str
    values: Mapping[Any, Level]
    """The known values and their levels."""
    absent: Any = MISSING
    """The value that an absent or null property means; `source` names where Azure documents that. Without `absent` an
    absent property is a possible grant of the widest level. So is a value that is not known, because it may be a new
    one that opens the endpoint.
    """
    source: str = ""
    descriptions: Mapping[Level, Message] = field(default_factory=dict)
    """Parts of titles, by level."""

    def __post_init__(self) -> None:
        if self.absent is not MISSING and not self.source:
            raise TypeError(f"{self.path}: absent= without source=")

    @property
    def widest(self) -> Level:
        return max(self.values.values())

    @property
    def strictest(self) -> Level:
        return min(self.values.values())

    def expected(self) -> Any:
        """Return the first value of the strictest level."""
        return next(value for value, level in self.values.items() if level == self.strictest)

    def level(self, value: Any) -> Level | None:
        """Return the level of a value; None where the value is not known."""
        return next((level for known, level in self.values.items() if same(value, known)), None)

    def lock(self, resource: Resource) -> Lock:
        """Return the lock that the property of this resource sets."""
        value = resource.get(self.path)
        gone = is_absent(value)
        if gone and (self.absent is MISSING or resource.has_no_properties):
            return self._possible(resource, not_returned(self.path))
        lock = None if isinstance(value, list | dict) else _sure(self, value)
        if lock is None:
            return self._possible(resource, unknown_value(self.path, value))
        if gone and resource.api_version_unknown and lock.grants[0].level < self.widest:
            return self._possible(resource, Unread(self.path, Message("missing from a record of unknown API version")))
        if resource.id != resource.bundle.id and (cause := lock.grants[0].cause) is not None:
            return Lock((replace(lock.grants[0], cause=cause.at(resource.id)),))
        return lock

    def _possible(self, resource: Resource, missing: Unread) -> Lock:
        return possible(self.widest, missing, resource.evidence(self.path, self.expected()))


@lru_cache(maxsize=4096, typed=True)
def _sure(switch: Switch, value: Any) -> Lock | None:
    """Return the lock that a value of a switch sets, one object for all resources that have the value; None where it
    is not known.
    """
    gone = is_absent(value)
    level = switch.level(switch.absent if gone else value)
    if level is None:
        return None
    best = switch.expected()
    seen = Evidence(switch.path, ABSENT if value is MISSING else value, best)
    strict = level == switch.strictest
    cause, then = (None, None) if strict else (Cause("", switch.path, value=best), grant(switch.strictest))
    return grant(level, seen, description=switch.descriptions.get(level, NOTHING), cause=cause, then=then)


class EndpointId(NamedTuple):
    """What tells the endpoints of a resource apart."""

    endpoint: str
    address: str = ""
    subject: str = ""
    """The key of the child that it represents."""


class Exposure(Struct, frozen=True, dict=True):
    """An endpoint with its two locks."""

    endpoint: str
    kind: EndpointKind
    reach: Lock
    authentication: Lock
    display_name: Message = NOTHING
    """The begin of its title ("The blob service")."""
    subject: Resource | None = None
    """The child that it represents, as an anonymous container."""
    address: str = ""
    """A host or an address."""
    disabled_reason: Message = NOTHING
    """Why the endpoint is not served; its reach is then `none`."""
    max_severity: Severity | None = None
    """The highest severity of a reach up to `max_severity_up_to`."""
    max_severity_up_to: Reach = Reach.internet
    severity_steps_down: int = 0
    """Lowers every severity by so many steps."""
    counts_as_closed_up_to: Reach = Reach.none
    """A reach up to this counts as closed, because nothing is left to close."""
    justification: Message = NOTHING
    """Reason and source, which a lower or highest severity and what counts as closed need."""
    fixes: Mapping[str, Fix] = field(default_factory=dict)
    """What closes a lock of this endpoint, by category, where it is not the fix of the rule."""
    admits: tuple[Message, ...] = ()
    """Access that requires an identity by itself."""
    hosts: tuple[str, ...] = ()
    """Further host names with the same locks."""
    publishers: tuple[Chain, ...] = ()
    """The gateways and DNS names in front of it, which are no lock."""
    hidden_rules: Message = NOTHING
    """Names rules that only the service itself shows: where nothing else allows a caller, network rules are not
    applicable for that reason.
    """
    further_rules: Unread | None = None
    """Rules that only the service itself shows, where these may allow more callers than those that were read: a reach
    query that finds no network path is then not known."""
    ports: tuple[str, ...] = ()
    """Its ports, where the resource itself says them: see `ResourceType.endpoints`."""
    stopped: bool = False
    """Whether the endpoint answers no one now, because its resource is stopped: see `rules/common.py`, when_started."""

    def __post_init__(self) -> None:
        if (
            self.max_severity is not None or self.severity_steps_down or self.counts_as_closed_up_to
        ) and not self.justification:
            raise TypeError(f"{self.endpoint}: a lower severity needs a justification")

    def __hash__(self) -> int:
        return hash((self.endpoint, self.kind, self.reach, self.authentication, self.address))

    @once
    def id(self) -> EndpointId:
        return EndpointId(self.endpoint, self.address, self.subject.key if self.subject is not None else "")

    def rate(self, auth: Auth, reach: Reach) -> Severity | None:
        """Return the severity of two levels by the table and by the limits of this endpoint; None where it counts as
        closed.
        """
        severity = None if reach <= self.counts_as_closed_up_to else cell(self.kind, auth, reach)
        if severity is not None and self.severity_steps_down:
            severity = severity.lowered(self.severity_steps_down)
        if severity is not None and self.max_severity is not None and reach <= self.max_severity_up_to:
            severity = min(severity, self.max_severity)
        return severity

    @once
    def proven_reach(self) -> Reach | None:
        widest = self.reach.widest
        return None if widest is None else cast("Reach", widest.level)

    @once
    def proven_authentication(self) -> Auth | None:
        widest = self.authentication.widest
        return None if widest is None else cast("Auth", widest.level)

    @once
    def possible_reach(self) -> Reach | None:
        """Return the widest possible reach beyond the proven one; None where there is none."""
        worst = self.reach.widest_possible
        return None if worst is None else cast("Reach", worst.level)

    @once
    def possible_authentication(self) -> Auth | None:
        worst = self.authentication.widest_possible
        return None if worst is None else cast("Auth", worst.level)

    @once
    def severity(self) -> Severity | None:
        """Return the severity of the certain grants; without one for authentication `identity` counts, because
        nothing more is proven.
        """
        reach = self.proven_reach
        return None if reach is None else self.rate(self.proven_authentication or Auth.identity, reach)

    @once
    def worst_severity(self) -> Severity | None:
        """Return the severity with the possible grants added."""
        reach = self.possible_reach if self.possible_reach is not None else self.proven_reach
        auth = self.possible_authentication or self.proven_authentication or Auth.anonymous
        return self.rate(auth, Reach.internet if reach is None else reach)

    @property
    def inconclusive(self) -> bool:
        """Return whether a possible grant raises the severity."""
        severity, worst = self.severity, self.worst_severity
        return worst is not None and (severity is None or worst > severity)


def closed(
    endpoint: str, kind: EndpointKind, why: Message, *evidence: Evidence, display_name: Message = NOTHING
) -> Exposure:
    """Return an endpoint whose feature is off: its reach is `none`, and it counts as closed."""
    hop = Hop("switch", display_name or endpoint, why, allows=False)
    return Exposure(
        endpoint,
        kind,
        grant(Reach.none, *evidence, hops=(hop,)),
        IDENTITY,
        display_name=display_name,
        disabled_reason=why,
    )


def unread(endpoint: str, kind: EndpointKind, missing: Unread, display_name: Message = NOTHING) -> Exposure:
    """Return an endpoint of which neither lock could be read."""
    hop = Hop("switch", display_name or endpoint, missing.why, allows=None)
    authentication = possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
    return Exposure(
        endpoint, kind, possible(Reach.internet, missing, hops=(hop,)), authentication, display_name=display_name
    )


REACH_DESCRIPTIONS: dict[Reach, Message] = {
    Reach.internet: Message("the internet"),
    Reach.azure: Message("any Azure tenant"),
    Reach.wide: Message("broad ranges"),
    Reach.selected: Message("allow-listed networks"),
    Reach.private: Message("private networks only"),
    Reach.none: Message("no network"),
}
"""The callers of each level, as they follow "is reachable from"."""

AUTH_DESCRIPTIONS: dict[Auth, Message] = {
    Auth.anonymous: Message("allows anonymous access"),
    Auth.shared: Message("accepts a shared key or password"),
    Auth.identity: Message("requires Microsoft Entra ID authentication"),
}
AUTH_NAMES: dict[Auth, Message] = {
    Auth.anonymous: Message("none"),
    Auth.shared: Message("shared key or password"),
    Auth.identity: Message("Microsoft Entra ID"),
}
"""The names of the levels as people read them; JSON holds the name of the member."""
_VERBS = tuple(each.split()[0] for each in AUTH_DESCRIPTIONS.values())
_UNKNOWN_AUTH = Message("authentication could not be assessed")


def title(exposure: Exposure) -> Message:
    """Return one sentence: who can reach the endpoint, and which credential it accepts."""
    what = exposure.display_name or exposure.endpoint
    if exposure.disabled_reason:
        return Message("{what} is off: {why}", what=what, why=exposure.disabled_reason)
    reach = exposure.reach.widest
    if exposure.stopped and reach is not None and reach.level:
        source = reach.description or REACH_DESCRIPTIONS[cast("Reach", reach.level)]
        clause = authentication_clause(exposure.authentication.widest)
        return Message(
            "{what} is stopped: would be reachable when started, from {source}; {clause}",
            what=what,
            source=source,
            clause=clause,
        )
    return access_sentence(what, reach, exposure.authentication.widest)


def access_sentence(what: str, reach: Grant | None, authentication: Grant | None, *, plural: bool = False) -> Message:
    """Return the two locks of one endpoint as a sentence without a full stop; `plural`: of several endpoints.

    A description of the authentication that begins with "allows", "accepts" or "requires" continues the sentence; any
    other is a clause of its own.
    """
    if reach is None:
        clause = authentication_clause(authentication, plural=plural)
        if what.partition(" ")[0] in ("The", "A", "An", "Its"):
            return Message("Network access to {what!l} could not be assessed; {clause}", what=what, clause=clause)
        return Message("Network access to {what} could not be assessed; {clause}", what=what, clause=clause)
    source = reach.description or REACH_DESCRIPTIONS[cast("Reach", reach.level)]
    text = authentication_text(authentication)
    if reach.level is Reach.none and not reach.description and not plural and _is_verb_phrase(text):
        # Other languages negate the verb.
        return Message("{what} is reachable from no network and {lock}", what=what, lock=text)
    if not _is_verb_phrase(text):
        if plural:
            return Message("{what} are reachable from {source}; {clause}", what=what, source=source, clause=text)
        return Message("{what} is reachable from {source}; {clause}", what=what, source=source, clause=text)
    if plural:
        return Message("{what} are reachable from {source} and {lock!p}", what=what, source=source, lock=text)
    return Message("{what} is reachable from {source} and {lock}", what=what, source=source, lock=text)


def authentication_text(authentication: Grant | None) -> Message:
    """Return which credential an endpoint accepts: a verb phrase ("allows anonymous access"), or a clause."""
    if authentication is None:
        return _UNKNOWN_AUTH
    return authentication.description or AUTH_DESCRIPTIONS[cast("Auth", authentication.level)]


def authentication_clause(authentication: Grant | None, *, plural: bool = False) -> Message:
    """Return which credential an endpoint accepts, as a clause with a subject ("it allows anonymous access")."""
    text = authentication_text(authentication)
    if not _is_verb_phrase(text):
        return text
    return Message("they {lock!p}", lock=text) if plural else Message("it {lock}", lock=text)


def _is_verb_phrase(text: Message) -> bool:
    """Return whether a description goes on with a verb: the English text decides, because rules are written in it."""
    return text.partition(" ")[0] in _VERBS


Endpoints = Callable[..., Iterable[Exposure]]

__all__ = [
    "ANONYMOUS",
    "AUTH_DESCRIPTIONS",
    "AUTH_NAMES",
    "IDENTITY",
    "LOCKS",
    "NO_GRANT",
    "REACH_DESCRIPTIONS",
    "SHARED",
    "Auth",
    "EndpointKind",
    "Exposure",
    "Grant",
    "Hop",
    "Level",
    "Lock",
    "PossibleGrant",
    "Reach",
    "Switch",
    "access_sentence",
    "authentication_clause",
    "authentication_text",
    "cell",
    "closed",
    "grant",
    "possible",
    "replace",
    "title",
    "unread",
]
