"""Reads a waiver file, and collects its faults."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from scanner.config import toml
from scanner.config.keys import GAP, MAX_DAYS, WAIVER, Key, texts
from scanner.config.toml import TomlFile
from scanner.config.waivers import Cell, Entry, GapEntry, Waiver, WaiverFile, fits, parse_cell, utc_today
from scanner.errors import InputError
from scanner.model.severity import Severity
from scanner.rulebook.loader import RuleSet, matches

TABLES = {"waiver": WAIVER, "gap": GAP}
_ENDPOINTS = next(key for key in WAIVER if key.name == "endpoints")
# Two unrelated reads and resources: a pattern that matches both is too wide.
_PROBES = (
    "/subscriptions/1/resourcegroups/a/providers/microsoft.sql/servers/b/firewallrules",
    "/subscriptions/2/resourcegroups/c/providers/microsoft.keyvault/vaults/d/keys",
)


def load(
    path: Path, rules: RuleSet, *, today: date | None = None, max_days: int = MAX_DAYS, allow_tag: bool = False
) -> WaiverFile:
    """Return the waivers of a file. Raise InputError, with all faults at once, for an invalid or missing file."""
    return read(toml.read(path, "--waivers"), rules, today=today, max_days=max_days, allow_tag=allow_tag)


def read(
    file: TomlFile, rules: RuleSet, *, today: date | None = None, max_days: int = MAX_DAYS, allow_tag: bool = False
) -> WaiverFile:
    """Return the waivers of a parsed file. Raise the same errors as `load`."""
    today = today or utc_today()
    limits = _Limits(file, rules, today, max_days, allow_tag)
    for name in file.data:
        if name not in TABLES:
            file.unknown(f'unknown table "{name}" in a waiver file', name, TABLES, name)
    waivers = [_waiver(limits, position, entry) for position, entry in _entries(file, "waiver")]
    gaps = [_gap(limits, position, entry) for position, entry in _entries(file, "gap")]
    file.check()
    known: list[Entry] = [each for each in (*waivers, *gaps) if each is not None]
    live = [each for each in known if each.expires >= today]
    return WaiverFile(
        tuple(each for each in live if isinstance(each, Waiver)),
        tuple(each for each in live if isinstance(each, GapEntry)),
        tuple(each for each in known if each.expires < today),
    )


class _Limits(Struct, frozen=True):
    """The limits of an entry: known rules, dates within `max_days`, tags if `allow_tag`."""

    file: TomlFile
    rules: RuleSet
    today: date
    max_days: int
    allow_tag: bool


def _entries(file: TomlFile, table: str) -> Iterable[tuple[int, dict[str, Any]]]:
    """Return the entries of a table with their indexes."""
    value = file.data.get(table, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        file.fault(f"{table} must be a list of tables", table, do=f"write [[{table}]]")
        return []
    return enumerate(value)


def _waiver(limits: _Limits, position: int, entry: Mapping[str, Any]) -> Waiver | None:
    """Return an entry of [[waiver]]; None without a date."""
    file = limits.file
    stated = _texts(file, "waiver", position, entry, ("rule", "reason", "owner"))
    expires = _expires(limits, "waiver", position, entry)
    waiver = Waiver(
        rule=stated["rule"],
        resource=stated["resource"],
        reason=stated["reason"],
        owner=stated["owner"],
        expires=expires or limits.today,
        endpoints=_endpoints(file, position, entry),
        cell=_cell(file, position, stated["cell"]),
        severity=_severity(file, position, stated["severity"]),
        ticket=stated["ticket"],
        tag=_tag(limits, position, entry, stated["tag"]),
        line=_line(file, "waiver", position),
        at=_at(file, "waiver", position),
    )
    if waiver.tag is None:
        _check_width(limits, "waiver", position, waiver.rule, waiver.resource)
    elif waiver.rule.strip():
        _check_rule(limits, "waiver", position, waiver.rule)
    return waiver if expires is not None else None


def _gap(limits: _Limits, position: int, entry: Mapping[str, Any]) -> GapEntry | None:
    """Return an entry of [[gap]]; None without a date."""
    file = limits.file
    by_rule = "rule" in entry or "resource" in entry
    both = by_rule and "url" in entry
    needed = () if both else ("rule", "resource") if by_rule else ("url",)
    stated = _texts(file, "gap", position, entry, (*needed, "reason", "owner"))
    expires = _expires(limits, "gap", position, entry)
    if both:
        do = "use url for a failed read; use rule and resource for a check that is inconclusive without one"
        file.fault("a gap requires a url, or a rule and a resource, not both", "gap", position, "url", do=do)
    elif by_rule:
        _check_width(limits, "gap", position, stated["rule"], stated["resource"])
    elif stated["url"] and all(fits(probe, stated["url"]) for probe in _PROBES):
        file.fault(
            f'"{stated["url"]}" accepts every failed read',
            *("gap", position, "url"),
            do='select the reads: url = "*/blobServices/default/containers"',
        )
    if expires is None:
        return None
    return GapEntry(**stated, expires=expires, line=_line(file, "gap", position), at=_at(file, "gap", position))


def _texts(
    file: TomlFile, table: str, position: int, entry: Mapping[str, Any], needed: tuple[str, ...]
) -> dict[str, str]:
    """Return the text values of an entry by key."""
    keys: list[Key] = [replace(key, needed=key.name in needed) for key in TABLES[table]]
    return texts(file, f"a {table}", entry, keys, table, position, but=("expires", "endpoints"))


def _line(file: TomlFile, table: str, position: int) -> int:
    line = file.at(table, position).rpartition(":")[2]
    return int(line) if line.isdigit() else 0


def _at(file: TomlFile, table: str, position: int) -> str:
    return f"{file.path.name}:{_line(file, table, position)}"


def _endpoints(file: TomlFile, position: int, entry: Mapping[str, Any]) -> tuple[str, ...]:
    if "endpoints" not in entry:
        return ()
    if _ENDPOINTS.fits(entry["endpoints"]):
        return tuple(entry["endpoints"])
    file.fault(f"endpoints must be {_ENDPOINTS.takes}", "waiver", position, "endpoints", do=_ENDPOINTS.do)
    return ()


def _cell(file: TomlFile, position: int, text: str) -> Cell | None:
    result = parse_cell(text) if text else None
    if text and result is None:
        file.fault(f'"{text}" is not a cell', "waiver", position, "cell", do='write cell = "admin/shared/internet"')
    return result


def _severity(file: TomlFile, position: int, text: str) -> Severity | None:
    known = Severity.__members__
    if text and text not in known:
        file.unknown(f'unknown severity "{text}"', text, known, "waiver", position, "severity")
    return known.get(text)


def _tag(limits: _Limits, position: int, entry: Mapping[str, Any], text: str) -> tuple[str, str] | None:
    """Return name and value of the tag that selects the resources; None if a resource is named."""
    file, key = limits.file, ("waiver", position, "tag")
    named = bool(str(entry.get("resource", "")).strip())
    if "tag" not in entry:
        if not named:
            more = ' or tag = "NAME=VALUE"' if limits.allow_tag else ""
            file.fault("a waiver requires resource", "waiver", position, do=f'add resource = "..."{more}')
        return None
    name, equals, value = text.partition("=")
    if not limits.allow_tag:
        do = "name the resource, or set allow-tag in [waivers] of twolocks.toml: writers of tags can then waive"
        file.fault("the settings do not allow waivers by tag", *key, do=do)
    elif named:
        file.fault("a waiver requires a resource or a tag, not both", *key, do="remove one of them")
    elif not (name.strip() and equals and value.strip()):
        file.fault(f'"{text}" is not a tag', *key, do='write tag = "NAME=VALUE"')
    return name.strip(), value.strip()


def _expires(limits: _Limits, table: str, position: int, entry: Mapping[str, Any]) -> date | None:
    value = entry.get("expires")
    if value is None:
        do = f"write {expiry(limits.today, limits.max_days)}"
        limits.file.fault(f"a {table} requires expires", table, position, "expires", do=do)
        return None
    try:
        return day(value, limits.today, limits.max_days)
    except InputError as error:
        limits.file.fault(error.what, table, position, "expires", do=error.do)
        return None


def _check_rule(limits: _Limits, table: str, position: int, pattern: str) -> bool:
    """Return whether a pattern matches a rule; collect the fault if it does not."""
    try:
        limits.rules.check(pattern, f"{table} of")
    except InputError as error:
        limits.file.fault(error.what, table, position, "rule", do=error.do)
        return False
    return True


def _check_width(limits: _Limits, table: str, position: int, rule: str, resource: str) -> None:
    """Collect the faults of unknown rules, and of several rules on every resource, because that would accept findings
    that no one has reviewed.
    """
    if not rule.strip() or not _check_rule(limits, table, position, rule):
        return
    if not all(fits(probe, resource) for probe in _PROBES):
        return
    count = len({each.id for each in limits.rules.rules.values() if matches(each, rule)})
    if count > 1:
        limits.file.fault(
            f"this {table} is too broad: it accepts {count:,} rules on every resource, including future findings",
            *(table, position, "resource"),
            do='select resources, such as resource = "*/resourceGroups/NAME/*", or one rule',
        )


def day(value: object, today: date, max_days: int) -> date:
    """Return the date of an `expires`. Raise InputError if it is not a date, or more than `max_days` ahead."""
    do = f"write {expiry(today, max_days)}"
    result: object = value
    if isinstance(value, str):
        try:
            result = date.fromisoformat(value.strip())
        except ValueError:
            result = None
    if isinstance(result, datetime):
        result = result.date()
    if not isinstance(result, date):
        raise InputError(f'"{value}" is not a date', do=do)
    if result > today + timedelta(days=max_days):
        raise InputError(f"{result} is more than {max_days} days ahead", do=do)
    return result


def expiry(today: date, max_days: int) -> str:
    """Return how to write an `expires`, for errors."""
    ahead = min(_ahead(today), today + timedelta(days=max_days))
    return f"expires = {ahead}, at most {'a year' if max_days == MAX_DAYS else f'{max_days} days'} ahead"


def _ahead(today: date) -> date:
    """Return the end of this year, or the middle of the next one if the end of the year is near."""
    end = date(today.year, 12, 31)
    return end if end - today > timedelta(days=14) else date(today.year + 1, 6, 30)
