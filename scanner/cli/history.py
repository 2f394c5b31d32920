"""`twolocks history`: prints results on stdout and one sentence on stderr. Each command returns its exit code."""

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from scanner.cli.common import print_json, write_line
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.history import queries as questions
from scanner.history.items import Change, Item, ScanRecord
from scanner.history.store import History
from scanner.model.ids import path_of
from scanner.model.message import message_text
from scanner.model.severity import SEVERITIES
from scanner.output.targets import refuse_inputs
from scanner.store.temporary import AtomicFile
from scanner.terminal.streams import json_output
from scanner.terminal.tables import table
from scanner.terminal.text import many

Row = tuple[str, ...]
_NARROW = ("number", "time", "open", "complete", "subscriptions", "id and selection")
_LIMITS = (" resource=", " resource-group=", " tag=", " exclude=", " excluded=")
"""What a selection holds where something was left out of its subscriptions."""
_HEADS = ("change", "severity", "name", "fingerprint")


def list_scans(settings: Settings) -> int:
    """Print all scans."""
    with _open(settings) as history:
        scan_records = questions.all_scans(history)
    if settings["format"] == "json":
        return _json([_scan(each) for each in scan_records])
    text = (
        f"{many(len(scan_records), 'scan')}. Details: twolocks history show NUMBER" if scan_records else "No scans yet"
    )
    rows = [(str(each.number), *_facts(each)) for each in scan_records]
    if sys.stdout.isatty():
        return _table([_narrow(row) for row in rows], text, _NARROW)
    return _table(rows, text)


def show(settings: Settings, scan: str) -> int:
    """Print the changes in a scan, and the findings that were open after it."""
    with _open(settings) as history:
        scan_details = questions.show(history, scan)
    if settings["format"] == "json":
        rows = [_change(each) for each in scan_details.changes]
        return _json(
            {"scan": _scan(scan_details.scan), "changes": rows, "open": [_item(each) for each in scan_details.open]}
        )
    changes = [each for each in scan_details.changes if each.item.is_counted]
    stands = [each for each in scan_details.open if each.is_counted]
    of = f" of {scan_details.scan.selection}" if _is_limited(scan_details.scan) else ""
    text = f"Scan {scan_details.scan.number}{of}, {scan_details.scan.taken}: {_sums(changes)}; {len(stands):,} open"
    opened = (("open", *_named(each), _age(each, scan_details.scan.taken)) for each in stands)
    return _table([*map(_changed, changes), *opened], text, (*_HEADS, "reason or age"), 2)


def diff(settings: Settings, first: str, then: str) -> int:
    """Print the changes between two scans."""
    with _open(settings) as history:
        old, new, difference = questions.diff(history, first, then)
    if settings["format"] == "json":
        rows = [_change(each) for each in difference.changes]
        return _json({"from": _scan(old), "to": _scan(new), "changes": rows, "same": difference.same})
    changes = [each for each in difference.changes if each.item.is_counted]
    text = f"From {old.taken} to {new.taken}: {_sums(changes)}; {difference.same:,} unchanged"
    return _table(list(map(_changed, changes)), text, (*_HEADS, "reason"), 2)


def trend(settings: Settings, scan: str) -> int:
    """Print the number of open findings after each scan of one selection."""
    with _open(settings) as history:
        asked = questions.find(history, scan)
        trend_rows = history.trend(asked.selection)
    if settings["format"] == "json":
        return _json(trend_rows)
    names = ("taken", *SEVERITIES, "undecided", "unknown")
    rows = [tuple(str(getattr(row, name)) for name in names) for row in trend_rows]
    text = f"{many(len(trend_rows), 'scan')} with the selection of scan {asked.number}"
    text += ": open findings by severity, inconclusive checks, endpoints not assessed"
    return _table(rows, text, ("taken", *SEVERITIES, "inconclusive", "not assessed"))


def prune(settings: Settings) -> int:
    """Delete old scans."""
    day = _day(settings)
    with _open(settings) as history:
        gone = questions.prune(history, day)
    counts = (many(gone.scans, "scan"), many(gone.events, "event"), many(gone.items, "fixed item"))
    return _write_scans(f"Deleted data from before {day}: {', '.join(counts)}. {gone.left:,} items remain")


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
            text = (error.strerror or type(error).__name__).lower()
            raise InputError(f"the export was not written: {text}", at=settings.at("out", settings["out"])) from error
    return _write_scans(f"Wrote {settings['out']}")


def upgrade(settings: Settings) -> int:
    """Upgrade the schema."""
    url, hosts = _url(settings), settings["postgres-token-host"]
    before, after = questions.upgrade(url, at=settings.at("history", url), token_hosts=hosts)
    if before == after:
        return _write_scans(f"The history is up to date (schema {after})")
    if not before:
        return _write_scans(f"The history was created with schema {after} and is empty")
    return _write_scans(f"The history was upgraded from schema {before} to {after}")


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


def _table(rows: Sequence[Row], text: str, heads: Row = (), name: int = -1) -> int:
    """Print a table and a sentence: first on a terminal, else afterwards on standard error."""
    if not table(rows, sys.stdout, os.environ, name, heads=heads, summary=text):
        write_line(text)
    return 0


def _write_scans(text: str) -> int:
    write_line(text)
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
    return any(limit in f" {scan.selection}" for limit in _LIMITS)


def _narrow(row: Row) -> Row:
    """Return the row of a scan for a terminal: its time may be wrapped, and its id is before its selection."""
    number, taken, *facts, id, selection = row
    return (number, taken.replace("T", " "), *facts, f"{id} {selection}")


def _named(item: Item) -> Row:
    """Return severity, displayed name, fingerprint."""
    what = item.endpoint + (f" {item.address}" if item.address else "") if item.kind == "exposure" else item.rule
    return item.severity, f"{path_of(item.resource)}: {what}", item.fingerprint


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
    result: dict[str, Any] = msgspec.to_builtins(item, enc_hook=message_text)
    return result


def _change(change: Change) -> dict[str, Any]:
    cell = ("severity", "reach", "authentication", "state")
    was = None if change.was is None else {name: getattr(change.was, name) for name in cell}
    return {"news": change.kind, "why": change.why, **_item(change.item), "was": was}
