"""`twolocks history`: prints results on stdout and one sentence on stderr. Each command returns its exit code."""

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from scanner.cli.common import print_json, say
from scanner.config.settings import Settings
from scanner.document.temporary import AtomicFile
from scanner.errors import InputError
from scanner.history import queries as questions
from scanner.history.items import Change, Item, ScanRecord
from scanner.history.store import History
from scanner.model.ids import name_of
from scanner.model.message import message_text
from scanner.model.severity import SEVERITIES
from scanner.output.targets import refuse_inputs
from scanner.terminal.streams import json_output
from scanner.terminal.tables import table
from scanner.terminal.text import many

Row = tuple[str, ...]
_NARROW = ("number", "time", "open", "complete", "subscriptions", "id and selection")
_PARTS = (" resource=", " resource-group=", " tag=", " exclude=", " excluded=")
"""What a selection holds where something was left out of its subscriptions."""
_HEADS = ("change", "severity", "name", "fingerprint")


def list_scans(settings: Settings) -> int:
    """Print all scans."""
    with _open(settings) as history:
        found = questions.all_scans(history)
    if settings["format"] == "json":
        return _json([_scan(each) for each in found])
    said = f"{many(len(found), 'scan')}. Details: twolocks history show NUMBER" if found else "No scans yet"
    rows = [(str(each.number), *_facts(each)) for each in found]
    if sys.stdout.isatty():
        return _table([_narrow(row) for row in rows], said, _NARROW)
    return _table(rows, said)


def show(settings: Settings, scan: str) -> int:
    """Print the changes in a scan, and the findings that were open after it."""
    with _open(settings) as history:
        found = questions.show(history, scan)
    if settings["format"] == "json":
        rows = [_change(each) for each in found.changes]
        return _json({"scan": _scan(found.scan), "changes": rows, "open": [_item(each) for each in found.open]})
    changes = [each for each in found.changes if each.item.is_counted]
    stands = [each for each in found.open if each.is_counted]
    of = f" of {found.scan.selection}" if _is_limited(found.scan) else ""
    said = f"Scan {found.scan.number}{of}, {found.scan.taken}: {_sums(changes)}; {len(stands):,} open"
    opened = (("open", *_named(each), _age(each, found.scan.taken)) for each in stands)
    return _table([*map(_changed, changes), *opened], said, (*_HEADS, "reason or age"), 2)


def diff(settings: Settings, first: str, then: str) -> int:
    """Print the changes between two scans."""
    with _open(settings) as history:
        old, new, found = questions.diff(history, first, then)
    if settings["format"] == "json":
        rows = [_change(each) for each in found.changes]
        return _json({"from": _scan(old), "to": _scan(new), "changes": rows, "same": found.same})
    changes = [each for each in found.changes if each.item.is_counted]
    said = f"From {old.taken} to {new.taken}: {_sums(changes)}; {found.same:,} unchanged"
    return _table(list(map(_changed, changes)), said, (*_HEADS, "reason"), 2)


def trend(settings: Settings, scan: str) -> int:
    """Print the number of open findings after each scan of one selection."""
    with _open(settings) as history:
        asked = questions.find(history, scan)
        found = history.trend(asked.selection)
    if settings["format"] == "json":
        return _json(found)
    names = ("taken", *SEVERITIES, "undecided", "unknown")
    rows = [tuple(str(getattr(row, name)) for name in names) for row in found]
    said = f"{many(len(found), 'scan')} with the selection of scan {asked.number}"
    said += ": open findings by severity, inconclusive checks, endpoints not assessed"
    return _table(rows, said, ("taken", *SEVERITIES, "inconclusive", "not assessed"))


def prune(settings: Settings) -> int:
    """Delete old scans."""
    day = _day(settings)
    with _open(settings) as history:
        gone = questions.prune(history, day)
    parts = (many(gone.scans, "scan"), many(gone.events, "event"), many(gone.items, "fixed item"))
    return _say(f"Deleted data from before {day}: {', '.join(parts)}. {gone.left:,} items remain")


def export(settings: Settings) -> int:
    """Write everything, as JSON lines."""
    at = settings.at("out", settings["out"])
    refuse_inputs([(settings["out"], at)], [(_url(settings).removeprefix("sqlite:///"), "the history")])
    with _open(settings) as history:
        lines = (msgspec.json.encode(row, enc_hook=message_text) + b"\n" for row in questions.export(history))
        if settings["out"] in ("", "-"):
            out = json_output()
            for line in lines:
                out.write(line)
            out.flush()
            return 0
        try:
            with AtomicFile(Path(settings["out"])) as file:
                file.writelines(lines)
        except OSError as error:
            said = (error.strerror or type(error).__name__).lower()
            raise InputError(f"the export was not written: {said}", at=settings.at("out", settings["out"])) from error
    return _say(f"Wrote {settings['out']}")


def upgrade(settings: Settings) -> int:
    """Upgrade the schema."""
    url, hosts = _url(settings), settings["postgres-token-host"]
    before, after = questions.upgrade(url, at=settings.at("history", url), token_hosts=hosts)
    if before == after:
        return _say(f"The history is up to date (schema {after})")
    if not before:
        return _say(f"The history was created with schema {after} and is empty")
    return _say(f"The history was upgraded from schema {before} to {after}")


def _url(settings: Settings) -> str:
    if not settings["history"]:
        do = "add --history FILE, or history to [scan] of twolocks.toml"
        raise InputError("no history is set", do=do)
    return str(settings["history"])


def _open(settings: Settings) -> History:
    url, hosts = _url(settings), settings["postgres-token-host"]
    return History.open(url, at=settings.at("history", url), create=False, token_hosts=hosts)


def _day(settings: Settings) -> str:
    given = settings["older-than"]
    if not given:
        raise InputError("--older-than is not set", do="give a number of days: --older-than 400")
    try:
        days = int(given)
        if days < 1:
            raise ValueError
        return (datetime.now(UTC).date() - timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        at = settings.at("older-than", given)
        raise InputError(
            f'"{given}" is not a number of days', at=at, do="give at least one day: --older-than 400"
        ) from None


# Text


def _table(rows: Sequence[Row], said: str, heads: Row = (), name: int = -1) -> int:
    """Print a table and a sentence: first on a terminal, else afterwards on standard error."""
    if not table(rows, sys.stdout, os.environ, name, heads=heads, summary=said):
        say(said)
    return 0


def _say(text: str) -> int:
    say(text)
    return 0


def _json(value: object) -> int:
    print_json(value)
    return 0


def _facts(scan: ScanRecord) -> Row:
    standing = ", ".join(f"{scan.standing[name]} {name}" for name in SEVERITIES if scan.standing[name])
    whole = "complete" if scan.complete else f"incomplete, {scan.undecided} inconclusive"
    whole += ", limited" if _is_limited(scan) else ""
    subscriptions = many(len(scan.subscriptions), "subscription")
    return scan.taken, standing or "nothing open", whole, subscriptions, scan.id, scan.selection


def _is_limited(scan: ScanRecord) -> bool:
    """Return whether a scan was of a part of its subscriptions."""
    return any(part in f" {scan.selection}" for part in _PARTS)


def _narrow(row: Row) -> Row:
    """Return the row of a scan for a terminal: its time may be wrapped, and its id is before its selection."""
    number, taken, *facts, id, selection = row
    return (number, taken.replace("T", " "), *facts, f"{id} {selection}")


def _named(item: Item) -> Row:
    """Return severity, displayed name, fingerprint."""
    what = item.endpoint + (f" {item.address}" if item.address else "") if item.kind == "exposure" else item.rule
    return item.severity, f"{name_of(item.resource)}: {what}", item.fingerprint


def _changed(change: Change) -> Row:
    return (change.kind.word, *_named(change.item), change.why)


def _sums(changes: list[Change]) -> str:
    counts = Counter(change.kind.word for change in changes)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) or "no changes"


def _age(item: Item, now: str) -> str:
    lost = "" if item.visible else f", not visible since {item.seen[:10]}"
    days = (date.fromisoformat(now[:10]) - date.fromisoformat(item.since[:10])).days
    return f"since {item.since[:10]}, {many(max(days, 0), 'day')}{lost}"


# JSON


def _scan(scan: ScanRecord) -> Mapping[str, Any]:
    names = ("number", "id", "taken", "started", "finished", "tool", "selection", "subscriptions", "complete")
    return {name: getattr(scan, name) for name in (*names, "confirmed", "standing", "undecided", "unknown")}


def _item(item: Item) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(item, enc_hook=message_text)
    return found


def _change(change: Change) -> dict[str, Any]:
    cell = ("severity", "reach", "authentication", "state")
    was = None if change.was is None else {name: getattr(change.was, name) for name in cell}
    return {"news": change.kind, "why": change.why, **_item(change.item), "was": was}
