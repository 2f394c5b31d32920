"""A rule as a plain value, and the decorator that makes one of a function."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from scanner.model.exposure import LOCKS
from scanner.model.fix import ADD, Change, Deletion, Edit, Field, fields_of
from scanner.model.ids import bundle_of, resource_type_of
from scanner.model.keys import KeyFinder
from scanner.model.message import NOTHING, Message
from scanner.model.once import once
from scanner.model.places import PlaceFinder
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.responsibility import Responsibility, responsibility_of
from scanner.model.rule_row import MergedRow, RuleData, SeverityName
from scanner.model.severity import Severity
from scanner.model.verdict import Verdict

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
_RESOURCE = re.compile(r'^resource "azurerm_(\w+)"', re.MULTILINE)
LEARN = "https://learn.microsoft.com/azure"
Check = Callable[[Resource, "Index"], Verdict]
Controls = Mapping[str, tuple[str, ...]]
"""Framework and version to control ids: {"CIS Azure 4.0.0": ("9.3.8",), "MCSB": ("NS-2",)}."""


class FixTemplate(Struct, frozen=True, kw_only=True, dict=True):
    """The fix of a finding.

    Templates are filled with shell-quoted words: `{name}` and `{id}` of the subject, `{group}`, `{subscription}` (its
    id), `{top}` and `{top_id}` of the top-level resource, `{location}`, `{sku}`. Double other braces. A word in angle
    brackets (`<YOUR_RANGE>`) is a field: what only the user knows; see `fix.FIELDS`. Of a rule with causes also
    `{cause}` (the id), `{entry}`, `{path}` and `{place}` of what is removed.
    """

    az: str
    impact: Message
    """What may stop working."""
    bicep: str = ""
    terraform: str = ""
    """HCL that is shown as it is, for azurerm 5.x: `# ...` stands for arguments that stay, words in capitals for the
    user's own values. Its first lines warn where pasting it replaces the resource.
    """
    portal: Message = NOTHING
    check_first: str = ""
    """A command that only reads."""
    try_first: str = ""
    """A reversible change."""
    cost: int = 1
    """The effort, by which the locks of an endpoint are ordered (1 a switch, 2 clients must change, 3 a move)."""
    steps: tuple[Message, ...] = ()
    """What to do in words, where no single command exists; `az` is then ""."""
    change: Mapping[str, Any] = field(default_factory=dict)
    """What the command changes, by path: "properties.x" of the subject, "config/web properties.x" of what is below it,
    "{top_id}/config/web properties.x" of another resource.
    """
    add: Mapping[str, Any] = field(default_factory=dict)
    """Entries that it adds to the list at a path."""
    delete: str = ""
    """The template of the id that it deletes."""
    unset: Any = None
    """What the property that it changes is where Azure returns none."""
    cannot_undo: Message = NOTHING
    """Why nothing undoes it."""
    undo_source: str = ""
    """The page that says the one or the other."""

    @property
    def first_step(self) -> str:
        """Return the command to run before the fix, "" where there is none."""
        return self.check_first or self.try_first

    @property
    def text(self) -> str:
        """Return the command, or the steps as one text."""
        return self.az or " ".join(self.steps)

    @property
    def terraform_page(self) -> str:
        """Return the name of the provider's page about the resource: `key_vault` of `azurerm_key_vault`."""
        match = _RESOURCE.search(self.terraform)
        return match[1] if match else ""

    @property
    def fields(self) -> tuple[Field, ...]:
        """Return what only the user knows, of the command and the steps."""
        return fields_of((self.az, *self.steps))

    @once
    def _edits(self) -> list[tuple[str, str, Any, bool, Any]]:
        """Return `change` and `add` as edits: what is below the resource, the path, the value, whether it has names,
        the entry.
        """
        changed = [(*_split_target(to), new, "{" in repr(new), None) for to, new in self.change.items()]
        return [*changed, *((*_split_target(to), new, False, ADD) for to, new in self.add.items())]

    def changes(self, subject: Resource, top: Resource) -> Iterator[Change]:
        """Yield what the command changes on a resource."""
        if not (self.change or self.add or self.delete):
            return
        for below, path, new, is_named, entry in self._edits:
            if not below:
                id = subject.id
            elif below.startswith("{"):
                id = below.format_map({"id": subject.id, "top_id": top.id})
            else:
                id = f"{subject.id}/{below}"
            yield Edit(id, path, _named(new, subject) if is_named else new, entry)
        if self.delete:
            yield Deletion(self.delete.format_map({"id": subject.id, "top_id": top.id}))


def _named(value: Any, subject: Resource) -> Any:
    """Return a value with the name and id of the resource for `{name}` and `{id}`."""
    if isinstance(value, dict):
        return {key: _named(each, subject) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each, subject) for each in value]
    return subject.name if value == "{name}" else subject.id if value == "{id}" else value


def _split_target(target: str) -> tuple[str, str]:
    """Return what a key of `change` names below the resource, or the template of another id, and the path."""
    below, _, path = target.rpartition(" ")
    return below, path


def word(text: str) -> str:
    """Return a name from Azure as one word of a command template: quoted for POSIX shells, its braces kept."""
    return shlex.quote(text).replace("{", "{{").replace("}", "}}")


PRODUCT, GENERAL = "{product}", "Resource"
"""The place of a type's name in the title of a rule on many types, and what stands there for all of them."""


class OfMany(Struct, frozen=True, kw_only=True):
    """What makes a rule one of those that a row with many types makes, which share their id."""

    key: str
    """Tells them apart, for good: the first id that the rule had for the type, else `ID:TYPE`."""
    titles: Mapping[str, Message]
    """The title by ARM type (lower case), made of `template`, in which `{product}` is the type."""
    template: str
    products: tuple[str, ...]
    """What is put there."""
    title: str
    fix: FixTemplate
    """`title`, `fix`: those that name no type."""
    was: tuple[str, ...] = ()
    """The ids that it had for this type alone."""

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield each title with the name of the type in it, the one of no type too."""
        yield from ((self.template.replace(PRODUCT, each), each) for each in (GENERAL, *self.products))


class Rule(Struct, frozen=True, kw_only=True, eq=False):
    """One question to one resource type. A lock rule reads exposures (`endpoints`); every other rule has a `check`."""

    id: str
    title: str
    category: str
    resource_type: ResourceType
    why: str
    fix: FixTemplate
    pass_title: str = ""
    severity: Severity | None = None
    subject: Read | None = None
    """The list whose resources are assessed one by one; None assesses the resource itself."""
    reads: tuple[Read, ...] = ()
    endpoints: tuple[str, ...] = ()
    """The endpoints (patterns) whose lock of the rule's category a lock rule reads."""
    credentials: tuple[str, ...] = ()
    """The credentials that a lock rule reads, where several rules share an endpoint. Empty: all."""
    check: Check | None = None
    controls: Controls = field(default_factory=dict)
    control_sets: tuple[str, ...] = ()
    """Names of sets in `controls.toml`. The loader puts their ids into `controls`."""
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    """The ids that it had before, the oldest first."""
    merged: tuple[MergedRow, ...] = ()
    """The rules that became one in it."""
    source: str = ""
    looks_up: tuple[str, ...] = ()
    costly: bool = False
    retired_on: str = ""
    responsible: Responsibility | Literal[""] = ""
    """Who is responsible, where that does not follow from category and types."""
    row: RuleData | None = None
    """The data that the rule was made of, None for a rule of a Python file."""
    finder: PlaceFinder | None = None
    """What finds the places of the mechanism that a rule on residency is about."""
    keys: KeyFinder | None = None
    """What finds the keys of the resource."""
    of_many: OfMany | None = None
    """Set where a row asks many types; each has a rule of its own, and people see all of them as one (`Question`)."""

    def __post_init__(self) -> None:
        """Raise ValueError for a category that does not fit the rule."""
        if self.category not in CATEGORIES:
            raise ValueError(f"{self.id}: unknown category {self.category!r}")
        if self.lock and self.category not in LOCKS:
            raise ValueError(f"{self.id}: {self.category!r} is not a lock")
        if self.category in LOCKS and not self.lock and self.severity is not None and self.severity > Severity.medium:
            raise ValueError(f"{self.id}: the severity of a property rule of {self.category} is at most medium")

    @property
    def lock(self) -> bool:
        """Return whether the rule reads exposures, which then decide its severity."""
        return self.check is None

    @property
    def key(self) -> str:
        """Return what tells it from every other rule: its id, unless it shares that with rules on other types."""
        return self.id if self.of_many is None else self.of_many.key

    def title_at(self, resource_id: str) -> Message:
        """Return its title with the name of the resource's type, where the title has one."""
        if self.of_many is None:
            return Message(self.title)
        type = resource_type_of(bundle_of(resource_id)) or resource_type_of(resource_id)
        return self.of_many.titles.get(type.lower()) or Message(self.title)

    @property
    def old_ids(self) -> tuple[str, ...]:
        """Return every id that it, or a rule that became a part of it, had before: the oldest first."""
        if not self.merged:
            return self.aliases
        return (*(id for each in self.merged for id in each.ids), *self.aliases)

    @property
    def first_id(self) -> str:
        """Return the first id that this rule ever had, so that fingerprints survive a renaming."""
        if self.of_many is not None:
            return self.of_many.key
        return self.old_ids[0] if self.merged or self.aliases else self.id

    @property
    def responsibility(self) -> Responsibility:
        """Return who is responsible for its findings."""
        return self.responsible or responsibility_of(self.category, self.resource_type.types)

    @property
    def types(self) -> tuple[str, ...]:
        """Return the ARM types of its subjects."""
        return self.resource_type.types if self.subject is None else self.subject.types

    def names(self, endpoint: str) -> bool:
        """Return whether this lock rule reads that endpoint."""
        return _names(self.endpoints, endpoint)


class Question(Struct, frozen=True):
    """What people see as one rule: a rule, or those of many types with one id."""

    rules: tuple[Rule, ...]

    @property
    def one(self) -> Rule:
        """Return a rule of it: its type is one of several."""
        return self.rules[0]

    @property
    def id(self) -> str:
        """Return the id that its rules share."""
        return self.one.id

    @property
    def title(self) -> str:
        """Return the title, without the name of a type where it asks several."""
        return self.one.title if self.one.of_many is None else self.one.of_many.title

    @property
    def fix(self) -> FixTemplate:
        """Return the fix, as far as it is that of all types."""
        return self.one.fix if self.one.of_many is None else self.one.of_many.fix

    @property
    def responsibility(self) -> Responsibility:
        """Return who is responsible for its findings."""
        return self.one.responsible or responsibility_of(self.one.category, self.asked)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return the ARM types that it asks."""
        return tuple(dict.fromkeys(type for rule in self.rules for type in rule.resource_type.types))

    @property
    def types(self) -> tuple[str, ...]:
        """Return the ARM types of its subjects."""
        return tuple(dict.fromkeys(type for rule in self.rules for type in rule.types))

    @property
    def references(self) -> tuple[str, ...]:
        """Return the pages about it."""
        return tuple(dict.fromkeys(each for rule in self.rules for each in rule.references))

    @property
    def controls(self) -> Controls:
        """Return the control ids of its rules."""
        result: dict[str, tuple[str, ...]] = {}
        for rule in self.rules:
            for framework, ids in rule.controls.items():
                result[framework] = tuple(dict.fromkeys((*result.get(framework, ()), *ids)))
        return result

    @property
    def costly(self) -> bool:
        """Return whether it is off for every type unless it is named."""
        return all(rule.costly for rule in self.rules)

    @property
    def old_ids(self) -> tuple[str, ...]:
        """Return every id that it had before, for all types or for one."""
        return tuple(dict.fromkeys(old for rule in self.rules for old in rule.old_ids))


def questions(rules: Iterable[Rule]) -> dict[str, Question]:
    """Return rules by their ids, in their order; those of many types together."""
    result: dict[str, list[Rule]] = {}
    for rule in rules:
        result.setdefault(rule.id, []).append(rule)
    return {id: Question(tuple(each)) for id, each in result.items()}


@lru_cache(maxsize=16384)
def _names(patterns: tuple[str, ...], endpoint: str) -> bool:
    return any(fnmatchcase(endpoint, pattern) for pattern in patterns)


def subject_of(of: ResourceType | Read) -> tuple[ResourceType, Read | None]:
    """Return the resource type of a rule about `of`, and the list whose resources it assesses one by one.

    A rule about a single child assesses the child's parent.
    """
    if isinstance(of, ResourceType):
        return of, None
    return subject_of(of.parent) if of.one else (of.resource_type, of)


def rule(
    of: ResourceType | Read,
    id: str,
    *,
    title: str,
    category: str,
    severity: SeverityName,
    why: str,
    fix: FixTemplate,
    pass_title: str = "",
    controls: str | tuple[str, ...] | Controls = (),
    learn: str | tuple[str, ...] = (),
    references: tuple[str, ...] = (),
    reads: tuple[Read, ...] = (),
    aliases: tuple[str, ...] = (),
    merged: tuple[MergedRow, ...] = (),
    source: str = "",
    looks_up: tuple[str, ...] = (),
    costly: bool = False,
    retired_on: str = "",
    responsible: Responsibility | Literal[""] = "",
) -> Callable[[Check], Rule]:
    """Make the decorated function (resource, index) -> Verdict a rule about a type, or about each resource of a list.

    `controls`: names of sets in `controls.toml`, or the ids by framework. `learn`: pages of Microsoft Learn below
    /azure/. The loader takes the rule from the module's variables.
    """
    resource_type, subject = subject_of(of)
    pages = (learn,) if isinstance(learn, str) else learn
    sets = (controls,) if isinstance(controls, str) else () if isinstance(controls, Mapping) else controls

    def make(check: Check) -> Rule:
        return Rule(
            id=id,
            title=title,
            pass_title=pass_title,
            category=category,
            resource_type=resource_type,
            why=why,
            fix=fix,
            severity=Severity[severity],
            subject=subject,
            reads=reads,
            check=check,
            controls=controls if isinstance(controls, Mapping) else {},
            control_sets=sets,
            references=(*(f"{LEARN}/{page}" for page in pages), *references),
            aliases=aliases,
            merged=merged,
            source=source,
            looks_up=looks_up,
            costly=costly,
            retired_on=retired_on,
            responsible=responsible,
        )

    return make
