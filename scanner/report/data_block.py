"""The data block of the report: tables once, everything else as columns of indexes into them, gzip in base64.

Texts that name their resource are kept as patterns: U+0001 and a letter stand for the resource's id (i), name (n),
group (g), subscription (s) and its parent's id (q) and name (p); `island.js` puts them back. So a command or a message
that differs only in the resource is stored once. What JSON would escape is never replaced: patterns of JSON stay JSON.
"""

import base64
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from scanner.report.gaps import subscription_of
from scanner.report.summary import SEVERITIES, STATUSES, Item, standing
from scanner.report.words import Words, parse

MARK = "\x01"
_PLAIN = re.compile(r"[\w ./()+:;,=@~%*!?-]{3,}", re.ASCII)
_WAIVER_DAYS, _EXPIRING_DAYS = 90, 30
_STATUS = {name: at for at, name in enumerate(STATUSES)}
_SEVERITY: dict[str | None, int] = {name: at for at, name in enumerate(SEVERITIES)}
_DOOR = (
    "resource", "endpoint", "kind", "address", "reach", "auth", "mayReach", "mayAuth", "severity", "worst", "state",
    "standing", "reason", "title", "hops", "admits", "fix", "breaks", "new", "since",
)  # fmt: skip
_FINDING = (
    "rule", "resource", "status", "severity", "title", "endpoints", "message", "evidence", "fix", "gaps", "waiver",
    "new", "since",
)  # fmt: skip
Columns = dict[str, Any]
_encode: Callable[[Any], bytes] = msgspec.json.Encoder(order="deterministic").encode


class Table(dict[Any, int]):
    """Distinct values in the order in which they came; `table[value]` is the index of one."""

    def __init__(self, *first: Any) -> None:
        super().__init__({value: at for at, value in enumerate(first)})

    def __missing__(self, value: Any) -> int:
        index = self[value] = len(self)
        return index


class Resources:
    """The table of resources: each id as a prefix and its last segment, with the names that cards show."""

    def __init__(self, known: Mapping[str, Item], subscription_names: Mapping[str, str]) -> None:
        self._known = {key.lower(): (key, value) for key, value in known.items()}
        self._index: dict[str, int] = {}
        self._names = subscription_names
        self._swaps: list[list[tuple[str, str]]] = []
        self.subscriptions, self.groups, self.types, self.regions = Table(""), Table(""), Table(""), Table("")
        self.prefixes = Table("")
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("prefix", "last", "name", "sub", "group", "type", "region", "parent")
        }

    def at(self, resource: str) -> int:
        """The index of a resource id; ids are compared without case."""
        index = self._index.get(resource)
        if index is None:
            lower = resource.lower()
            index = self._index.get(lower)
            if index is None:
                index = self._add(resource)
                self._index[lower] = index
            self._index[resource] = index
        return index

    def _add(self, resource: str) -> int:
        own, about = self._known.get(resource.lower(), (resource, {}))
        parent = about.get("parent") or ""
        above = self.at(parent) if parent and own.lower().startswith(parent.lower() + "/") else -1
        index = len(self._swaps)
        head, slash, last = own.rpartition("/")
        name = about.get("name") or last
        group = about.get("resource_group") or _group(own)
        subscription = (about.get("subscription") or subscription_of(own)).lower()
        values = (
            self.prefixes[head + slash],
            last,
            0 if name == last else name,
            self.subscriptions[subscription],
            self.groups[group],
            self.types[about.get("type") or _type(own)],
            self.regions[about.get("location") or ""],
            above,
        )
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)
        swaps = [(own, "i"), (last, "n"), (group, "g"), (subscription, "s")]
        if above >= 0:
            parent = self._known.get(parent.lower(), (parent, {}))[0]
            swaps += [(parent, "q"), (parent.rpartition("/")[2], "p")]
        swaps.sort(key=lambda swap: -len(swap[0]))
        self._swaps.append([(text, MARK + letter) for text, letter in swaps if _PLAIN.fullmatch(text)])
        return index

    def pattern(self, text: str, index: int) -> str:
        """The text with what the resource gives it replaced by marks."""
        if MARK in text:
            text = text.replace(MARK, MARK + "x")
        for value, mark in self._swaps[index]:
            if value in text:
                text = text.replace(value, mark)
        return text

    def export(self) -> Item:
        subscriptions = [[each, self._names.get(each, each)] for each in self.subscriptions]
        return {
            **self.columns,
            "prefixes": list(self.prefixes),
            "subs": subscriptions,
            "groups": list(self.groups),
            "types": list(self.types),
            "regions": list(self.regions),
        }


def _segment(resource: str, key: str) -> str:
    pieces = resource.split("/")
    lower = [piece.lower() for piece in pieces]
    return pieces[lower.index(key) + 1] if key in lower[:-1] else ""


def _group(resource: str) -> str:
    return _segment(resource, "resourcegroups")


def _type(resource: str) -> str:
    tail = resource.rpartition("/providers/")[2].split("/")
    return "/".join([tail[0], *tail[1::2]]) if len(tail) > 2 else ""


class Island:
    """Collects the columns of one document."""

    def __init__(self, document: Item, doors: Sequence[Item], findings: Sequence[Item]) -> None:
        self.document = document
        names = {s["subscription"].lower(): s.get("name") or s["subscription"] for s in _scopes(document)}
        self.resources = Resources(document.get("resources", {}), names)
        self.strings = Table("")
        self.gap_sets = Table(())
        self.rules = Table()
        self.gaps = [{key: g.get(key) for key in ("url", "status", "code", "action")} for g in document.get("gaps", ())]
        self._gap_at = {gap["url"].lower(): at for at, gap in enumerate(self.gaps)}
        self._titles = {rule: about.get("title") for rule, about in document.get("rules", {}).items()}
        self.doors = self._columns(doors, _DOOR, self._door)
        self.findings = self._columns(findings, _FINDING, self._finding)

    def _columns(self, items: Sequence[Item], names: Sequence[str], row: Callable[[Item], tuple[int, ...]]) -> Columns:
        columns: Columns = {
            name: _pack(values) for name, values in zip(names, zip(*map(row, items), strict=True), strict=False)
        }
        columns["fingerprint"] = "".join([str(item.get("fingerprint") or "")[:16].ljust(16) for item in items])
        columns["length"] = len(items)
        return columns

    def _text(self, text: str | None, resource: int) -> int:
        return self.strings[self.resources.pattern(text, resource)] if text else 0

    def _data(self, value: Any, resource: int) -> int:
        """A structure as JSON text in the table of strings, 0 where it is empty."""
        return self._text(_json(value), resource) if value else 0

    def _gap_set(self, urls: Iterable[str]) -> int:
        found = []
        for url in urls:
            at = self._gap_at.get(url.lower())
            if at is None:
                at = self._gap_at[url.lower()] = len(self.gaps)
                self.gaps.append({"url": url, "status": None, "code": None, "action": None})
            found.append(at)
        return self.gap_sets[tuple(found)]

    def _door(self, door: Item) -> tuple[int, ...]:
        get, strings = door.get, self.strings
        resource = self.resources.at(door["resource"])
        may = get("may") or {}
        return (
            resource,
            strings[door["endpoint"]],
            strings[get("kind") or ""],
            self._text(get("address"), resource),
            strings[get("reach") or "unknown"],
            strings[get("authentication") or "unknown"],
            strings[may.get("reach") or ""],
            strings[may.get("authentication") or ""],
            strings[get("severity") or ""],
            strings[get("worst") or ""],
            strings[get("state") or ""],
            strings[standing(door)],
            self._text(get("reason"), resource),
            self._text(get("title"), resource),
            self._data(get("hops"), resource),
            self._data(get("admits"), resource),
            self._text(get("fix"), resource),
            self._text(get("breaks"), resource),
            int(bool(get("new"))),
            strings[str(get("since") or "")],
        )

    def _finding(self, finding: Item) -> tuple[int, ...]:
        get, rule = finding.get, finding["rule"]
        resource = self.resources.at(finding["resource"])
        title, gaps = get("title"), get("gaps")
        return (
            self.rules[rule],
            resource,
            _STATUS[finding["status"]],
            _SEVERITY.get(get("severity"), -1),
            0 if title == self._titles.get(rule) else self._text(title, resource),
            self._data(get("endpoints"), resource),
            self._text(get("message"), resource),
            self._data(get("evidence"), resource),
            self._text(get("fix"), resource),
            self._gap_set(gaps) if gaps else 0,
            self._data(get("waiver"), resource),
            int(bool(get("new"))),
            self.strings[str(get("since") or "")],
        )

    def _history(self) -> Item:
        """Whether there is a history, when this scan was, and the fingerprints of what the filter `is:` names."""
        changes = self.document.get("changes")
        if changes is None:
            return {"history": False}
        lists = {name: [row["fingerprint"] for row in changes[name]] for name in ("reopened", "worse", "better")}
        return {"history": True, "taken": str(self.document["scan"]["taken"]), "changed": lists}

    def _passed(self) -> list[Any]:
        by_rule: dict[int, list[int]] = defaultdict(list)
        for resource, rules in sorted(self.document.get("passed", {}).items()):
            at = self.resources.at(resource)
            for rule in rules:
                by_rule[self.rules[rule]].append(at)
        return [[rule, by_rule[rule]] for rule in sorted(by_rule, key=list(self.rules).__getitem__)]

    def _not_applicable(self) -> list[Any]:
        by_rule: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for resource, rules in sorted(self.document.get("not_applicable", {}).items()):
            at = self.resources.at(resource)
            for rule, why in rules.items():
                places, whys = by_rule[self.rules[rule]]
                places.append(at)
                whys.append(self._text(why, at))
        return [[rule, *by_rule[rule]] for rule in sorted(by_rule, key=list(self.rules).__getitem__)]

    def export(self, words: Words) -> Item:
        """The whole block, ready for JSON."""
        passed, not_applicable = self._passed(), self._not_applicable()
        about = self.document.get("rules", {})
        finished = parse(str(self.document.get("scan", {}).get("finished") or ""))
        days = {
            name: (finished + timedelta(count)).date().isoformat() if finished else ""
            for name, count in (("waiverExpires", _WAIVER_DAYS), ("expiringBefore", _EXPIRING_DAYS))
        }
        return {
            "lang": words.language,
            "words": words.catalogue,
            **self._history(),
            "statuses": STATUSES,
            "severities": SEVERITIES,
            **days,
            "rules": [{"id": rule, **about.get(rule, {})} for rule in self.rules],
            "resources": self.resources.export(),
            "doors": self.doors,
            "findings": self.findings,
            "passed": passed,
            "notApplicable": not_applicable,
            "gaps": self.gaps,
            "gapSets": list(self.gap_sets),
            "strings": list(self.strings),
        }


def _scopes(document: Item) -> Sequence[Item]:
    scopes: Sequence[Item] = document.get("coverage", {}).get("scopes", ())
    return scopes


def _pack(values: tuple[int, ...]) -> Any:
    """A column, or its one value where all are the same."""
    return values[0] if len(set(values)) == 1 else values


def _json(value: Any) -> str:
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, sort_keys=True)


def pack(block: Item) -> str:
    """The block as base64 of gzip of JSON; the same block gives the same text."""
    return base64.b64encode(gzip.compress(_json(block).encode("utf-8"), 6, mtime=0)).decode("ascii")
