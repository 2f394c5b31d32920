"""The findings document (schema `twolocks/2`): its parts as Structs, fingerprints, the order of rows."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from scanner.document.capacity_rows import CapacityRow
from scanner.document.framework_rows import FrameworkRow
from scanner.document.key_rows import KeyRow
from scanner.document.message_data import Data, TextData
from scanner.document.numbers import NumbersRow
from scanner.document.scopes import ExcludedRow, LimitRow
from scanner.document.states import State
from scanner.document.words import check_all
from scanner.errors import InputError
from scanner.model.exposure import LOCKS
from scanner.text.times import checked_time

SCHEMA = "twolocks/2"
CHANGE_LISTS = ("reopened", "worse", "better", "fixed", "unseen")
"""The lists of rows of `ChangesRow`."""


class EvidenceRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One value of the evidence; `expected` is left out where the value is context only."""

    path: str
    value: Any
    expected: Any = None


class HopRow(msgspec.Struct, frozen=True, gc=False):
    kind: str
    name: str
    detail: str
    resource: str
    lets: bool | None


class May(msgspec.Struct, frozen=True, gc=False):
    """The widest reach and the weakest authentication that an unread part could add; null: it adds nothing."""

    reach: str | None
    authentication: str | None


class FieldRow(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A part of a command that only the user knows: it stands as `<NAME>` in commands and steps.

    `join`: the text between several values, where the commands take several; absent where they take one.
    """

    name: str
    what: str
    join: str = ""


class EndpointRow(msgspec.Struct, frozen=True, gc=False):
    """An endpoint of a resource."""

    resource: str
    endpoint: str


class UndoRow(msgspec.Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """What puts this instance back as it was before its fix.

    `save`: commands that only read, which keep what was there in a file; they run before the fix. `commands`: they run
    in this order, to undo. `steps`: words, where no command undoes a part. `cannot`: why the fix cannot be undone.
    `source`: the page that says so, or that says what an absent property means.
    """

    save: list[str] = []
    commands: list[str] = []
    steps: list[str] = []
    cannot: str = ""
    source: str = ""


class FixRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What closes a finding or an exposure.

    `commands`: they change something, run as they are in this order, and each names its subscription. `steps`: words,
    where no single command exists. `fields`: what only the user knows. `check_first`: a command that only reads.
    `closes`: endpoints of the finding that a trial of the fix closed; `leaves`: the others, which stay open by their
    other lock or by something else, or could not be tried. `after`: of those that a trial left open, the severity that
    they have then. `also_closes`: other endpoints that it closes, the first 200; `also_closes_count`: all of them.
    `shared`: whether it changes another resource, so that endpoints of several resources may have the same fix.
    `tier`: whether the tier of the resource has no such setting, so that only a move to another one closes it.
    `impact`: what may stop working. `of_rule`: whether it is the rule's own fix and nothing else, so that the Terraform
    of the rule does the same. `bicep`: what the fix changes, as resource blocks for the template that deploys the
    resource; a list is written whole. `undo`: of a finding; absent where the commands of the fix change nothing that is
    known.
    """

    commands: list[str] = []
    steps: list[str] = []
    fields: list[FieldRow] = []
    check_first: str = ""
    closes: list[str] = []
    leaves: list[str] = []
    after: dict[str, str] = {}
    also_closes_count: int = 0
    also_closes: list[EndpointRow] = []
    impact: str = ""
    bicep: str = ""
    tier: bool = False
    of_rule: bool = False
    shared: bool = False
    undo: UndoRow | None = None

    @property
    def others(self) -> int:
        """Return the number of other endpoints that it closes, listed or not."""
        return max(self.also_closes_count, len(self.also_closes))

    @property
    def without_undo(self) -> "FixRow":
        """Return the fix as an endpoint has it: its undo is long, and stands in its finding."""
        return self if self.undo is None else msgspec.structs.replace(self, undo=None)

    @property
    def text(self) -> str:
        """Return commands, else steps, as one text: a line each."""
        return "\n".join(self.commands or self.steps)

    @property
    def key(self) -> str:
        """Return what is equal for equal fixes."""
        return "\n".join((*self.commands, *self.steps))


class ExposureRow(msgspec.Struct, kw_only=True, frozen=True):
    """An exposure. `reason`: why it is closed, not assessed, intended, waived or of lower severity.

    `state`: `unknown` where `severity` is null, and `worst` is not, because nothing is proven and a part that was not
    read may open it.

    With history: `new`, whether an earlier scan covered it and did not find it; `since`, the time of the first scan
    that found it.
    """

    resource: str
    endpoint: str
    kind: str
    address: str
    reach: str
    authentication: str
    may: May | None
    severity: str | None
    worst: str | None
    state: State
    reason: str
    title: str
    evidence: list[EvidenceRow]
    hops: list[HopRow]
    admits: list[str]
    fix: FixRow | None
    breaks: str | None
    fingerprint: str
    waiver: "WaiverRow | msgspec.UnsetType" = msgspec.UNSET
    """The waiver that accepts it, where its state is `waived`."""
    gaps: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Where it was not fully assessed: the URLs of the failed reads that are a reason; [] where no read failed."""
    new: bool | msgspec.UnsetType = msgspec.UNSET
    since: str | msgspec.UnsetType = msgspec.UNSET
    hosts: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Further host names with the same locks: secondaries, replicas, custom names; absent: none."""
    publishers: list[list[HopRow]] | msgspec.UnsetType = msgspec.UNSET
    """Gateways and DNS names in front of it, each with the one that leads to it before it; absent: none."""
    texts: TextData = msgspec.UNSET


class WaiverRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """The acceptance of a finding or an exposure: reason, owner and end; `expires` is "" for intended exposures."""

    reason: str
    owner: str
    expires: str
    ticket: str = ""


class FindingRow(msgspec.Struct, kw_only=True, frozen=True):
    """A finding. `status`: fail, unknown, error or waived. `new`, `since`: as in exposures.

    `waiver`: the waiver that accepts it, where it is `waived`, or that accepts that it is `unknown`.
    """

    rule: str
    title: str
    category: str
    status: str
    severity: str | None
    resource: str
    endpoints: list[str]
    message: str
    evidence: list[EvidenceRow]
    fix: FixRow | None
    gaps: list[str]
    fingerprint: str
    waiver: WaiverRow | None = None
    lapsed: WaiverRow | msgspec.UnsetType = msgspec.UNSET
    """The expired waiver that covered it, where it fails again."""
    new: bool | msgspec.UnsetType = msgspec.UNSET
    since: str | msgspec.UnsetType = msgspec.UNSET
    read_at: str | msgspec.UnsetType = msgspec.UNSET
    """When an earlier scan made the oldest read that the check needs, where this one did not (`--max-age`)."""
    texts: TextData = msgspec.UNSET

    @property
    def is_counted(self) -> bool:
        """Whether it is an item itself. The endpoints of a lock finding are counted in its place."""
        return not (self.category in LOCKS and self.endpoints)


class DataPlaceRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A place where a resource's data may be, by its configuration. See docs/residency.md.

    `rule`: the rule about the mechanism; `kind`, `what`: the mechanism. `region`: the ARM name, `global`, `data zone`,
    or "" where it is not known; `geography`, `place`: of the region. `area`: eea, adequacy, third, worldwide, unknown.
    `verdict`: stays, may-leave, unknown. `path`, `value`: the evidence. `allowed`, `source`: the places that are
    allowed, and who says so. `why`: why it is unknown. `waiver`: the exception that accepts it.
    """

    resource: str
    rule: str
    kind: str
    what: str
    region: str
    area: str
    verdict: str
    path: str
    value: Any
    geography: str = ""
    place: str = ""
    allowed: list[str] = []
    source: str = ""
    why: str = ""
    waiver: "WaiverRow | None" = None
    texts: TextData = msgspec.UNSET


class ResourceRow(msgspec.Struct, kw_only=True, frozen=True):
    type: str
    name: str
    location: str
    subscription: str
    resource_group: str
    tags: dict[str, str]
    parent: str | None


class GapRow(msgspec.Struct, kw_only=True, frozen=True):
    url: str
    status: int
    code: str
    action: str
    rules: list[str]
    accepted: bool = False
    waiver: WaiverRow | msgspec.UnsetType = msgspec.UNSET
    """The waiver that accepts it."""
    resources: int | msgspec.UnsetType = msgspec.UNSET
    """Of a list, how many resources Resource Graph counts that were not read. Left out where that is 0 or not known."""


class ScopeRow(msgspec.Struct, kw_only=True, frozen=True):
    subscription: str
    name: str
    tenant: str
    view: str


class TypeRow(msgspec.Struct, kw_only=True, frozen=True):
    """A type that was found or could not be listed. `judged`: whether a rule evaluated a resource of it.

    `complete`: whether all its resources were read. Where they were not, `resources` counts also those that are known
    and were not read, and there may be more. `names`: what people call it and the types below it, by type, where the
    last segment does not say it.
    """

    type: str
    resources: int
    judged: bool
    complete: bool = True
    names: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class Coverage(msgspec.Struct, kw_only=True, frozen=True):
    scopes: list[ScopeRow]
    types: list[TypeRow]
    rules_off: list[str]
    notes: list[str] = []
    rules_broken: list[str] | msgspec.UnsetType = msgspec.UNSET
    """The files and rules that were not loaded, absent where all were; they make the scan incomplete."""
    texts: TextData = msgspec.UNSET


class ScanRow(msgspec.Struct, kw_only=True, frozen=True):
    """The scan that made the document; nothing else in it depends on the time or the order of responses."""

    id: str
    started: str
    finished: str
    taken: str
    tool: str
    cloud: str
    principal: str
    scopes: list[str]
    resources: int
    reads: int
    complete: bool
    owner_tag: str | msgspec.UnsetType = msgspec.UNSET
    """The tag whose value is the owner of a resource, where the settings name one."""
    tenants: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """The names of several tenants that were scanned together, by their ids in lower case."""
    excluded: list[ExcludedRow] | msgspec.UnsetType = msgspec.UNSET
    """What `--exclude` left out, where anything was: nothing in it was evaluated."""
    limited: LimitRow | msgspec.UnsetType = msgspec.UNSET
    """What the scan was limited to, where it was: nothing else was evaluated."""

    def __post_init__(self) -> None:
        force_setattr(self, "taken", checked_time(self.taken))
        for name in ("started", "finished"):
            if text := getattr(self, name):  # "" where only a part of a scan is shown
                force_setattr(self, name, checked_time(text))

    @property
    def evaluated(self) -> str:
        """When it was evaluated, where that was later than the scan: from a snapshot. "" where both are one run."""
        return self.finished if self.started > self.taken else ""


class Remediation(msgspec.Struct, kw_only=True, frozen=True):
    az: str
    bicep: str
    terraform: str
    portal: str
    breaks: str
    first_step: str


NO_REMEDIATION = Remediation(az="", bicep="", terraform="", portal="", breaks="", first_step="")


class RuleRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A rule that was on. `pass_title`: what holds where it passed. `responsibility`: who closes its findings, the
    customer or also Microsoft, which runs the layer.

    What is empty is left out. A rule that no row of the document names has title, category, severity and controls.
    """

    title: str
    category: str
    severity: str | None
    why: str = ""
    remediation: Remediation = NO_REMEDIATION
    controls: dict[str, list[str]]
    references: list[str] = []
    pass_title: str = ""
    responsibility: str = ""

    @property
    def without_texts(self) -> "RuleRow":
        """Return the row as it is of a rule that no other row names."""
        return RuleRow(title=self.title, category=self.category, severity=self.severity, controls=self.controls)

    @property
    def has_texts(self) -> bool:
        """Return whether it is more than the row of a rule that no other row names."""
        return bool(self.why or self.references or self.pass_title or self.remediation != NO_REMEDIATION)


def with_texts_of(rules: Mapping[str, RuleRow], named: Collection[str]) -> dict[str, RuleRow]:
    """Return the rules of a document. `named`: those that its rows name, by id; the others have no texts."""
    return {id: row if id in named else row.without_texts for id, row in rules.items()}


class CellRow(msgspec.Struct, kw_only=True, frozen=True):
    severity: str
    reach: str
    authentication: str


class ChangeRow(msgspec.Struct, kw_only=True, frozen=True):
    """One change; `last_seen` is the time of the last scan that found it, `was` its levels and severity then."""

    kind: str
    fingerprint: str
    resource: str
    endpoint: str
    address: str
    rule: str
    title: str
    severity: str
    reach: str
    authentication: str
    since: str
    last_seen: str
    why: str
    was: CellRow | None
    texts: TextData = msgspec.UNSET

    def __post_init__(self) -> None:
        for name in ("since", "last_seen"):
            force_setattr(self, name, checked_time(getattr(self, name)))


class TrendRow(msgspec.Struct, kw_only=True, frozen=True):
    """One scan of the same selection: its time, the open items by severity, and the inconclusive checks.

    `unknown`: the endpoints that were not assessed. `opened`: the items that were new or reopened in the scan;
    `closed`: those that were fixed.
    """

    taken: str
    critical: int
    high: int
    medium: int
    low: int
    info: int
    undecided: int
    unknown: int = 0
    opened: int | None = None
    closed: int | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "taken", checked_time(self.taken))


class ChangesRow(msgspec.Struct, kw_only=True, frozen=True):
    """What changed since the last scan of the scope. `since`: its time, null at the baseline. `confirmed`: whether
    the changes were re-verified live. `counts`: new, first_looked, reopened, worse, better, fixed, unseen, open. New
    items are marked in their own rows. `trend`: scans of the same selection, the oldest first, this one last.
    """

    since: str | None
    baseline: bool
    confirmed: bool
    notes: list[str]
    counts: dict[str, int]
    reopened: list[ChangeRow]
    worse: list[ChangeRow]
    better: list[ChangeRow]
    fixed: list[ChangeRow]
    unseen: list[ChangeRow]
    trend: list[TrendRow]
    texts: TextData = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.since is not None:
            force_setattr(self, "since", checked_time(self.since))


def rules_of(changes: ChangesRow | None) -> set[str]:
    """Return the ids of the rules that changes name."""
    lists = (getattr(changes, name) for name in CHANGE_LISTS) if changes is not None else ()
    return {row.rule for rows in lists for row in rows if row.rule}


class Document(msgspec.Struct, kw_only=True):
    """A whole findings document; its rows are in memory, or read from a file when they are used (`open_document`)."""

    schema: str
    scan: ScanRow
    rules: dict[str, RuleRow]
    resources: Mapping[str, ResourceRow]
    exposures: Sequence[ExposureRow]
    findings: Sequence[FindingRow]
    passed: Mapping[str, list[str]]
    not_applicable: Mapping[str, dict[str, str]]
    reasons: Mapping[str, dict[str, Data]] = {}
    """What the reasons of `not_applicable` are made of, as `texts` of a row."""
    places: Sequence[DataPlaceRow] = ()
    keys: Sequence[KeyRow] = ()
    capacity: Sequence[CapacityRow] = ()
    gaps: list[GapRow]
    coverage: Coverage
    changes: ChangesRow | None = None
    numbers: NumbersRow | msgspec.UnsetType = msgspec.UNSET
    """For programs. Reports count the rows themselves."""
    frameworks: list[FrameworkRow] | msgspec.UnsetType = msgspec.UNSET
    templates: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """The English template of each id in what texts are made of."""


def fingerprint(*values: str) -> str:
    """Return the first 16 hex digits of SHA-256 over the parts joined by LF (UTF-8). Give ids and endpoints in lower
    case.
    """
    return hashlib.sha256("\n".join(values).encode()).hexdigest()[:16]


def finding_fingerprint(first_rule_id: str, resource_id: str) -> str:
    made = _begun(first_rule_id).copy()
    made.update(resource_id.lower().encode())
    return made.hexdigest()[:16]


def exposure_fingerprint(resource_id: str, endpoint: str, address: str) -> str:
    made = _begun(resource_id.lower()).copy()
    made.update((f"{endpoint.lower()}\n{address.lower()}" if address else endpoint.lower()).encode())
    return made.hexdigest()[:16]


@lru_cache(maxsize=2048)
def _begun(value: str) -> "hashlib._Hash":
    """Return the hash of what several fingerprints begin with: "1" and a rule or a resource. It is copied for each."""
    return hashlib.sha256(f"1\n{value}\n".encode())


@lru_cache(maxsize=1024)
def order(resource_id: str) -> str:
    """Return the key that findings are sorted by: the id in lower case, a parent before what is below it."""
    return resource_id.lower().replace("/", "\x01")


def now() -> str:
    """Return the current time in UTC in the format of documents."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_document(path: Path) -> Document:
    """Return the findings document of a file. Raises msgspec.DecodeError or ValidationError where it is none."""
    return decode_document(path.read_bytes())


class OtherSchema(msgspec.ValidationError):
    """A document names another schema than this version's."""

    def __init__(self, schema: object) -> None:
        super().__init__(f"the file has schema {schema}; this version supports {SCHEMA}")
        is_earlier = schema in [f"twolocks/{number}" for number in range(int(SCHEMA.partition("/")[2]))]
        make = "make it again with this version: twolocks scan --from SNAPSHOT --out findings.json"
        self.do = make if is_earlier else "upgrade twolocks"

    def in_file(self, file: Path) -> InputError:
        """Return the error that names the file."""
        return InputError(str(self), at=str(file), do=self.do)


class _Head(msgspec.Struct):
    schema: Any = ""


def decode_document(text: bytes | bytearray | memoryview) -> Document:
    """Return a findings document. Raises OtherSchema, else as `read_document`."""
    try:
        document = msgspec.json.decode(text, type=Document)
    except msgspec.ValidationError:
        schema = msgspec.json.decode(text, type=_Head).schema
        if schema not in ("", SCHEMA):
            raise OtherSchema(schema) from None
        raise
    if document.schema != SCHEMA:
        raise OtherSchema(document.schema)
    return with_known_words(document)


def with_known_words(document: Document) -> Document:
    """Return a document whose words are known. Raises msgspec.ValidationError: a row with another word would be counted
    nowhere.
    """
    check_all(document)
    return document
