"""Compare findings documents: everything but wording strictly, wording by an explicit map. Pure."""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

Json = dict[str, Any]
PROSE = {
    "rule": {"title", "why", "remediation.portal", "remediation.breaks", "remediation.first_step"},
    "verdict": {
        *("title", "message", "reason", "fix", "fix.impact"),
        *("evidence.path", "evidence.value", "evidence.expected"),
    },
    "exposure": {
        *("title", "reason", "fix", "breaks", "hops.name", "hops.detail", "admits"),
        *("evidence.path", "evidence.value", "evidence.expected"),
    },
    "coverage": {"notes"},
}
"""Texts that people read, by section and path. The rest is compared as it is."""
MAY_BE_DATA = {"evidence.path", "evidence.value", "fix", "remediation.first_step"}
"""Prose only where it has a space and is no command."""
_END = re.compile(r"(?<=[.;:])\s+")
RUN = ("id", "started", "finished", "tool")
_DATA = re.compile(
    r"""/subscriptions/[^\s,;]+|https?://[^\s,;]+
|(?<!\w)(?P<quote>['"`]).*?(?P=quote)(?!\w)|\[(?!\]).*\]|\{(?!\}).*\}|(?<==\ )\S+
|[\w.-]*\w\.\w[\w.-]*\w|[\w./:*-]*\d(?:[\w./:*-]*[\w/*])?|\b[a-z]+[A-Z]\w*|\b(?:True|False|None|true|false|null)\b
|(?<![\w-])(?P<word>\w+(?:-\w+)+|\w*_\w*)(?![\w-])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Names:
    """How ids of rules were renamed, and what may differ on purpose: controls, and fields that only NEW has.

    `merged`: the ids that several rules have now, each for types of its own.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    controls: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    merged: frozenset[str] = frozenset()

    def new(self, rule: str) -> str:
        return self.renamed.get(rule, rule)


@dataclass(slots=True)
class Result:
    """What was compared, what differs (kind and example), and the pairs of texts (old, new) with an example."""

    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    pairs: dict[tuple[str, str], str] = field(default_factory=dict)
    on_purpose: dict[str, set[str]] = field(default_factory=dict)

    def differ(self, kind: str, example: str) -> None:
        self.kinds[kind] += 1
        known = self.examples.setdefault(kind, [])
        if len(known) < 10:
            known.append(example[:600])

    def add(self, other: "Result") -> None:
        """Add what another part of the inputs came to."""
        self.counts += other.counts
        self.kinds += other.kinds
        for kind, examples in other.examples.items():
            self.examples[kind] = [*self.examples.get(kind, []), *examples][:10]
        self.pairs = other.pairs | self.pairs
        for kind, names in other.on_purpose.items():
            self.on_purpose.setdefault(kind, set()).update(names)


def old_ids(rules: Iterable[Json]) -> dict[str, str]:
    """Return the present ids by the old ones, of rules as `twolocks rules list --format json` lists them."""
    return {old: rule["id"] for rule in rules for old in rule["aliases"]}


def merged_ids(rules: Iterable[Json]) -> frozenset[str]:
    """Return the present ids that are those of several rules, each for types of its own."""
    return frozenset(rule["id"] for rule in rules if rule.get("merged"))


def rows(document: Json, names: Names) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield (section, key, row) of everything in a document, with the new ids of rules."""
    yield "scan", (), {key: value for key, value in document["scan"].items() if key not in RUN}
    yield from _rules(document["rules"], names)
    for id, resource in document["resources"].items():
        yield "resource", (id,), resource
    for row in document["exposures"]:
        yield "exposure", (row["resource"], row["endpoint"], row["address"]), row
    yield from _verdicts(document, names)
    for row in document["gaps"]:
        yield "gap", (row["url"],), {**row, "rules": sorted(set(map(names.new, row["rules"])))}
    coverage = document["coverage"]
    off = sorted({names.new(id).partition(":")[0] for id in coverage["rules_off"]})
    yield "coverage", (), {**coverage, "rules_off": off}
    for row in document.get("places", ()):
        new = {**row, "rule": names.new(row["rule"])}
        yield "place", tuple(str(new.get(each)) for each in ("resource", "rule", "region", "path", "value")), new
    for row in document.get("frameworks", ()):
        yield "framework", (row["id"],), _without_counts(row) if names.merged else row
    known = {"schema", "scan", "rules", "resources", "exposures", "findings", "passed", "not_applicable", "gaps"}
    # What texts are made of differs as the texts do.
    known |= {"reasons", "templates"}
    for name in document.keys() - known - {"coverage", "places", "frameworks"}:
        yield "document", (name,), _without_texts(document[name])


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_texts(each) for key, each in value.items() if key != "texts"}
    return list(map(_without_texts, value)) if isinstance(value, list) else value


def _rules(rules: Json, names: Names) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    merged: Json = {}
    for id, rule in rules.items():
        if names.new(id) in names.merged:
            merged[names.new(id)] = {name: rule.get(name) for name in _OF_MERGED}
        else:
            yield "rule", (names.new(id),), rule
    yield from (("rule", (id,), rule) for id, rule in merged.items())


_OF_MERGED = ("category", "severity", "controls", "responsibility")
"""What rules must have in common that have one id now."""


def _verdicts(document: Json, names: Names) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    # Where types of a subscription were not listed, a rule on many types says so of each: told apart by fingerprint.
    for row in sorted(document["findings"], key=lambda row: str(row["fingerprint"])):
        yield "verdict", (row["resource"], names.new(row["rule"])), {**row, "rule": names.new(row["rule"])}
    for id, passed in document["passed"].items():
        yield from (("verdict", (id, names.new(rule)), {"status": "pass"}) for rule in passed)
    for id, reasons in document["not_applicable"].items():
        for rule, why in reasons.items():
            yield "verdict", (id, names.new(rule)), {"status": "not-applicable", "reason": why}


def _without_counts(framework: Json) -> Json:
    """Return a framework without the numbers of the rules that test its controls."""
    tested = {
        id: {name: value for name, value in control.items() if name not in ("rules", "used")}
        for id, control in framework["tested"].items()
    }
    return {**framework, "tested": tested}


def keyed(document: Json, names: Names) -> dict[tuple[str, ...], Any]:
    """Return the rows by section and key; of equal keys each gets a number."""
    result: dict[tuple[str, ...], Any] = {}
    for section, key, row in rows(document, names):
        numbered = ((section, *key, str(each)) for each in count())
        result[next(each for each in numbered if each not in result)] = row
    return result


class Comparison:
    """Compares pairs of documents into `result`."""

    def __init__(self, names: Names) -> None:
        self.names, self.result = names, Result()
        self.resources: frozenset[str] = frozenset()
        self.seen: set[tuple[str, str, str]] = set()

    def documents(self, name: str, old: Json, new: Json) -> None:
        """Compare two documents of one input."""
        before, after = keyed(old, self.names), keyed(new, Names(merged=self.names.merged))
        self.resources = _names(old)
        self.result.counts["documents"] += 1
        for key, row in before.items():
            self._count(key[0], row)
            at = f"{name}: {' '.join(key[1:-1])}"
            if key not in after:
                self.result.differ(f"{key[0]}: only in old", f"{at} {_short(row)}")
            elif not _same(row, after[key]):
                self._differ(key[0], "", row, after[key], at)
        for key in after.keys() - before.keys():
            self.result.differ(f"{key[0]}: only in new", f"{name}: {' '.join(key[1:-1])} {_short(after[key])}")

    def _count(self, section: str, row: Any) -> None:
        counts = self.result.counts
        counts["verdicts" if section == "verdict" else f"{section} rows"] += 1
        if section == "verdict":
            counts[f"verdicts: {row['status']}"] += 1
        if section in ("verdict", "exposure"):
            counts["evidence paths"] += len(row.get("evidence", ()))

    def _differ(self, section: str, path: str, old: Any, new: Any, at: str) -> None:
        """Go down to what differs."""
        if _same(old, new):
            return
        if isinstance(old, dict) and isinstance(new, dict) and path not in ("evidence.value", "evidence.expected"):
            if section == "verdict" and old.get("status") != new.get("status"):
                self.result.differ("verdict: status", f"{at}: {_short(old)} -> {_short(new)}")
                return
            self._members(section, path, old, new, at)
        elif _texts(old, new) and path in PROSE.get(section, ()) and not (path in MAY_BE_DATA and _plain(old, new)):
            self._text(f"{section} {path}", old, new, at)
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and path.count(".") == 0:
            for one, other in zip(old, new, strict=True):
                self._differ(section, path, one, other, at)
        else:
            self.result.differ(f"{section}: {path}", f"{at}: {_short(old)} -> {_short(new)}")

    def _members(self, section: str, path: str, old: Json, new: Json, at: str) -> None:
        for key in {**old, **new}:
            here = f"{path}.{key}".lstrip(".")
            if here == "controls" and section == "rule":
                self._controls(old[key], new[key], at.rpartition(" ")[2])
            elif key not in old and f"{section}.{here}" in self.names.fields:
                self.result.on_purpose.setdefault("fields", set()).add(f"{section}.{here}")
            elif key not in old or key not in new:
                side = "new" if key not in old else "old"
                self.result.differ(f"{section}: {here}: only in {side}", f"{at}: {_short(new.get(key, old.get(key)))}")
            else:
                self._differ(section, here, old[key], new[key], at)

    def _controls(self, old: Json, new: Json, rule: str) -> None:
        for framework in {**old, **new}:
            if old.get(framework) == new.get(framework):
                continue
            if self.names.controls & {rule, framework}:
                self.result.on_purpose.setdefault("controls", set()).add(rule)
            else:
                text = f"{rule} {framework}: {old.get(framework)} -> {new.get(framework)}"
                self.result.differ("rule: controls", text)

    def _text(self, where: str, old: str, new: str, at: str) -> None:
        """Note a pair of texts. Documents repeat most of them, so that each is looked at once."""
        self.result.counts["texts that differ"] += 1
        if (where, old, new) in self.seen:
            return
        self.seen.add((where, old, new))
        if blank(old, self.resources) == blank(new, self.resources):
            self.result.differ(f"{where}: data", f"{at}: {old} -> {new}")
        for one, other in clauses(old, new):
            pair = masked(one, other, self.resources)
            self.result.pairs.setdefault(pair, f"{where}: {at}: {old} -> {new}"[:600])


def _same(old: Any, new: Any) -> bool:
    """Compare as JSON, where true is not 1."""
    return old == new and msgspec.json.encode(old, order="sorted") == msgspec.json.encode(new, order="sorted")


def _texts(old: Any, new: Any) -> bool:
    return isinstance(old, str) and isinstance(new, str)


def _plain(old: str, new: str) -> bool:
    """Whether one of two texts is data: a command, or without a space."""
    return any(each.startswith("az ") or " " not in each for each in (old, new))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        shown = ("status", "severity", "authentication", "reach", "state", "message", "reason")
        value = {key: value[key] for key in shown if key in value} or value
    return str(value)[:280]


def _names(document: Json) -> frozenset[str]:
    """Return the names of a document's resources that a text may hold."""
    return frozenset(each for id in document["resources"] for each in id.split("/")[4::2] if len(each) > 3)


def replace(text: str, names: frozenset[str], put: Callable[[str], str]) -> str:
    """Replace what is data in a text: ids, numbers, quoted values, and words with a hyphen that name a resource."""
    return _DATA.sub(lambda match: put(match[0]) if match["word"] is None or match[0] in names else match[0], text)


def clauses(old: str, new: str) -> list[tuple[str, str]]:
    """Return the clauses of two texts that differ, pair by pair; the whole texts where they have not as many."""
    clauses_of = [_END.split(text) for text in (old, new)]
    if len(clauses_of[0]) != len(clauses_of[1]):
        return [(old, new)]
    return [(one, other) for one, other in zip(*clauses_of, strict=True) if one != other]


def blank(text: str, names: frozenset[str]) -> str:
    """Return a text without its data."""
    return replace(text, names, lambda _: "{}")


def masked(old: str, new: str, names: frozenset[str] = frozenset()) -> tuple[str, str]:
    """Return two texts with numbers for the data of the old one; what the new one has besides stays as it is."""
    known: dict[str, str] = {}
    before = replace(old, names, lambda value: known.setdefault(value, f"{{{len(known) + 1}}}"))
    return before, replace(new, names, lambda value: known.get(value, value))


class Wording:
    """The map of texts that were changed on purpose: an old clause, and the new ones that say the same."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, list[str]] = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        self.used: set[str] = set()

    def check(self, result: Result, *, accept: bool) -> None:
        """Count the pairs that are in the map; the others differ, or are added."""
        for (old, new), example in sorted(result.pairs.items()):
            known = self.known.setdefault(old, []) if accept else self.known.get(old, [])
            if accept and new not in known:
                known.append(new)
            if new in known:
                self.used.add(old)
                result.counts["wording pairs in the map"] += 1
            else:
                result.differ("wording", f"{old!r} -> {new!r} ({example})")

    def stale(self) -> list[str]:
        return sorted(self.known.keys() - self.used)

    def write(self) -> None:
        """Write the map, sorted, one old clause a line."""
        comment = "".join(line for line in self.path.read_text("utf-8").splitlines(True) if line.startswith("#"))
        lines = (f"{_toml(old)} = [{', '.join(map(_toml, sorted(new)))}]\n" for old, new in sorted(self.known.items()))
        self.path.write_text("".join((comment, *lines)), "utf-8")


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in escaped) + '"'
