"""Endpoints and their two locks: who can connect (reach), and what a caller must show (authentication)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal, cast

from scanner.model.addresses import AddressSet
from scanner.model.json_paths import MISSING, same
from scanner.model.once import once
from scanner.model.resource import Resource
from scanner.model.verdict import ABSENT, Evidence, Severity, Unread, not_returned, unknown_value


class Reach(IntEnum):
    """Who can open a connection, from narrow to wide (the words of the design)."""

    none = 0
    private = 1
    selected = 2
    wide = 3
    azure = 4
    internet = 5


class Auth(IntEnum):
    """The weakest credential with which a caller gets an answer, from strong to weak."""

    identity = 1
    shared = 2
    anonymous = 3


Level = Reach | Auth
EndpointKind = Literal["data", "admin", "app"]
State = Literal["open", "closed", "waived", "intended"]
LOCKS = ("anonymous-access", "authentication", "network")

_TABLE: dict[tuple[bool, Auth], tuple[Severity | None, ...]] = {
    # (is an app, authentication): internet, azure and wide, selected, private
    (False, Auth.anonymous): (Severity.critical, Severity.critical, Severity.high, Severity.medium),
    (False, Auth.shared): (Severity.high, Severity.high, Severity.medium, Severity.low),
    (False, Auth.identity): (Severity.medium, Severity.medium, None, None),
    (True, Auth.anonymous): (Severity.medium, Severity.medium, Severity.low, None),
    (True, Auth.shared): (Severity.low, Severity.low, None, None),
    (True, Auth.identity): (None, None, None, None),
}
_COLUMN = {Reach.internet: 0, Reach.azure: 1, Reach.wide: 1, Reach.selected: 2, Reach.private: 3}


def cell(kind: EndpointKind, auth: Auth, reach: Reach) -> Severity | None:
    """The severity of an endpoint with these two halves; None where it counts as closed."""
    return None if reach is Reach.none else _TABLE[kind == "app", auth][_COLUMN[reach]]


@dataclass(frozen=True, slots=True)
class Hop:
    """A step on the way in. `allows`: True lets through, False holds, None could not be read."""

    kind: str
    name: str
    detail: str = ""
    resource: str = ""
    allows: bool | None = True


@dataclass(frozen=True, slots=True)
class Grant:
    """A sure way in: how wide, and what was seen that proves it. `description` is a clause for titles ("a key opens it").

    `name` tells it from other ways of the same half, for lock rules that read only some of them (`Rule.ways`).
    `addresses`: the addresses that come in, where it is a matter of addresses (None at reach `internet`: everybody); `ids`:
    the subnets, private endpoints or subscriptions that do. `rules`: the rules that `addresses` is the union of, each
    as it was read, with its addresses.
    """

    level: Level
    evidence: tuple[Evidence, ...] = ()
    description: str = ""
    name: str = ""
    addresses: AddressSet | None = None
    ids: tuple[str, ...] = ()
    rules: tuple[tuple[Any, AddressSet], ...] = field(default=(), compare=False)

    def with_evidence(self, seen: tuple[Evidence, ...]) -> "Grant":
        """The same way, with what was seen before it."""
        return Grant(
            self.level, (*seen, *self.evidence), self.description, self.name, self.addresses, self.ids, self.rules
        )


@dataclass(frozen=True, slots=True)
class PossibleGrant:
    """A way that something unread, or a value that nobody knows, may add."""

    level: Level
    missing: Unread
    evidence: tuple[Evidence, ...] = ()
    name: str = ""
    addresses: AddressSet | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lock:
    """One lock of an endpoint, as the set of its ways: those that are sure, and those that may be there."""

    grants: tuple[Grant, ...] = ()
    possible_grants: tuple[PossibleGrant, ...] = ()
    hops: tuple[Hop, ...] = ()
    admits: tuple[str, ...] = ()
    """Ways in that demand an identity by themselves (trusted services, resource instances): told, never reach."""

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
        """The same half, its ways under a name."""
        grants = tuple(replace(each, name=name) for each in self.grants)
        return replace(
            self, grants=grants, possible_grants=tuple(replace(each, name=name) for each in self.possible_grants)
        )

    def select(self, names: Iterable[str]) -> "Lock":
        """The half without the ways of other names; those without a name stay."""
        known = {"", *names}
        if known.issuperset([each.name for each in self.grants] + [each.name for each in self.possible_grants]):
            return self
        grants = tuple(each for each in self.grants if each.name in known)
        return replace(
            self, grants=grants, possible_grants=tuple(each for each in self.possible_grants if each.name in known)
        )

    @once
    def levels(self) -> tuple[Level, ...]:
        """The level of each way, sure or not."""
        return (*(grant.level for grant in self.grants), *(possible.level for possible in self.possible_grants))

    @once
    def evidence(self) -> tuple[Evidence, ...]:
        """What proves it: the evidence of its widest way first."""
        ways = [each.evidence for each in sorted(self.grants, key=lambda each: -each.level)]
        return tuple(seen for part in (*ways, *(each.evidence for each in self.possible_grants)) for seen in part)

    def has(self, level: Level) -> bool:
        """Whether a sure way has just that level."""
        return any(grant.level == level for grant in self.grants)

    def as_possible(self, missing: Unread) -> "Lock":
        """The same ways, none of them sure."""
        possible_grants = tuple(
            PossibleGrant(grant.level, missing, grant.evidence, addresses=grant.addresses, ids=grant.ids)
            for grant in self.grants
        )
        return Lock((), possible_grants + self.possible_grants, self.hops, self.admits)

    @once
    def widest(self) -> Grant | None:
        """The widest sure way, None where nothing is sure."""
        return max(self.grants, key=lambda grant: grant.level) if self.grants else None

    @once
    def widest_possible(self) -> PossibleGrant | None:
        """The widest way that an unread part could add beyond the sure ones, None where none would."""
        if not self.possible_grants:
            return None
        widest = self.widest
        wider = [possible for possible in self.possible_grants if widest is None or possible.level > widest.level]
        return max(wider, key=lambda possible: possible.level) if wider else None


NO_GRANT = Lock()


def grant(level: Level, *evidence: Evidence, description: str = "", hops: Iterable[Hop] = ()) -> Lock:
    """A half with one sure way."""
    return Lock((Grant(level, evidence, description),), hops=tuple(hops))


def possible(level: Level, missing: Unread, *evidence: Evidence, hops: Iterable[Hop] = ()) -> Lock:
    """A half with one way that may be there, since something was not read."""
    return Lock(possible_grants=(PossibleGrant(level, missing, evidence),), hops=tuple(hops))


IDENTITY = grant(Auth.identity)
SHARED = grant(Auth.shared)
ANONYMOUS = grant(Auth.anonymous)
CLOSED = grant(Reach.none)


@dataclass(frozen=True, slots=True, eq=False)
class Switch:
    """A property whose known values each mean a level; the row that an exposure function and a lock rule share.

    `values` maps known values to levels, `absent` is the value that an absent (or null) property stands for and
    `source` names where Azure documents that; without `absent` an absent property is a doubt. A value that nobody
    knows is never closed: nothing is sure, and the widest of the known levels may be there. `descriptions` are clauses.
    """

    path: str
    values: Mapping[Any, Level]
    absent: Any = MISSING
    source: str = ""
    descriptions: Mapping[Level, str] = field(default_factory=dict)

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
        """The first value that stands for the strictest level."""
        return next(value for value, level in self.values.items() if level == self.strictest)

    def level(self, value: Any) -> Level | None:
        """The level that a value means, None where nobody knows the value."""
        return next((level for known, level in self.values.items() if same(value, known)), None)

    def lock(self, resource: Resource) -> Lock:
        """What the property of this resource says of its lock."""
        value = resource.get(self.path)
        gone = value is MISSING or value is None
        if gone and (self.absent is MISSING or resource.has_no_properties):
            return self._possible(resource, not_returned(self.path))
        lock = None if isinstance(value, list | dict) else _sure(self, value)
        if lock is None:
            return self._possible(resource, unknown_value(self.path, value))
        if gone and resource.api_version_unknown and lock.grants[0].level < self.widest:
            return self._possible(resource, Unread(self.path, "absent in a record of unknown api-version"))
        return lock

    def _possible(self, resource: Resource, missing: Unread) -> Lock:
        return possible(self.widest, missing, resource.evidence(self.path, self.expected()))


@lru_cache(maxsize=4096, typed=True)
def _sure(switch: Switch, value: Any) -> Lock | None:
    """What a value of a switch says, one object for all resources that have it; None where nobody knows the value."""
    gone = value is MISSING or value is None
    level = switch.level(switch.absent if gone else value)
    if level is None:
        return None
    seen = Evidence(switch.path, ABSENT if value is MISSING else value, switch.expected())
    return grant(level, seen, description=switch.descriptions.get(level, ""))


@dataclass(frozen=True)
class Exposure:
    """An endpoint with its two halves.

    `display_name` opens its title ("The blob service"); `subject` is the child that it stands for (an anonymous container);
    `address` a host or an address; `disabled_reason` says why an endpoint is not served at all (reach is then `none`);
    `severity_steps_down` makes every cell so many steps milder, `max_severity` is the highest severity of a reach up to `max_severity_up_to`, and a reach
    up to `counts_as_closed_up_to` counts as closed since nothing is left to close; all three with `justification` (reason and source);
    `fix_instruction` is told in place of a command where this SKU cannot be closed; `admits` are identity-bound ways;
    `hidden_rules` names rules that only the service itself shows: where nothing else lets anybody in, its network rule is not
    applicable, for that reason.
    """

    endpoint: str
    kind: EndpointKind
    reach: Lock
    authentication: Lock
    display_name: str = ""
    subject: Resource | None = None
    address: str = ""
    disabled_reason: str = ""
    max_severity: Severity | None = None
    max_severity_up_to: Reach = Reach.internet
    severity_steps_down: int = 0
    counts_as_closed_up_to: Reach = Reach.none
    justification: str = ""
    fix_instruction: str = ""
    remedies: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Commands that close a lock of just this endpoint, by category; words in braces are filled in as in a `Fix`."""
    admits: tuple[str, ...] = ()
    hidden_rules: str = ""

    def __post_init__(self) -> None:
        if (
            self.max_severity is not None or self.severity_steps_down or self.counts_as_closed_up_to
        ) and not self.justification:
            raise TypeError(f"{self.endpoint}: a lower severity needs a justification")

    def rate(self, auth: Auth, reach: Reach) -> Severity | None:
        """The cell of the table, with what the service argues for."""
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
        """The widest reach that an unread part could add, None where it would add nothing."""
        worst = self.reach.widest_possible
        return None if worst is None else cast("Reach", worst.level)

    @once
    def possible_authentication(self) -> Auth | None:
        worst = self.authentication.widest_possible
        return None if worst is None else cast("Auth", worst.level)

    @once
    def severity(self) -> Severity | None:
        """The cell of the sure ways. Where a half has none, its strongest lock is taken: nothing more is proven."""
        reach = self.proven_reach
        return None if reach is None else self.rate(self.proven_authentication or Auth.identity, reach)

    @once
    def worst_severity(self) -> Severity | None:
        """The cell with what unread parts may add."""
        reach = self.possible_reach if self.possible_reach is not None else self.proven_reach
        auth = self.possible_authentication or self.proven_authentication or Auth.anonymous
        return self.rate(auth, Reach.internet if reach is None else reach)

    @property
    def inconclusive(self) -> bool:
        """Whether an unread part could make this endpoint worse than what is proven."""
        return (self.worst_severity or -1) > (self.severity if self.severity is not None else -1)


def closed(endpoint: str, kind: EndpointKind, why: str, *evidence: Evidence, display_name: str = "") -> Exposure:
    """An endpoint whose feature is off: reach `none`, counted as closed."""
    hop = Hop("switch", display_name or endpoint, why, allows=False)
    return Exposure(
        endpoint,
        kind,
        grant(Reach.none, *evidence, hops=(hop,)),
        IDENTITY,
        display_name=display_name,
        disabled_reason=why,
    )


def unread(endpoint: str, kind: EndpointKind, missing: Unread, display_name: str = "") -> Exposure:
    """An endpoint of which neither lock could be read."""
    hop = Hop("switch", display_name or endpoint, missing.why, allows=None)
    authentication = possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
    return Exposure(
        endpoint, kind, possible(Reach.internet, missing, hops=(hop,)), authentication, display_name=display_name
    )


REACH_DESCRIPTIONS: dict[Reach, str] = {
    Reach.internet: "every address",
    Reach.azure: "every Azure tenant",
    Reach.wide: "large public ranges",
    Reach.selected: "named networks",
    Reach.private: "private networks only",
    Reach.none: "nobody",
}
AUTH_DESCRIPTIONS: dict[Auth, str] = {
    Auth.anonymous: "nothing is asked of the caller",
    Auth.shared: "a copied key or password opens it",
    Auth.identity: "an Entra identity is demanded",
}


def title(exposure: Exposure) -> str:
    """One sentence: what answers whom, and what is asked."""
    what = exposure.display_name or exposure.endpoint
    reach, authentication = exposure.reach.widest, exposure.authentication.widest
    if exposure.disabled_reason:
        return f"{what} is off: {exposure.disabled_reason}"
    if reach is None:
        opening, _, rest = what.partition(" ")
        inner = f"{opening.lower()} {rest}" if opening in ("The", "A", "An", "Its") else what
        answers = f"Who can reach {inner} is not known"
    else:
        answers = f"{what} answers {reach.description or REACH_DESCRIPTIONS[Reach(reach.level)]}"
    says = (
        "what it asks is not known"
        if authentication is None
        else authentication.description or AUTH_DESCRIPTIONS[Auth(authentication.level)]
    )
    return f"{answers}; {says}"


Endpoints = Callable[..., Iterable[Exposure]]

__all__ = [
    "ANONYMOUS",
    "AUTH_DESCRIPTIONS",
    "CLOSED",
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
    "State",
    "Switch",
    "cell",
    "closed",
    "grant",
    "possible",
    "replace",
    "title",
    "unread",
]
