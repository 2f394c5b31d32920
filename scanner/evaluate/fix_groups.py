"""What to change first: what is open by the fix that answers it, those first that answer the most severe."""

from typing import Literal

from msgspec import Struct, field

from scanner.document.schema import ExposureRow, FindingRow, FixRow
from scanner.model.exposure import LOCKS
from scanner.model.ids import name_of, root_of
from scanner.model.severity import SEVERITIES, severity_rank

GROUPS = 200
"""The number of groups that are kept, the first ones, beside those whose fix changes another resource."""
FIRST = 10
"""The number of changes that people are asked to make first."""
SEVERE = ("critical", "high")
Effect = Literal["closed", "lowered", "left", "resolved", "untried"]
Key = tuple[str, str]


class FixGroup(Struct):
    """The open endpoints and the failed findings without an endpoint that one fix answers.

    Title, `endpoint` and fingerprint are those of the most severe one; `endpoint` is "" where that is a finding.
    `by_severity`: how many there are. `answered`: how many the fix answers, by severity: all but those that a trial
    left at theirs. `effects`: how many there are by `effect_on`. `rule_title`: the title of the rule that names the
    most severe one, "" where none does; `rule_rank`: the position of its category in LOCKS.
    """

    resource: str
    fix: FixRow | None
    severity: str
    title: str
    endpoint: str = ""
    fingerprint: str = ""
    by_severity: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    rule_title: str = ""
    rule_rank: int = len(LOCKS)

    @property
    def name(self) -> str:
        return name_of(self.resource)

    @property
    def items(self) -> int:
        """How many endpoints and findings there are."""
        return sum(self.by_severity.values())

    def at_least(self, severity: str) -> int:
        """Return how many endpoints and findings are at a severity or above."""
        return sum(
            number for name, number in self.by_severity.items() if severity_rank(name) <= severity_rank(severity)
        )

    @property
    def severe_answered(self) -> int:
        """The critical and high ones that the fix answers."""
        return 0 if self.fix is None else sum(self.answered.get(name, 0) for name in SEVERE)

    @property
    def order(self) -> tuple[tuple[int, ...], str, str]:
        """What groups are ordered by: critical ones, then high ones that the fix answers, then the worst severity.
        Where there is no fix, all of them.
        """
        counts = self.by_severity if self.fix is None else self.answered
        critical, high, *rest = (-counts.get(name, 0) for name in SEVERITIES)
        return (critical, high, severity_rank(self.severity), *rest), self.resource.lower(), self.fingerprint

    @property
    def lead(self) -> tuple[int, str, str, str]:
        """What decides which endpoint or finding of a group is shown, the least one."""
        return severity_rank(self.severity), self.resource.lower(), self.endpoint, self.fingerprint

    def add(self, row: ExposureRow | FindingRow) -> None:
        """Count an endpoint or a finding."""
        severity, effect = str(row.severity), effect_on(row)
        _count(self.by_severity, severity)
        _count(self.effects, effect)
        if effect != "left":
            _count(self.answered, severity)

    def named_by(self, row: FindingRow) -> None:
        """Take the title of a rule that names the worst endpoint, unless one on an earlier lock gave its own."""
        lock = LOCKS.index(row.category)
        if lock < self.rule_rank and self.endpoint in row.endpoints:
            self.rule_title, self.rule_rank = row.title, lock

    def join(self, other: "FixGroup") -> None:
        """Add the same fix's group of the part that comes next in the document."""
        if other.lead < self.lead:
            self.lead_by(other)
        for mine, theirs in (
            (self.by_severity, other.by_severity),
            (self.answered, other.answered),
            (self.effects, other.effects),
        ):
            for name, number in theirs.items():
                _count(mine, name, number)

    def lead_by(self, other: "FixGroup") -> None:
        """Take what is shown of another group."""
        self.resource, self.fix, self.severity, self.title = other.resource, other.fix, other.severity, other.title
        self.endpoint, self.fingerprint = other.endpoint, other.fingerprint
        self.rule_title, self.rule_rank = other.rule_title, other.rule_rank


def _count(counts: dict[str, int], name: str, number: int = 1) -> None:
    counts[name] = counts.get(name, 0) + number


class FirstChanges(Struct, frozen=True):
    """The changes to make first. `changes`: how many changes answer something critical or high; `answered`: how many
    critical and high endpoints and findings the first ones answer, `severe`: of how many.
    """

    groups: list[FixGroup]
    changes: int
    answered: int
    severe: int


class GroupsFragment(Struct, array_like=True):
    """The groups of a part of a scan. `forgotten`: see `FixGroups`."""

    groups: list[tuple[Key, FixGroup]]
    shared: list[tuple[Key, FixGroup]]
    forgotten: int


class FixGroups(Struct):
    """What is open by the fix that answers it. Of many groups the first ones are kept."""

    _groups: dict[Key, FixGroup] = field(default_factory=dict)
    _shared: dict[Key, FixGroup] = field(default_factory=dict)
    """The groups whose fix changes another resource: more of them may come with any bundle, so all are kept."""
    _of_root: dict[str, list[FixGroup]] = field(default_factory=dict)
    """The groups by the id of the bundle of their resource (lower case)."""
    _forgotten: int = 0
    """How many groups that answer critical or high ones are not kept."""

    def exposure(self, row: ExposureRow) -> None:
        """Add an open endpoint with a severity."""
        self._group(row, row.endpoint).add(row)

    def finding(self, row: FindingRow) -> None:
        """Add a failed finding that is counted itself."""
        self._group(row, "").add(row)

    def _group(self, row: ExposureRow | FindingRow, endpoint: str) -> FixGroup:
        """Return the group of a row; the row is shown where it is the most severe one so far."""
        root, fix = root_of(row.resource), row.fix
        groups = self._shared if fix is not None and fix.shared else self._groups
        if max(len(self._groups), len(self._of_root)) > 2 * GROUPS and root not in self._of_root:
            self._keep_first()  # the groups of each bundle before this one are complete
        key = _key(row, fix)
        group = groups.get(key)
        lead = severity_rank(row.severity), row.resource.lower(), endpoint, row.fingerprint
        if group is None or lead < group.lead:
            made = FixGroup(row.resource, _shown(fix), str(row.severity), row.title, endpoint, row.fingerprint)
            if group is None:
                group = groups[key] = made
            else:
                group.lead_by(made)
            beside = self._of_root.setdefault(root, [])
            if not any(each is group for each in beside):
                beside.append(group)
        return group

    def name(self, row: FindingRow) -> None:
        """Take the title of a failed rule for the groups of its bundle."""
        root = root_of(row.resource)
        for group in self._of_root.get(root, ()):
            if root_of(group.resource) == root:
                group.named_by(row)

    def _keep_first(self) -> None:
        """Forget the groups behind the first ones."""
        ordered = sorted(self._groups.items(), key=lambda each: each[1].order)
        self._forgotten += sum(group.severe_answered > 0 for _, group in ordered[GROUPS:])
        kept = {key for key, _ in ordered[:GROUPS]}
        self._groups = {key: group for key, group in self._groups.items() if key in kept}
        self._of_root = {}
        for group in self._groups.values():
            self._of_root.setdefault(root_of(group.resource), []).append(group)

    def ordered(self) -> list[FixGroup]:
        """Return the groups by `FixGroup.order`, at least the first `GROUPS`."""
        return sorted((*self._groups.values(), *self._shared.values()), key=lambda group: group.order)

    @property
    def severe_changes(self) -> int:
        """How many fixes answer a critical or high endpoint or finding."""
        return self._forgotten + sum(
            group.severe_answered > 0 for group in (*self._groups.values(), *self._shared.values())
        )

    # Parts of a scan

    def fragment(self) -> GroupsFragment:
        return GroupsFragment(list(self._groups.items()), list(self._shared.items()), self._forgotten)

    def join(self, fragment: GroupsFragment) -> None:
        """Add the groups of the part that comes next in the document."""
        self._forgotten += fragment.forgotten
        for key, group in fragment.groups:
            self._groups[key] = group
            self._of_root.setdefault(root_of(group.resource), []).append(group)
        for key, group in fragment.shared:
            known = self._shared.setdefault(key, group)
            if known is not group:
                known.join(group)
        if len(self._groups) > 2 * GROUPS:
            self._keep_first()


def effect_on(row: ExposureRow | FindingRow) -> Effect:
    """Return what a fix does: a trial closed an endpoint, or left it open at a lower severity or at its own; the
    commands resolve a finding; or it was not tried, because it is words or changes what is not known.
    """
    fix = row.fix
    if fix is None:
        return "left"
    if isinstance(row, FindingRow):
        return "resolved" if fix.commands and not fix.steps else "untried"
    after = fix.after.get(row.endpoint)
    if after is None:  # a name on several addresses may be in both lists
        return "closed" if row.endpoint in fix.closes and row.endpoint not in fix.leaves else "untried"
    return "lowered" if severity_rank(after) > severity_rank(row.severity) else "left"


def _key(row: ExposureRow | FindingRow, fix: FixRow | None) -> Key:
    """Return what is equal for rows with the same fix. A command names what it changes; words do not."""
    if fix is not None and fix.commands:
        return "", fix.key
    resource = row.resource.lower()
    if fix is not None:
        return resource, fix.key
    return resource, row.rule if isinstance(row, FindingRow) else row.endpoint


def _shown(fix: FixRow | None) -> FixRow | None:
    """Return what is shown of a fix. What it closes elsewhere is known once every row is written."""
    if fix is None:
        return None
    return FixRow(
        commands=fix.commands, steps=fix.steps, fields=fix.fields, check_first=fix.check_first, impact=fix.impact,
        tier=fix.tier, shared=fix.shared,
    )  # fmt: skip
