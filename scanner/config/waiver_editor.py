"""`twolocks waive`: accepts a finding, or an endpoint, by new entries at the end of the waiver file."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import tomlkit
from msgspec import Struct
from msgspec.structs import replace
from tomlkit.items import AoT, Table

from scanner.config import toml, waiver_reader
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import NewEntry, Proposal, propose, read_findings
from scanner.config.waivers import WaiverFile, literal, utc_today
from scanner.document.schema import finding_fingerprint
from scanner.errors import InputError, UserError
from scanner.model.ids import is_subscription, type_of
from scanner.model.rule import Rule
from scanner.rulebook.loader import RuleSet, match_whole
from scanner.store.locks import edit_lock
from scanner.store.temporary import AtomicFile
from scanner.terminal.lines import Line

FILE = "waivers.toml"


class WaiverTerms(Struct, frozen=True):
    """Reason, owner and expiry of a waiver."""

    reason: str
    owner: str
    expires: date
    ticket: str = ""


class WrittenEntries(Struct, frozen=True):
    """The written entries: `count` entries, the first at `path`:`line`."""

    proposal: Proposal
    terms: WaiverTerms
    path: Path
    line: int
    count: int
    renewed: tuple[str, ...] = ()
    """`file:line` of expired entries that covered the same."""
    hint: str = ""
    """How to scan with the file."""

    def lines(self) -> list[Line]:
        """Return what the command prints."""
        more = self.count - 1
        where = f"{self.path}:{self.line}"
        if self.proposal.entries[0].table == "gap":
            text = f"{self.proposal.texts}, inconclusive, until {_date(self.terms.expires)}; {where}"
            return [
                Line(text, "Accepted", whole=True),
                Line("Reports still show it as inconclusive, with the owner. If the check fails later, it counts"),
                *self._after(),
            ]
        where += f" and {more:,} more {'entry' if more == 1 else 'entries'}" if more else ""
        cell = f" ({self.proposal.cell})" if self.proposal.cell else ""
        text = f"{self.proposal.texts}, {self.proposal.severity}{cell}, until {_date(self.terms.expires)}; {where}"
        lines = [Line(text, "Waived", whole=True)]
        lines.append(Line("If the severity rises, it counts again. Reports still show it, with the owner"))
        if self.proposal.left:
            still = f"{self.proposal.left} still fails there, so the endpoint still counts"
            lines.append(Line(f"{still}; use the fingerprint of the endpoint to accept both"))
        return [*lines, *self._after()]

    def _after(self) -> Iterator[Line]:
        if self.renewed:
            yield Line(f"Expired and no longer needed: {', '.join(self.renewed)}")
        if self.hint:
            yield Line(self.hint)


def waive(fingerprint: str, settings: Settings, rules: RuleSet, *, today: date | None = None) -> WrittenEntries:
    """Accept the finding of a fingerprint (or its first digits). Raise InputError; the file is then unchanged."""
    today = today or utc_today()
    terms = _terms(settings, today)
    if "://" in settings["in"]:
        raise InputError("--in requires a local file", at=settings.at("in", settings["in"]), do="download it")
    source = Path(settings["in"])
    document = read_findings(source, settings.at("in", source))
    proposal = propose(document, fingerprint, source, today)
    proposal = replace(proposal, entries=tuple(_of_one_type(each, rules) for each in proposal.entries))
    path = Path(settings["waivers"] or FILE)
    with _locked(path):
        return _write(path, proposal, terms, settings, rules, today)


def _terms(settings: Settings, today: date) -> WaiverTerms:
    missing = [f"--{name}" for name in ("in", "reason", "owner", "expires") if not str(settings[name]).strip()]
    if missing:
        words = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
        do = f"{' '.join(f'{name} ...' for name in missing)}; more: twolocks waive --help"
        raise InputError(f"waive requires {words}", do=do)
    for name in ("reason", "owner", "ticket"):
        if not settings[name].isprintable():
            raise InputError(f"--{name} must be one line of text", do=f'write --{name} "..."')
    given = settings["expires"]
    try:
        expires = waiver_reader.day(given, today, settings.max_days)
        if expires < today:
            raise InputError(f"{expires} is in the past", do=f"write {waiver_reader.expiry(today, settings.max_days)}")
    except InputError as error:
        error.at = settings.at("expires", given)
        error.do = error.do.replace("write expires = ", "--expires ")
        raise
    return WaiverTerms(settings["reason"].strip(), settings["owner"].strip(), expires, settings["ticket"].strip())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the folder of a file against other processes that write waivers."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise InputError(f"folder {folder} does not exist", at=f"--waivers {path}", do=f"mkdir -p {folder}")
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(edit_lock(folder))
        except OSError as error:
            raise InputError(f"{folder} cannot be read: {error.strerror}", at=f"--waivers {path}") from None
        yield


def _write(
    path: Path, proposal: Proposal, terms: WaiverTerms, settings: Settings, rules: RuleSet, today: date
) -> WrittenEntries:
    before = _before(path)
    limits: dict[str, Any] = {"today": today, "max_days": settings.max_days, "allow_tag": settings.allow_tag}
    known = waiver_reader.read(toml.parsed(path, before), rules, **limits)
    missing = [each for each in proposal.entries if not _covers(known, each, rules)]
    if not missing:
        raise InputError(
            f"{proposal.texts} is already waived",
            at=str(path),
            do="scan again; these findings are older than the waiver",
        )
    renewed = _expired(known, missing, rules)
    after = append_entries(before, missing, terms, path)
    made = waiver_reader.read(toml.parsed(path, after), rules, **limits)
    if not all(_covers(made, each, rules) for each in missing):
        raise UserError("the waiver would not cover the finding; nothing was written", do="report this defect", code=70)
    _replace(path, after)
    lines, table = toml.parsed(path, after).lines, missing[0].table
    first = len(toml.parsed(path, before).data.get(table, ()))
    line = lines.get((table, first), lines.get((table,), 1))
    hint = "" if settings["waivers"] else f"Scan with it: twolocks scan --waivers {path}"
    return WrittenEntries(proposal, terms, path, line, len(missing), renewed, hint)


def _before(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8") if path.exists() else ""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", at=f"--waivers {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"the file is not UTF-8, at byte {error.start + 1}", at=str(path)) from None


def _covers(known: WaiverFile, new: NewEntry, rules: RuleSet) -> bool:
    """Return whether a waiver file accepts everything that an entry covers."""
    rule = _rule(new, rules)
    if new.table == "gap":
        return known.accepted_check(rule, new.resource) is not None
    return all(known.waived(rule, new.resource, {}, failure) for failure in new.failures)


def _rule(new: NewEntry, rules: RuleSet) -> Rule:
    """Return the rule of an entry. Raise InputError for an unknown one, and for a part of a merged one, which accepts
    nothing by itself.
    """
    id, colon, type = new.rule.partition(":")
    rule = rules.of_type(id, type) if colon else rules.named(new.rule, new.resource)
    if rule is None:
        raise InputError(f'unknown rule "{new.rule}"', do="give the --rules of the scan, or scan again")
    if not match_whole(rule, (new.rule,), type_of(new.resource)):
        raise InputError(
            f'the rule "{new.rule}" is now a part of "{rule.id}"', do="scan again; a new findings file has the new id"
        )
    return rule


def _of_one_type(new: NewEntry, rules: RuleSet) -> NewEntry:
    """Return an entry with ID:TYPE where its rule asks many types and the resource does not say which one.

    It is a subscription in which a list of the type was not read: the fingerprint of the finding tells the type.
    """
    if not new.fingerprint or not is_subscription(new.resource):
        return new
    many = [rule for rule in rules.all_named(new.rule) if rule.of_many is not None]
    matches = [rule for rule in many if finding_fingerprint(rule.first_id, new.resource) == new.fingerprint]
    return replace(new, rule=f"{matches[0].id}:{matches[0].resource_type.type}") if len(matches) == 1 else new


def _expired(known: WaiverFile, new: Sequence[NewEntry], rules: RuleSet) -> tuple[str, ...]:
    """Return `file:line` of the expired entries that covered the same."""
    known.begin()
    for each in new:
        if each.table == "gap":
            known.accepted_check(_rule(each, rules), each.resource)
            continue
        for failure in each.failures:
            known.past(_rule(each, rules), each.resource, {}, failure)
    return tuple(sorted({entry.at for entry in known.lapsed if known.used[entry]}))


def append_entries(before: str, new: Sequence[NewEntry], terms: WaiverTerms, path: Path) -> str:
    """Return the file with the new entries at its end; the existing text stays unchanged, byte for byte."""
    there, table = toml.parsed(path, before), new[0].table
    if table in there.data and (table, 0) not in there.lines:
        raise InputError(
            f"the {table}s are an inline list, which cannot be extended",
            at=str(path),
            do=f"write each as [[{table}]]",
        )
    entries = AoT([])
    for each in new:
        entries.append(_entry(each, terms))
    text = tomlkit.dumps({table: entries}).strip("\n") + "\n"
    newline = "\r\n" if "\r\n" in before else "\n"
    gap = "" if not before.strip() else newline if before.endswith("\n") else newline * 2
    return before + gap + text.replace("\n", newline)


def _entry(new: NewEntry, terms: WaiverTerms) -> Table:
    table = tomlkit.table()
    table["rule"] = new.rule
    table["resource"] = literal(new.resource)
    if new.endpoints:
        table["endpoints"] = [literal(name) for name in new.endpoints]
    if new.cell:
        table["cell"] = new.cell
    if new.table == "waiver":
        table["severity"] = new.severity
    table["reason"] = terms.reason
    table["owner"] = terms.owner
    table["expires"] = terms.expires
    if terms.ticket:
        table["ticket"] = terms.ticket
    return table


def _replace(path: Path, text: str) -> None:
    target = path.resolve()
    try:
        with AtomicFile(target) as file:
            file.write(text.encode())
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}; it is unchanged", at=f"--waivers {path}"
        ) from None


def _date(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
