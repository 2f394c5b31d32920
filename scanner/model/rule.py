"""What a rule file says: the type, what to read below it, its exposure function, and its rules."""

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from scanner.model.exposure import LOCKS, Auth, EndpointKind, Exposure, Level, Switch
from scanner.model.json_paths import MISSING, same
from scanner.model.resource import Resource
from scanner.model.verdict import Fail, NotApplicable, Pass, Severity, Unknown, Unread, Verdict, unknown

if TYPE_CHECKING:
    from scanner.model.index import Index

CATEGORIES = (
    "anonymous-access",
    "authentication",
    "network",
    "transport",
    "encryption",
    "recovery",
    "residency",
    "governance",
    "logging",
)
SeverityName = Literal["critical", "high", "medium", "low", "info"]
Judge = Callable[[Resource, "Index"], Verdict]
EndpointFunction = Callable[[Resource, "Index"], Iterable[Exposure]]
_J = TypeVar("_J", bound=Judge)


@dataclass(frozen=True, slots=True)
class Fix:
    """How to close it.

    Templates are filled with shell-quoted words: `{name}` and `{id}` of the subject, `{group}`, `{subscription}`
    (its id), `{top}` and `{top_id}` of the top-level resource, `{location}`, `{sku}`; double other braces.
    `breaks` says what may stop working, `first_step` is a reversible command to try before, `cost` orders the locks of
    an endpoint by effort (1 a switch, 2 clients must change, 3 a move). `terraform` is `resource.argument = value`,
    `terraform_page` the provider's page that was read.
    """

    az: str
    breaks: str
    bicep: str = ""
    terraform: str = ""
    terraform_page: str = ""
    portal: str = ""
    first_step: str = ""
    cost: int = 1


def word(text: str) -> str:
    """A name from Azure as one word of a command template: quoted for POSIX shells, its braces left as they are."""
    return shlex.quote(text).replace("{", "{{").replace("}", "}}")


Controls = Mapping[str, tuple[str, ...]]
"""Framework and version to control ids: {"CIS Azure 4.0.0": ("9.3.8",), "MCSB": ("NS-2",)}."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One question to one kind of resource. Lock rules read exposures (`only`), all others have a `judge`.

    `ways` names the credentials that a lock rule reads, where several rules share an endpoint; () reads all.
    """

    id: str
    title: str
    category: str
    kind: "ResourceType"
    why: str
    fix: Fix
    severity: Severity | None = None
    subject: "Read | None" = None
    reads: tuple["Read", ...] = ()
    only: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    judge: Judge | None = None
    controls: Controls = field(default_factory=dict)
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    source: str = ""
    costly: bool = False
    retired_on: str = ""

    @property
    def lock(self) -> bool:
        """Whether it reads exposures, and so is rated by them."""
        return self.judge is None

    @property
    def first_id(self) -> str:
        """The first id that this rule ever had: fingerprints survive a renaming."""
        return self.aliases[0] if self.aliases else self.id

    @property
    def types(self) -> tuple[str, ...]:
        return self.kind.types if self.subject is None else self.subject.types

    def names(self, endpoint: str) -> bool:
        """Whether this lock rule reads that endpoint."""
        return _names(self.only, endpoint)


@lru_cache(maxsize=16384)
def _names(patterns: tuple[str, ...], endpoint: str) -> bool:
    return any(fnmatchcase(endpoint, pattern) for pattern in patterns)


class _Subject:
    """What rules can be about: a top-level type, or the children of one read."""

    _of: "ResourceType"
    _subject: "Read | None"

    def rule(
        self, id: str, category: str, title: str, *, severity: SeverityName, why: str, fix: Fix, **more: Any
    ) -> Callable[[_J], _J]:
        """Make the decorated function (resource, index) -> Verdict a rule. `more`: fields of `Rule`."""

        def register(judge: _J) -> _J:
            self._register(
                Rule(id, title, category, self._of, why, fix, Severity[severity], self._subject, judge=judge, **more)
            )
            return judge

        return register

    def setting(
        self,
        id: str,
        category: str,
        title: str,
        path: str,
        *,
        allowed: tuple[Any, ...],
        bad: tuple[Any, ...] | None = None,
        absent: Any = MISSING,
        source: str = "",
        severity: SeverityName,
        why: str,
        fix: Fix,
        unless: Callable[[Resource], str | None] | None = None,
        **more: Any,
    ) -> Rule:
        """A rule that is one property: passes on an `allowed` value, fails on a `bad` one, else is Unknown.

        For booleans `bad` is the other one. `absent` is the value that an absent property stands for, by `source`;
        without it an absent property is Unknown. `unless(resource)` answers why the rule does not apply, or None.
        """
        if absent is not MISSING and not source:
            raise TypeError(f"{id}: absent= without source=")
        if bad is None:
            bad = tuple(not value for value in allowed if isinstance(value, bool))

        def judge(resource: Resource, index: "Index") -> Verdict:
            reason = unless(resource) if unless is not None else None
            if reason:
                return NotApplicable(reason)
            return judge_value(resource, path, allowed=allowed, bad=bad, absent=absent)

        rule = Rule(
            id,
            title,
            category,
            self._of,
            why,
            fix,
            Severity[severity],
            self._subject,
            judge=judge,
            source=source,
            **more,
        )
        self._register(rule)
        return rule

    def _register(self, rule: Rule) -> None:
        if rule.category not in CATEGORIES:
            raise ValueError(f"{rule.id}: no category {rule.category!r}")
        if rule.category in LOCKS and not rule.lock and rule.severity is not None and rule.severity > Severity.medium:
            raise ValueError(f"{rule.id}: a property rule of {rule.category} is at most medium")
        self._of.rules.append(rule)


def judge_value(
    resource: Resource, path: str, *, allowed: tuple[Any, ...], bad: tuple[Any, ...], absent: Any = MISSING
) -> Verdict:
    """The verdict on one property by its known good and bad values; see `Kind.setting`."""
    seen = resource.evidence(path, allowed[0])
    value = resource.get(path)
    gone = value is MISSING or value is None
    if gone and (absent is MISSING or resource.has_no_properties):
        return unknown(Unread(path, "the answer did not hold it"), evidence=(seen,))
    value = absent if gone else value
    if any(same(value, each) for each in allowed):
        if gone and resource.api_version_unknown:
            return unknown(Unread(path, "absent in a record whose api-version is not known"), evidence=(seen,))
        return Pass((seen,))
    if any(same(value, each) for each in bad):
        return Fail((seen,))
    return Unknown(f"{path}: its value {value!r} is not known", evidence=(seen,))


class Read(_Subject):
    """A read below each resource of its parent: `GET {parent id}/{path}`, a list, or one resource (`one`).

    `when(parent)` says whether it is needed, and needs a source in a comment where it rests on a SKU or kind. `none`:
    error codes that mean "there is none"; `off`: error codes that mean "not on this SKU or kind". `keep`: the paths to
    keep of bodies that carry secrets. `costly`: many requests; off unless a rule that needs it is named. `action`: the
    RBAC action, where it does not follow from the path. `each`: the list says too little, so each row of it is read by
    itself too; one that fails is a gap with the row's own URL, and the row stays as the list had it. `only`: the types
    of its kind that have such children; all of them without. `always`: read wherever its kind is, whether or not a
    rule needs it, since verdicts on others look it up in the index.
    """

    def __init__(
        self,
        parent: "ResourceType | Read",
        path: str,
        api: str,
        *,
        one: bool = False,
        when: Callable[[Resource], bool] | None = None,
        none: Iterable[str] = (),
        off: Iterable[str] = (),
        keep: tuple[str, ...] = (),
        costly: bool = False,
        action: str = "",
        each: bool = False,
        only: tuple[str, ...] = (),
        always: bool = False,
    ) -> None:
        self.parent: ResourceType | Read = parent
        self.path = path.strip("/")
        self.key = f"/{self.path.lower()}"
        self.api = api
        self.one = one
        self.when = when
        self.none = frozenset(none)
        self.off = frozenset(off)
        self.keep = keep
        self.costly = costly
        self.each = each
        self.always = always
        self.type: str = "/".join([parent.type, *self.path.split("/")[::2]])
        self.action = action or f"{self.type}/read"
        self._of = parent if isinstance(parent, ResourceType) else parent._of
        self.tops: tuple[str, ...] = only or (parent.types if isinstance(parent, ResourceType) else parent.tops)
        """The types of its kind below which it is read."""
        self._folded = frozenset(each.lower() for each in only)
        self._subject = self
        self._of.children.append(self)

    def __repr__(self) -> str:
        return f"Child({self.type})"

    @property
    def types(self) -> tuple[str, ...]:
        """Its ARM type below each type of its kind."""
        below = self.type[len(self._of.type) :]
        return tuple(f"{each}{below}" for each in self.tops)

    @property
    def actions(self) -> tuple[str, ...]:
        """The RBAC actions of the read, one below each type of its kind."""
        usual = self.action == f"{self.type}/read"
        return tuple(f"{each}/read" for each in self.types) if usual else (self.action,)

    def child(self, path: str, *, api: str | None = None, **more: Any) -> "Read":
        """A read below each of these."""
        return Read(self, path, api or self.api, **more)

    def needed(self, parent: Resource) -> bool:
        """Whether the verdict hangs on this read; a condition that cannot be decided needs it."""
        if self._folded and parent.type.lower() not in self._folded:
            return False
        if self.when is None:
            return True
        try:
            return self.when(parent)
        except Unread:
            return True


class ResourceType(_Subject):
    """A top-level ARM type (or several that share their rules) at a pinned api-version.

    A type that is nested (`Microsoft.Web/sites/slots`) is listed below each resource of its parent type, and each is a
    bundle of its own.
    """

    def __init__(self, type: str, *also: str, api: str, keep: tuple[str, ...] = ()) -> None:
        self.type = type
        self.types = (type, *also)
        self.api = api
        self.keep = keep
        self.children: list[Read] = []
        self.rules: list[Rule] = []
        self.endpoint_kinds: dict[str, EndpointKind] = {}
        self.endpoint_reads: tuple[Read, ...] = ()
        self.endpoint_function: EndpointFunction | None = None
        self.path_function: Callable[..., Any] | None = None
        self._of = self
        self._subject = None

    def __repr__(self) -> str:
        return f"Kind({self.type})"

    def child(self, path: str, *, api: str | None = None, **more: Any) -> Read:
        """A read below each resource of this type; see `Child`."""
        return Read(self, path, api or self.api, **more)

    def endpoints(
        self,
        *,
        data: tuple[str, ...] = (),
        admin: tuple[str, ...] = (),
        app: tuple[str, ...] = (),
        reads: tuple[Read, ...] = (),
    ) -> Callable[[EndpointFunction], EndpointFunction]:
        """Make the decorated function (resource, index) -> exposures the exposure function of this type.

        Its endpoints by kind, a fixed list: plain names are emitted always, patterns (`blob/*`) any number of times.
        """
        kinds: dict[str, EndpointKind] = {}
        kinds.update(dict.fromkeys(data, "data"))
        kinds.update(dict.fromkeys(admin, "admin"))
        kinds.update(dict.fromkeys(app, "app"))

        def register(function: EndpointFunction) -> EndpointFunction:
            if self.endpoint_function is not None:
                raise ValueError(f"{self.type} has two exposure functions")
            self.endpoint_kinds, self.endpoint_reads, self.endpoint_function = kinds, reads, function
            return function

        return register

    def paths(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make the decorated function tell which paths lead to a resource whose endpoints are ports: (resource,
        topology) -> (paths, what publishes it, what was not read). `twolocks reach` walks them.
        """
        self.path_function = function
        return function

    def lock(
        self,
        id: str,
        category: str,
        title: str,
        *,
        only: tuple[str, ...],
        why: str,
        fix: Fix,
        subject: Read | None = None,
        **more: Any,
    ) -> Rule:
        """A reading of the exposures: anonymous-access, authentication or network, of the endpoints `only` (patterns).

        With `subject` each child of that read is judged, waived and told on its own, by the exposures that name it.
        """
        if category not in LOCKS:
            raise ValueError(f"{id}: {category!r} is no lock")
        rule = Rule(id, title, category, self, why, fix, subject=subject, only=only, **more)
        self._register(rule)
        return rule

    def local_auth(
        self,
        path: str,
        *,
        off: tuple[Any, ...],
        on: tuple[Any, ...],
        absent: Any = MISSING,
        source: str = "",
        says: str = "",
    ) -> Switch:
        """The switch that many types share: with a value of `off` only Entra ID is taken, with one of `on` keys too."""
        levels: dict[Any, Level] = {}
        levels.update(dict.fromkeys(off, Auth.identity))
        levels.update(dict.fromkeys(on, Auth.shared))
        return Switch(path, levels, absent, source, {Auth.shared: says} if says else {})


__all__ = ["CATEGORIES", "Controls", "Fix", "Read", "ResourceType", "Rule", "judge_value", "word"]
