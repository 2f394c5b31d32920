"""The view of what changed since the last scan: its headline, its lists, and how long something has been known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scanner.model.exposure import LOCKS
from scanner.report.summary import SEVERITIES, Item, rank
from scanner.report.trend import trend
from scanner.report.words import Words, parse

LISTED = 200
"""Changes of a list that are drawn; the filters show the others."""
NAMES = ("new", "reopened", "worse", "unseen", "fixed", "better")
_LOOKS = {"unseen": "unknown", "fixed": "pass"}
_ICONS = {"new": "new", "reopened": "fail", "worse": "worse", "unseen": "unknown", "fixed": "pass", "better": "better"}
_FILTERED = ("new", "reopened", "worse", "better")


def first_seen(words: Words, since: object, taken: object, *, short: bool = False) -> str:
    """`First seen 34 days ago, on 22 October 2026`, `short` without the date; as `firstSeen` in `card.js`."""
    if not since:
        return ""
    if since == taken:
        return words("age.first")
    start, end = parse(str(since)), parse(str(taken))
    days = (end.date() - start.date()).days if start and end else 0
    said = words.date(str(since))
    if days <= 0:
        return words("age.day", date=said)
    return words("age.days_short", days) if short else words("age.days", days, date=said)


def cell(words: Words, severity: object, authentication: object, reach: object) -> str:
    """`High: anonymous × internet`; the severity alone of what is no door."""

    def known(table: str, name: object) -> str:
        return str(words.catalogue[table].get(name, name or ""))

    lock = [known("row", authentication), known("column", reach)]
    rated = known("severity", severity)
    return f"{rated}: {' × '.join(lock)}" if all(lock) else rated


class View:
    """What the template draws of a document's `changes`.

    `place(resource)` gives the names that cards show, `remedy(fix)` what closes something.
    """

    def __init__(
        self,
        document: Item,
        words: Words,
        place: Callable[[str], Mapping[str, str]],
        remedy: Callable[[str | None], dict[str, Any]],
    ) -> None:
        self.changes: Item = document["changes"]
        self.words = words
        self.taken = document["scan"]["taken"]
        self._place, self._remedy = place, remedy
        self._doors: dict[str, Item] = {row["fingerprint"]: row for row in document["exposures"]}
        self._findings: dict[str, Item] = {row["fingerprint"]: row for row in document["findings"]}

    def context(self) -> dict[str, Any]:
        counts, t = self.changes["counts"], self.words
        lists = [self._list(name) for name in NAMES]
        return {
            "baseline": self.changes["baseline"],
            "headline": self.headline(),
            "lead": self.lead(),
            "nav": t("changes.nav", counts["new"]) if counts["new"] else "",
            "compared": "" if self.changes["baseline"] else t("changes.compared", since=self.since()),
            "notes": [note[:1].upper() + note[1:] for note in self.changes["notes"]],
            "tiles": [self._tile(name, counts[name]) for name in NAMES],
            "open": t.number(counts["open"]),
            "first": t("changes.first", counts["first_looked"]) if self._told_apart() else "",
            "lists": [each for each in lists if each["entries"]],
            "quiet": not self.changes["baseline"] and not any(each["entries"] for each in lists),
            "trend": trend(self.changes["trend"], t),
            "trend_note": t("trend.first") if self.changes["trend"] else t("trend.none"),
        }

    def _told_apart(self) -> bool:
        return bool(self.changes["counts"]["first_looked"]) and not self.changes["baseline"]

    def since(self) -> str:
        return self.words.moment(self.changes["since"]) if self.changes["since"] else self.words("changes.scan_before")

    def headline(self) -> str:
        t, counts = self.words, self.changes["counts"]
        if self.changes["baseline"]:
            return t("changes.baseline")
        if not any(counts[name] for name in ("new", "reopened", "worse")):
            lost, since = counts["unseen"], self.since()
            return t("changes.lost", lost, since=since) if lost else t("changes.nothing", since=since)
        news = [t("change_said." + name, counts[name]) for name in NAMES[:4] if counts[name]]
        return t("changes.headline", news=", ".join(news), since=self.since())

    def lead(self) -> str:
        t, changes = self.words, self.changes
        if changes["baseline"]:
            return t("changes.baseline_lead", changes["counts"]["open"])
        said = [t("changes.open_lead", changes["counts"]["open"])]
        return " ".join([*said, t("changes.confirmed")] if changes["confirmed"] else said)

    def _tile(self, name: str, count: int) -> dict[str, Any]:
        word = self.words("change_tile." + name)
        return {"name": name, "icon": _ICONS[name], "count": self.words.number(count), "word": word, "any": bool(count)}

    def _list(self, name: str) -> dict[str, Any]:
        rows: Sequence[Item] = self._new() if name == "new" else self.changes[name]
        t, more = self.words, max(0, len(rows) - LISTED)
        filtered = more and name in _FILTERED
        return {
            "name": name,
            "icon": _ICONS[name],
            "heading": t("change_heading." + name),
            "count": t.number(len(rows)),
            "meaning": t("change_meaning." + name),
            "entries": _grouped(self._entry(name, row) for row in rows[:LISTED]),
            "more": (t("changes.more_filtered", more) if filtered else t("changes.more", more)) if more else "",
            "query": f"is:{name}" if filtered else "",
        }

    def _new(self) -> list[Item]:
        """What stands open and is new, as it is counted: doors, and findings outside the lock categories."""
        found = [row for row in self._doors.values() if row.get("new") and row["state"] == "open"]
        found += [
            row
            for row in self._findings.values()
            if row.get("new") and row["status"] == "fail" and row["category"] not in LOCKS
        ]
        return sorted(
            found, key=lambda row: (rank(row["severity"]), row["resource"].lower(), row.get("endpoint") or "")
        )

    def _entry(self, name: str, row: Item) -> dict[str, Any]:
        mark, place = row["fingerprint"], self._place(row["resource"])
        is_door = not row.get("rule")
        standing = (self._doors if is_door else self._findings).get(mark)
        acts = name in ("new", "reopened", "worse") and standing is not None
        severity = row["severity"] if row["severity"] in SEVERITIES else "info"
        title = row["title"] or row["endpoint"] or row["rule"]
        sub = " / ".join(filter(None, (place["sub"], place["group"])))
        return {
            **self._remedy(standing.get("fix") if standing and acts else None),
            "acts": acts,
            "look": _LOOKS.get(name, severity),
            "icon": "pass" if name == "fixed" else _LOOKS.get(name, severity),
            "badge": self.words("change_badge." + name) if name in _LOOKS else self.words(f"severity.{severity}"),
            "new": name == "new",
            "title": self.words("changes.was", title=title) if name == "fixed" else title,
            "resource": row["resource"].lower(),
            "name": place["name"],
            "what": row["endpoint"] if is_door else row["rule"],
            "place": sub,
            "said": self._said(name, row),
            "age": self._age(name, row),
            "href": "" if standing is None else f"#doors?q={mark}" if is_door else f"#findings?f={mark}",
            "link": self.words("changes.to_door") if is_door else self.words("changes.to_finding"),
        }

    def _said(self, name: str, row: Item) -> str:
        if name in ("worse", "better"):
            return self.words("changes.moved", was=self._cell(row["was"] or {}), now=self._cell(row))
        if name == "fixed":
            was = self._cell(row["was"] or row)
            return f"{was}; {row['why']}" if row["why"] else was
        return "" if name == "new" else self.words("change_why." + name, why=row["why"])

    def _cell(self, row: Item) -> str:
        return cell(self.words, row.get("severity"), row.get("authentication"), row.get("reach"))

    def _age(self, name: str, row: Item) -> str:
        t = self.words
        if name in ("fixed", "unseen"):
            return t("age.span", since=t.date(row["since"]), last=t.moment(row["last_seen"]))
        return "" if name == "new" else first_seen(t, row.get("since"), self.taken)


_SAME = ("resource", "sentence", "command", "look", "said", "age", "acts")


def _grouped(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of which the same is said, and which one command closes, as one: `others` are all but the first."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        # Findings differ in their rules, even where nothing else does.
        key = (*(entry[name] for name in _SAME), entry["what"] if entry["href"].startswith("#findings") else "")
        if key in groups:
            groups[key]["others"].append(entry)
        else:
            groups[key] = entry | {"others": []}
    return list(groups.values())
