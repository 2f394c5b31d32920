"""The findings document (schema `twolocks/1`): its parts as Structs, fingerprints, and how it is written and read."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

SCHEMA = "twolocks/1"


class Seen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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
    """The widest halves that an unread part could add; null where it would add nothing."""

    reach: str | None
    authentication: str | None


class ExposureRow(msgspec.Struct, kw_only=True):
    """An exposure as the document holds it. `reason`: why it is closed, intended or waived, or rated milder.

    With history: `new`, whether it was not there when an earlier scan looked; `since`, when a scan saw it first.
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
    state: str
    reason: str
    title: str
    evidence: list[Seen]
    hops: list[HopRow]
    admits: list[str]
    fix: str | None
    breaks: str | None
    fingerprint: str
    waiver: "WaiverRow | msgspec.UnsetType" = msgspec.UNSET
    """Who accepted it, where its state is `waived`."""
    new: bool | msgspec.UnsetType = msgspec.UNSET
    since: str | msgspec.UnsetType = msgspec.UNSET


class WaiverRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who accepted a finding or an exposure, why, and until when; `expires` is "" for what the settings intend."""

    reason: str
    owner: str
    expires: str
    ticket: str = ""


class FindingRow(msgspec.Struct, kw_only=True):
    """A finding as the document holds it. `status`: fail, unknown, error or waived. `new`, `since`: as of exposures.

    `waiver`: who accepted it, where it is `waived`, or who accepted that it is `unknown`.
    """

    rule: str
    title: str
    category: str
    status: str
    severity: str | None
    resource: str
    endpoints: list[str]
    message: str
    evidence: list[Seen]
    fix: str | None
    gaps: list[str]
    fingerprint: str
    waiver: WaiverRow | None = None
    lapsed: WaiverRow | msgspec.UnsetType = msgspec.UNSET
    """The waiver that covered it and has expired, where it fails again."""
    new: bool | msgspec.UnsetType = msgspec.UNSET
    since: str | msgspec.UnsetType = msgspec.UNSET


class ResourceRow(msgspec.Struct, kw_only=True):
    type: str
    name: str
    location: str
    subscription: str
    resource_group: str
    tags: dict[str, str]
    parent: str | None


class GapRow(msgspec.Struct, kw_only=True):
    url: str
    status: int
    code: str
    action: str
    rules: list[str]
    accepted: bool = False
    waiver: WaiverRow | msgspec.UnsetType = msgspec.UNSET
    """Who accepted it."""


class ScopeRow(msgspec.Struct, kw_only=True):
    subscription: str
    name: str
    tenant: str
    view: str


class TypeRow(msgspec.Struct, kw_only=True):
    type: str
    resources: int
    judged: bool


class Coverage(msgspec.Struct, kw_only=True):
    scopes: list[ScopeRow]
    types: list[TypeRow]
    rules_off: list[str]
    notes: list[str] = []


class ScanRow(msgspec.Struct, kw_only=True):
    """Where the document comes from; nothing else in it depends on the time or the order of answers."""

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


class Remediation(msgspec.Struct, kw_only=True, frozen=True):
    az: str
    bicep: str
    terraform: str
    portal: str
    breaks: str
    first_step: str


class RuleRow(msgspec.Struct, kw_only=True, frozen=True):
    title: str
    category: str
    severity: str | None
    why: str
    remediation: Remediation
    controls: dict[str, list[str]]
    references: list[str]


class CellRow(msgspec.Struct, kw_only=True, frozen=True):
    severity: str
    reach: str
    authentication: str


class ChangeRow(msgspec.Struct, kw_only=True, frozen=True):
    """One thing that changed; `last_seen` is the time of the last scan that saw it, `was` how it was rated then."""

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


class TrendRow(msgspec.Struct, kw_only=True, frozen=True):
    """One scan of the same selection: its time, what stood open by severity, and the checks that were undecided."""

    taken: str
    critical: int
    high: int
    medium: int
    low: int
    info: int
    undecided: int


class ChangesRow(msgspec.Struct, kw_only=True):
    """What changed since the last scan of the scope. `since`: its time, null at the baseline. `confirmed`: whether a
    second live look was taken. `counts`: new, first_looked, reopened, worse, better, fixed, unseen, open. What is new
    stands in its row. `trend`: scans of the same selection, the oldest first, this one last.
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


class Document(msgspec.Struct, kw_only=True):
    """A whole findings document, in memory; `Writer` makes one as a stream."""

    schema: str
    scan: ScanRow
    rules: dict[str, RuleRow]
    resources: dict[str, ResourceRow]
    exposures: list[ExposureRow]
    findings: list[FindingRow]
    passed: dict[str, list[str]]
    not_applicable: dict[str, dict[str, str]]
    gaps: list[GapRow]
    coverage: Coverage
    changes: ChangesRow | None = None


def fingerprint(*parts: str) -> str:
    """The first 16 hex digits of SHA-256 over the parts joined by LF (UTF-8). Ids and endpoints in lower case."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def finding_fingerprint(first_rule_id: str, resource_id: str) -> str:
    return fingerprint("1", first_rule_id, resource_id.lower())


def exposure_fingerprint(resource_id: str, endpoint: str, address: str) -> str:
    parts = ["1", resource_id.lower(), endpoint.lower()]
    return fingerprint(*parts, address.lower()) if address else fingerprint(*parts)


def order(resource_id: str) -> str:
    """The key that findings are sorted by: the id in lower case, a parent before what is below it."""
    return resource_id.lower().replace("/", "\x01")


_encoder = msgspec.json.Encoder(enc_hook=str)
_SECTIONS = ("resources", "exposures", "findings", "passed", "not_applicable")
_LISTS = frozenset({"exposures", "findings"})
_BATCH = 512


class Writer:
    """Writes a document as a stream: rows in their final order, one a line, sections spooled until `finish`."""

    def __init__(self) -> None:
        self._spools: dict[str, IO[bytes]] = {
            name: tempfile.SpooledTemporaryFile(max_size=64 << 20)  # noqa: SIM115
            for name in _SECTIONS
        }
        self._filled: set[str] = set()
        self._waiting: dict[str, list[bytes]] = {name: [] for name in _SECTIONS}

    def _line(self, section: str, line: bytes) -> None:
        waiting = self._waiting[section]
        waiting.append(line)
        if len(waiting) >= _BATCH:
            self._spill(section)

    def _spill(self, section: str) -> None:
        waiting = self._waiting[section]
        if waiting:
            text = b",\n".join(waiting)
            self._spools[section].write((b",\n" if section in self._filled else b"\n") + text)
            self._filled.add(section)
            waiting.clear()

    def exposure(self, row: ExposureRow) -> None:
        self._line("exposures", _encoder.encode(row))

    def finding(self, row: FindingRow) -> None:
        self._line("findings", _encoder.encode(row))

    def resource(self, id: str, row: ResourceRow) -> None:
        self._line("resources", _encoder.encode(id) + b": " + _encoder.encode(row))

    def passed(self, id: str, rules: list[str]) -> None:
        self._line("passed", _encoder.encode(id) + b": " + _encoder.encode(rules))

    def not_applicable(self, id: str, rules: dict[str, str]) -> None:
        self._line("not_applicable", _encoder.encode(id) + b": " + _encoder.encode(rules))

    def finish(
        self,
        out: IO[bytes],
        scan: ScanRow,
        rules: dict[str, RuleRow],
        gaps: list[GapRow],
        coverage: Coverage,
        changes: ChangesRow | None = None,
    ) -> None:
        """Write the document; may be called once for each output."""
        out.write(b'{"schema": ' + _encoder.encode(SCHEMA) + b',\n"scan": ' + _encoder.encode(scan) + b',\n"rules": {')
        for place, (id, rule) in enumerate(sorted(rules.items())):
            out.write((b",\n" if place else b"\n") + _encoder.encode(id) + b": " + _encoder.encode(rule))
        out.write(b"\n}")
        for name in _SECTIONS:
            opens, closes = (b"[", b"\n]") if name in _LISTS else (b"{", b"\n}")
            out.write(b',\n"' + name.encode() + b'": ' + opens)
            self._spill(name)
            spool = self._spools[name]
            spool.seek(0)
            while block := spool.read(1 << 20):
                out.write(block)
            out.write(closes)
        out.write(b',\n"gaps": [')
        for place, gap in enumerate(gaps):
            out.write((b",\n" if place else b"\n") + _encoder.encode(gap))
        out.write(b'\n],\n"coverage": ' + _encoder.encode(coverage))
        if changes is not None:
            out.write(b',\n"changes": ' + _encoder.encode(changes))
        out.write(b"}\n")

    def close(self) -> None:
        for spool in self._spools.values():
            spool.close()


def read_document(path: Path) -> Document:
    """A findings document from a file; msgspec.DecodeError or ValidationError where it is none."""
    return msgspec.json.decode(path.read_bytes(), type=Document)


class Beside:
    """A file that is written beside its place and renamed when it is whole, so that none is ever half."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> IO[bytes]:
        self._file = self.part.open("wb")
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._file.close()
            if kind is None:
                self.part.replace(self.path)
        finally:
            self.part.unlink(missing_ok=True)


def rows(document: Document) -> Iterator[ExposureRow | FindingRow]:
    """Exposures, then findings, in the document's order."""
    yield from document.exposures
    yield from document.findings
