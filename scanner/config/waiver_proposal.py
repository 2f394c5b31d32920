"""The finding or endpoint of a fingerprint, and the entries of a waiver file that accept it."""

from collections.abc import Sequence
from datetime import date
from ipaddress import ip_address
from itertools import groupby
from pathlib import Path

import msgspec
import tomlkit
from msgspec import Struct

from scanner.config import waiver_reader
from scanner.config.keys import MAX_DAYS
from scanner.document import schema as rows
from scanner.document.schema import Document, ExposureRow, FindingRow, OtherSchema
from scanner.document.states import state_word
from scanner.errors import InputError, nearest
from scanner.evaluate.policy import Failure
from scanner.model.exposure import LOCKS, Auth, Reach
from scanner.model.ids import path_of
from scanner.model.severity import Severity

LEAST = 6
"""The minimum number of digits of a fingerprint."""
SHOWN = 3
MAKE = "use a file that twolocks scan --out findings.json wrote"


class NotAccepted(InputError):
    """A finding is Unknown because of reads that failed, so a waiver cannot accept it.

    `entry`: the lines of the [[gap]] entries that accept the reads instead.
    """

    def __init__(self, what: str, *, at: str, do: str, entry: Sequence[str] = ()) -> None:
        super().__init__(what, at=at, do=do)
        self.entry = entry


class NewEntry(Struct, frozen=True):
    """An entry to write: a rule on a resource, at some endpoints of one cell. `table` is "gap" for what is Unknown."""

    rule: str
    resource: str
    endpoints: tuple[str, ...]
    cell: str
    severity: str
    table: str = "waiver"
    fingerprint: str = ""
    """Of the finding, where it is on no endpoint."""

    @property
    def failures(self) -> list[Failure]:
        """Return the failures that it must cover."""
        severity = Severity[self.severity]
        if not self.endpoints:
            return [Failure(severity=severity)]
        split = [name.rpartition("@") if "@" in name else (name, "", "") for name in self.endpoints]
        return [Failure(name, address, self.cell, severity) for name, _, address in split]


class Proposal(Struct, frozen=True):
    """The description of what a fingerprint selects, and the entries that accept it."""

    texts: str
    severity: str
    cell: str
    entries: tuple[NewEntry, ...]
    left: str = ""
    """A rule that still fails on an endpoint of the finding."""


def read_findings(path: Path, at: str) -> Document:
    """Return the findings document of a file. Raise InputError for any other file; `at`: its source."""
    try:
        return rows.read_document(path)
    except OSError as error:
        make = "create it with: twolocks scan --out findings.json"
        raise InputError(f"{path} cannot be read: {error.strerror}", at=at, do=make) from None
    except OtherSchema as error:
        raise error.in_file(path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _is_snapshot(path):
            hint = f"evaluate it first: twolocks scan --from {path} --out findings.json"
            raise InputError("this is a snapshot, not a findings file", at=str(path), do=hint) from None
        word = "not a findings file" if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise InputError(f"the file is {word}: {error}", at=str(path), do=MAKE) from None


def _is_snapshot(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(16)
    return start.startswith((b'{"snapshot"', b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))


def propose(document: Document, fingerprint: str, source: Path, today: date) -> Proposal:
    """Return the proposal for a fingerprint (or its first digits); `source` is the file of the document.

    Raise InputError if it cannot be accepted.
    """
    row = _matching(document, fingerprint.strip().lower(), source)
    at = f"{source}: {row.fingerprint}"
    if isinstance(row, FindingRow):
        return _finding(document, row, at, today)
    return _exposure(document, row, at)


def _matching(document: Document, text: str, source: Path) -> ExposureRow | FindingRow:
    if len(text) < LEAST:
        raise InputError(f'"{text}" is too short for a fingerprint', do=f"give its first {LEAST} digits, or all 16")
    every: list[ExposureRow | FindingRow] = [*document.exposures, *document.findings]
    # A parent may both fail and be inconclusive, if a list below it was refused: one fingerprint, two rows.
    result: dict[str, ExposureRow | FindingRow] = {}
    for row in every:
        if row.fingerprint.startswith(text) and (row.fingerprint not in result or _status(row) != "unknown"):
            result[row.fingerprint] = row
    if len(result) > 1:
        some = "; ".join(f"{each} {_texts(row)}" for each, row in list(result.items())[:SHOWN])
        raise InputError(f'"{text}" matches {len(result):,} fingerprints', do=f"give more digits: {some}")
    if not result:
        near = nearest(text, [row.fingerprint for row in every], 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(
            f'no finding or endpoint has the fingerprint "{text}"',
            at=str(source),
            do=f"{hint}each line of {source} has one",
        )
    return next(iter(result.values()))


def _status(row: ExposureRow | FindingRow) -> str:
    return row.status if isinstance(row, FindingRow) else row.state


def _texts(row: ExposureRow | FindingRow) -> str:
    return f"{path_of(row.resource)}: {row.endpoint if isinstance(row, ExposureRow) else row.rule}"


def _finding(document: Document, row: FindingRow, at: str, today: date) -> Proposal:
    if row.status == "unknown":
        return _inconclusive(document, row, at, today)
    if row.status == "error":
        raise InputError(f"{_texts(row)}: the rule crashed, so there is no finding", at=at, do="report this defect")
    if row.status == "waived" and row.waiver is not None:
        raise _already(_texts(row), row.waiver, at)
    exposures = [each for each in document.exposures if _names(document, row, each)]
    entries = _entries(row, exposures) if exposures else _property(row)
    worst = max(exposures, key=_rank, default=None)
    text = _texts(row)
    if row.endpoints:
        text += f" at {', '.join(row.endpoints[:SHOWN])}"
        text += f" and {len(row.endpoints) - SHOWN:,} more" if len(row.endpoints) > SHOWN else ""
    left = [
        each.rule
        for each in document.findings
        if each.status == "fail" and each is not row and any(_names(document, each, exposure) for exposure in exposures)
    ]
    cell = _crossed(worst) if worst is not None else ""
    return Proposal(text, str(row.severity), cell, entries, next(iter(left), ""))


def _exposure(document: Document, row: ExposureRow, at: str) -> Proposal:
    text = _texts(row)
    if row.state == "waived" and isinstance(row.waiver, rows.WaiverRow):
        raise _already(text, row.waiver, at)
    if row.state != "open":
        why = f": {row.reason}" if row.reason else ""
        raise InputError(f"{text} is {state_word(row.state)}{why}; there is nothing to accept", at=at)
    failed = [each for each in document.findings if each.status == "fail" and _names(document, each, row)]
    entries = tuple(entry for each in failed for entry in _entries(each, [row]))
    if not entries:
        raise InputError(
            f"no rule of this scan fails on {text}, so there is nothing to waive",
            at=at,
            do="mark it as public on purpose: [[intended]] in twolocks.toml",
        )
    return Proposal(text, str(row.severity), _crossed(row), entries)


def _names(document: Document, finding: FindingRow, row: ExposureRow) -> bool:
    """Return whether a lock finding covers an endpoint."""
    if finding.category not in LOCKS or row.endpoint not in finding.endpoints or row.severity is None:
        return False
    if finding.category == "network" and Reach.__members__.get(row.reach, Reach.none) < Reach.wide:
        return False
    if finding.category == "anonymous-access" and row.authentication != Auth.anonymous.name:
        return False
    known = document.resources.get(finding.resource)
    return row.resource in (finding.resource, known.parent if known is not None else None)


def _rank(row: ExposureRow) -> Severity:
    return Severity[row.severity or "info"]


def _cell(row: ExposureRow) -> str:
    return f"{row.kind}/{row.authentication}/{row.reach}"


def _crossed(row: ExposureRow) -> str:
    return f"{row.authentication} x {row.reach}"


def _entries(finding: FindingRow, exposures: Sequence[ExposureRow]) -> tuple[NewEntry, ...]:
    """Return an entry for each cell and severity of the endpoints, so that none may rise to the level of another."""

    def key(row: ExposureRow) -> tuple[str, str]:
        return _cell(row), str(row.severity)

    new_entries = []
    for (cell, severity), group in groupby(sorted(exposures, key=key), key=key):
        endpoints = tuple(sorted({_listed(each) for each in group}))
        new_entries.append(NewEntry(finding.rule, finding.resource, endpoints, cell, severity))
    return tuple(new_entries)


def _property(finding: FindingRow) -> tuple[NewEntry, ...]:
    severity = str(finding.severity)
    return (
        NewEntry(
            finding.rule, finding.resource, tuple(finding.endpoints), "", severity, fingerprint=finding.fingerprint
        ),
    )


def _listed(row: ExposureRow) -> str:
    """Return an endpoint as a waiver lists it: with its address, because a port may be open on several addresses."""
    try:
        ip_address(row.address)
    except ValueError:
        return row.endpoint
    return f"{row.endpoint}@{row.address}"


def _already(text: str, waiver: rows.WaiverRow, at: str, how: str = "waived") -> InputError:
    who = f"by {waiver.owner} until {waiver.expires}" if waiver.expires else "by the settings ([[intended]])"
    return InputError(f"{text} is already {how}, {who}", at=at, do="change the entry in the waiver file")


def _inconclusive(document: Document, row: FindingRow, at: str, today: date) -> Proposal:
    if row.waiver is not None:
        raise _already(_texts(row), row.waiver, at, "accepted")
    accepted = {gap.url for gap in document.gaps if gap.accepted}
    gaps = [url for url in row.gaps if url not in accepted]
    if not gaps:
        entry = NewEntry(row.rule, row.resource, (), "", str(row.severity), "gap", row.fingerprint)
        return Proposal(_texts(row), entry.severity, "", (entry,))
    what = f"{_texts(row)} is inconclusive: {row.message.rstrip('.')}"
    lines = [line for url in gaps for line in gap_entry(url, today)]
    do = "grant the missing permission, or accept the gap by [[gap]] in the waiver file:"
    raise NotAccepted(what, at=at, do=do, entry=lines)


def gap_entry(url: str, today: date) -> list[str]:
    """Return the lines of an entry that accepts a gap; the user fills in reason and owner."""
    expires = waiver_reader.expiry(today, MAX_DAYS).partition(",")[0]
    return ["[[gap]]", f"url = {tomlkit.item(url).as_string()}", 'reason = ""', 'owner = ""', expires]
