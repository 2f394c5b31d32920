"""`twolocks waive`: accepts a finding, or an endpoint, by writing it into the waiver file."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import ip_address
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.items import AoT, Table

from scanner.config import toml, waivers
from scanner.config.settings import Settings
from scanner.config.waivers import WaiverFile, literal
from scanner.document import schema as rows
from scanner.document.schema import Document, ExposureRow, FindingRow
from scanner.document.writer import AtomicFile
from scanner.errors import InputError, UserError, nearest
from scanner.evaluate.policy import Failure
from scanner.model.exposure import LOCKS, Auth, Reach
from scanner.model.verdict import Severity
from scanner.rulebook.loader import RuleSet
from scanner.terminal.screen import Line

FILE = "waivers.toml"
LEAST = 6
SHOWN = 3
MAKE = "give what twolocks scan --out findings.json wrote"


class Undecided(InputError):
    """What is Unknown for a read that failed is not waived; `entry` is what accepts its gap instead, in lines."""

    def __init__(self, what: str, *, at: str, do: str, entry: Sequence[str] = ()) -> None:
        super().__init__(what, at=at, do=do)
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Part:
    """One entry to write: a rule on a resource, at some endpoints of one cell; `table` is "gap" for what is Unknown."""

    rule: str
    resource: str
    endpoints: tuple[str, ...]
    cell: str
    severity: str
    table: str = "waiver"

    @property
    def failures(self) -> list[Failure]:
        severity = Severity[self.severity]
        if not self.endpoints:
            return [Failure(severity=severity)]
        split = [name.rpartition("@") if "@" in name else (name, "", "") for name in self.endpoints]
        return [Failure(name, address, self.cell, severity) for name, _, address in split]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a fingerprint means: what it says of itself, and the entries that accept it."""

    said: str
    severity: str
    cell: str
    parts: tuple[Part, ...]
    left: str = ""
    """A rule that still fails on an endpoint of a finding that is accepted."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Why, who, until when."""

    reason: str
    owner: str
    expires: date
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What was accepted, and where it stands: `file:line` of the first entry, and how many there are."""

    choice: Choice
    terms: Terms
    path: Path
    line: int
    count: int
    renewed: tuple[str, ...] = ()
    hint: str = ""

    def lines(self) -> list[Line]:
        """What the command says of it."""
        more = self.count - 1
        where = f"{self.path}:{self.line}"
        if self.choice.parts[0].table == "gap":
            said = f"{self.choice.said}, undecided, until {_told(self.terms.expires)}; {where}"
            return [
                Line(said, "Accepted", whole=True),
                Line("It stays undecided in every report, with your name. If it fails one day, that counts"),
                *self._after(),
            ]
        where += f" and {more:,} more {'entry' if more == 1 else 'entries'}" if more else ""
        cell = f" ({self.choice.cell})" if self.choice.cell else ""
        said = f"{self.choice.said}, {self.choice.severity}{cell}, until {_told(self.terms.expires)}; {where}"
        lines = [Line(said, "Waived", whole=True)]
        lines.append(Line("If it gets worse, it counts again. It stays in every report, with your name"))
        if self.choice.left:
            said = f"{self.choice.left} still fails there, so the endpoint stays open; its own fingerprint accepts both"
            lines.append(Line(said))
        return [*lines, *self._after()]

    def _after(self) -> Iterator[Line]:
        if self.renewed:
            yield Line(f"Expired, and needed no more: {', '.join(self.renewed)}")
        if self.hint:
            yield Line(self.hint)


def waive(fingerprint: str, settings: Settings, rules: RuleSet, *, today: date | None = None) -> Written:
    """Accept what the fingerprint (or its beginning) means. Raises InputError; the waiver file is then as before."""
    today = today or datetime.now(UTC).date()
    terms = _terms(settings, today)
    if "://" in settings["in"]:
        raise InputError("--in names a file on this machine", at=settings.at("in", settings["in"]), do="download it")
    source = Path(settings["in"])
    document = opened(source, settings.at("in", source))
    choice = chosen(document, fingerprint, source, today)
    path = Path(settings["waivers"] or FILE)
    with _alone(path):
        return _write(path, choice, terms, settings, rules, today)


def _terms(settings: Settings, today: date) -> Terms:
    missing = [f"--{name}" for name in ("in", "reason", "owner", "expires") if not str(settings[name]).strip()]
    if missing:
        words = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
        do = f"{' '.join(f'{name} ...' for name in missing)}; more: twolocks waive --help"
        raise InputError(f"waive needs {words}", do=do)
    for name in ("reason", "owner", "ticket"):
        if not settings[name].isprintable():
            raise InputError(f"--{name} is one line of text", do=f'write --{name} "..."')
    given = settings["expires"]
    try:
        expires = waivers.day(given, today, settings.max_days)
        if expires < today:
            raise InputError(f"{expires} is past", do=f"write {waivers.expiry(today, settings.max_days)}")
    except InputError as error:
        error.at = settings.at("expires", given)
        error.do = error.do.replace("write expires = ", "--expires ")
        raise
    return Terms(settings["reason"].strip(), settings["owner"].strip(), expires, settings["ticket"].strip())


def opened(path: Path, at: str) -> Document:
    """A findings document. Raises InputError for a file that is none."""
    try:
        return rows.read_document(path)
    except OSError as error:
        make = "make one: twolocks scan --out findings.json"
        raise InputError(f"{path} cannot be read: {error.strerror}", at=at, do=make) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _is_snapshot(path):
            judge = f"judge it first: twolocks scan --from {path} --out findings.json"
            raise InputError("this is a snapshot, not findings", at=str(path), do=judge) from None
        word = "is no findings file" if isinstance(error, msgspec.ValidationError) else "is not JSON"
        raise InputError(f"this {word}: {error}", at=str(path), do=MAKE) from None


def _is_snapshot(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(16)
    return start.startswith((b'{"snapshot"', b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))


# What is meant


def chosen(document: Document, fingerprint: str, source: Path, today: date) -> Choice:
    """What a fingerprint means, in a findings document. Raises InputError where it cannot be accepted."""
    row = _found(document, fingerprint.strip().lower(), source)
    at = f"{source}: {row.fingerprint}"
    if isinstance(row, FindingRow):
        return _finding(document, row, at, today)
    return _exposure(document, row, at)


def _found(document: Document, text: str, source: Path) -> ExposureRow | FindingRow:
    if len(text) < LEAST:
        raise InputError(f'"{text}" is too short for a fingerprint', do=f"give its first {LEAST} digits, or all 16")
    every: list[ExposureRow | FindingRow] = [*document.exposures, *document.findings]
    # A parent that fails may be undecided as well, where a list below it was refused: one fingerprint, two rows.
    found: dict[str, ExposureRow | FindingRow] = {}
    for row in every:
        if row.fingerprint.startswith(text) and (row.fingerprint not in found or _status(row) != "unknown"):
            found[row.fingerprint] = row
    if len(found) > 1:
        some = "; ".join(f"{each} {_says(row)}" for each, row in list(found.items())[:SHOWN])
        raise InputError(f'"{text}" is the beginning of {len(found):,} fingerprints', do=f"give more: {some}")
    if not found:
        near = nearest(text, [row.fingerprint for row in every], 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(
            f'there is no finding and no endpoint "{text}"', at=str(source), do=f"{hint}each line of {source} holds one"
        )
    return next(iter(found.values()))


def _status(row: ExposureRow | FindingRow) -> str:
    return row.status if isinstance(row, FindingRow) else row.state


def _says(row: ExposureRow | FindingRow) -> str:
    return f"{_name(row.resource)}: {row.endpoint if isinstance(row, ExposureRow) else row.rule}"


def _name(resource: str) -> str:
    return resource.rstrip("/").rsplit("/", 1)[-1]


def _finding(document: Document, row: FindingRow, at: str, today: date) -> Choice:
    if row.status == "unknown":
        return _undecided(document, row, at, today)
    if row.status == "error":
        raise InputError(f"{_says(row)}: the rule crashed; nothing was found", at=at, do="report it")
    if row.status == "waived" and row.waiver is not None:
        raise _already(_says(row), row.waiver, at)
    doors = [each for each in document.exposures if _names(document, row, each)]
    parts = _parts(row, doors) if doors else _property(row)
    worst = max(doors, key=_rank, default=None)
    said = _says(row)
    if row.endpoints:
        said += f" at {', '.join(row.endpoints[:SHOWN])}"
        said += f" and {len(row.endpoints) - SHOWN:,} more" if len(row.endpoints) > SHOWN else ""
    left = [
        each.rule
        for each in document.findings
        if each.status == "fail" and each is not row and any(_names(document, each, door) for door in doors)
    ]
    cell = _crossed(worst) if worst is not None else ""
    return Choice(said, str(row.severity), cell, parts, next(iter(left), ""))


def _exposure(document: Document, row: ExposureRow, at: str) -> Choice:
    says = _says(row)
    if row.state == "waived" and isinstance(row.waiver, rows.WaiverRow):
        raise _already(says, row.waiver, at)
    if row.state != "open":
        why = f": {row.reason}" if row.reason else ""
        raise InputError(f"{says} is {row.state}{why}; there is nothing to accept", at=at)
    failed = [each for each in document.findings if each.status == "fail" and _names(document, each, row)]
    parts = tuple(part for each in failed for part in _parts(each, [row]))
    if not parts:
        raise InputError(
            f"no rule of this scan fails on {says}, so there is nothing to waive",
            at=at,
            do="name it as meant to be public: [[intended]] in twolocks.toml",
        )
    return Choice(says, str(row.severity), _crossed(row), parts)


def _names(document: Document, finding: FindingRow, row: ExposureRow) -> bool:
    """Whether a lock finding is about an endpoint."""
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


def _parts(finding: FindingRow, doors: Sequence[ExposureRow]) -> tuple[Part, ...]:
    """An entry for each cell and severity that the endpoints have, so that none may get as bad as another."""

    def key(row: ExposureRow) -> tuple[str, str]:
        return _cell(row), str(row.severity)

    found = []
    for (cell, severity), group in groupby(sorted(doors, key=key), key=key):
        endpoints = tuple(sorted({_listed(each) for each in group}))
        found.append(Part(finding.rule, finding.resource, endpoints, cell, severity))
    return tuple(found)


def _property(finding: FindingRow) -> tuple[Part, ...]:
    return (Part(finding.rule, finding.resource, tuple(finding.endpoints), "", str(finding.severity)),)


def _listed(row: ExposureRow) -> str:
    """An endpoint as a waiver lists it: a machine's port with its address, since the same port may open on another."""
    try:
        ip_address(row.address)
    except ValueError:
        return row.endpoint
    return f"{row.endpoint}@{row.address}"


def _already(said: str, waiver: rows.WaiverRow, at: str, how: str = "waived") -> InputError:
    who = f"by {waiver.owner} until {waiver.expires}" if waiver.expires else "by the settings ([[intended]])"
    return InputError(f"{said} is already {how}, {who}", at=at, do="change the entry in the waiver file")


def _undecided(document: Document, row: FindingRow, at: str, today: date) -> Choice:
    if row.waiver is not None:
        raise _already(_says(row), row.waiver, at, "accepted")
    accepted = {gap.url for gap in document.gaps if gap.accepted}
    gaps = [url for url in row.gaps if url not in accepted]
    if not gaps:
        part = Part(row.rule, row.resource, (), "", str(row.severity), "gap")
        return Choice(_says(row), part.severity, "", (part,))
    what = f"{_says(row)} is Unknown: {row.message.rstrip('.')}"
    entry = [line for url in gaps for line in gap_entry(url, today)]
    do = "an Unknown ends by a read, or its gap is accepted by [[gap]] in the waiver file:"
    raise Undecided(what, at=at, do=do, entry=entry)


def gap_entry(url: str, today: date) -> list[str]:
    """The lines of an entry that accepts a gap; reason and owner are for a person to fill in."""
    expires = waivers.expiry(today, waivers.MAX_DAYS).partition(",")[0]
    return ["[[gap]]", f"url = {_text(url)}", 'reason = ""', 'owner = ""', expires]


# How it is written


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else writes waivers in this folder meanwhile. Where folders cannot be locked it goes on without."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", at=f"--waivers {path}", do=f"mkdir -p {folder}")
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}", at=f"--waivers {path}") from None
    try:
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, choice: Choice, terms: Terms, settings: Settings, rules: RuleSet, today: date) -> Written:
    before = _before(path)
    limits: dict[str, Any] = {"today": today, "max_days": settings.max_days, "allow_tag": settings.allow_tag}
    known = waivers.judged(toml.parsed(path, before), rules, **limits)
    missing = [part for part in choice.parts if not _covered(known, part, rules)]
    if not missing:
        raise InputError(
            f"{choice.said} is already waived", at=str(path), do="scan again: these findings are older than the waiver"
        )
    renewed = _expired(known, missing, rules)
    after = appended(before, missing, terms, path)
    made = waivers.judged(toml.parsed(path, after), rules, **limits)
    if not all(_covered(made, part, rules) for part in missing):
        raise UserError("the waiver would not cover what it is for; nothing was written", do="report it", code=70)
    _replace(path, after)
    lines, table = toml.parsed(path, after).lines, missing[0].table
    first = len(toml.parsed(path, before).data.get(table, ()))
    line = lines.get((table, first), lines.get((table,), 1))
    hint = "" if settings["waivers"] else f"Scan with it: twolocks scan --waivers {path}"
    return Written(choice, terms, path, line, len(missing), renewed, hint)


def _before(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8") if path.exists() else ""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", at=f"--waivers {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8, at byte {error.start + 1}", at=str(path)) from None


def _covered(known: WaiverFile, part: Part, rules: RuleSet) -> bool:
    rule = rules.rules.get(part.rule)
    if rule is None:
        raise InputError(f'there is no rule "{part.rule}"', do="give the --rules of the scan, or scan again")
    if part.table == "gap":
        return known.accepted_check(rule, part.resource) is not None
    return all(known.waived(rule, part.resource, {}, failure) for failure in part.failures)


def _expired(known: WaiverFile, parts: Sequence[Part], rules: RuleSet) -> tuple[str, ...]:
    """The entries that covered the same and have expired."""
    known.begin()
    for part in parts:
        if part.table == "gap":
            known.accepted_check(rules.rules[part.rule], part.resource)
            continue
        for failure in part.failures:
            known.past(rules.rules[part.rule], part.resource, {}, failure)
    return tuple(sorted({each.at for each in known.lapsed if known.used[each]}))


def appended(before: str, parts: Sequence[Part], terms: Terms, path: Path) -> str:
    """The file with the new entries at its end: all that stood there stays as it was, to the byte."""
    there, table = toml.parsed(path, before), parts[0].table
    if table in there.data and (table, 0) not in there.lines:
        raise InputError(
            f"the {table}s stand in one list, in which no comment has a place",
            at=str(path),
            do=f"write each as [[{table}]]",
        )
    entries = AoT([])
    for part in parts:
        entries.append(_entry(part, terms))
    text = tomlkit.dumps({table: entries}).strip("\n") + "\n"
    newline = "\r\n" if "\r\n" in before else "\n"
    gap = "" if not before.strip() else newline if before.endswith("\n") else newline * 2
    return before + gap + text.replace("\n", newline)


def _entry(part: Part, terms: Terms) -> Table:
    table = tomlkit.table()
    table["rule"] = part.rule
    table["resource"] = literal(part.resource)
    if part.endpoints:
        table["endpoints"] = [literal(name) for name in part.endpoints]
    if part.cell:
        table["cell"] = part.cell
    if part.table == "waiver":
        table["severity"] = part.severity
    table["reason"] = terms.reason
    table["owner"] = terms.owner
    table["expires"] = terms.expires
    if terms.ticket:
        table["ticket"] = terms.ticket
    return table


def _text(value: str) -> str:
    return tomlkit.item(value).as_string()


def _replace(path: Path, text: str) -> None:
    target = path.resolve()
    try:
        mode = target.stat().st_mode if target.exists() else None
        with AtomicFile(target) as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode & 0o7777)
            file.write(text.encode())
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}; it is as before", at=f"--waivers {path}"
        ) from None


def _told(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def undecided_lines(error: Undecided) -> list[Line]:
    """The entry that accepts a gap, to be pasted."""
    return [Line(text, column=2, whole=True) for text in error.entry]


__all__ = [
    "FILE",
    "Choice",
    "Undecided",
    "Written",
    "appended",
    "chosen",
    "gap_entry",
    "opened",
    "undecided_lines",
    "waive",
]
