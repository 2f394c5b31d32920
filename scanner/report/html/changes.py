"""The view of changes since the last scan: its headline, its lists, and their entries."""

from collections.abc import Iterable, Sequence
from typing import Any

from scanner.document.schema import CellRow, ChangeRow, ChangesRow, Document, ExposureRow, FindingRow
from scanner.model.severity import SEVERITIES, severity_rank
from scanner.report.language.words import Words
from scanner.report.views.cards import ResourceNames, first_seen, fix_of
from scanner.report.views.trend import trend

LISTED = 200
"""The most changes of a list on the page; the filters show the others."""
NAMES = ("new", "reopened", "worse", "unseen", "fixed", "better")
_LOOKS = {"unseen": "unknown", "fixed": "pass"}
"""The look of a list without a current rating. Entries of other lists have the look of their severity."""
_ICONS = {"new": "new", "reopened": "fail", "worse": "worse", "unseen": "unknown", "fixed": "pass", "better": "better"}
_FILTERED = ("new", "reopened", "worse", "better")
Changed = ChangeRow | ExposureRow | FindingRow
"""A row of a list; the rows of the list of new changes are exposures and findings themselves."""


def cell_text(words: Words, severity: str | None, authentication: str, reach: str) -> str:
    """Return `High, authentication: none, network: unrestricted`, or the severity alone where there is no endpoint."""

    def word(table: str, name: str | None) -> str:
        return str(words.catalogue[table].get(name, name or ""))

    row, column, rated = word("row", authentication), word("column", reach), word("severity", severity)
    return f"{rated}, {words('matrix.locks', row=row, column=column)}" if row and column else rated


class ChangesView:
    """The variables of the view of changes, from the `changes` of a document."""

    def __init__(self, document: Document, changes: ChangesRow, words: Words, names: ResourceNames) -> None:
        self.changes = changes
        self.words = words
        self.taken = document.scan.taken
        self._names = names
        self._rows = (document.exposures, document.findings)
        # Places instead of rows, which need much memory where they are read from a file.
        self._exposures = {row.fingerprint: at for at, row in enumerate(document.exposures)}
        self._findings = {row.fingerprint: at for at, row in enumerate(document.findings)}

    def context(self) -> dict[str, Any]:
        """Return the variables of the template."""
        changes, counts, t = self.changes, self.changes.counts, self.words
        lists = [self._list(name) for name in NAMES]
        first_looked = counts["first_looked"] and not changes.baseline
        return {
            "baseline": changes.baseline,
            "headline": self._headline(),
            "lead": self._lead(),
            "nav": t("changes.nav", counts["new"]) if counts["new"] else "",
            "compared": "" if changes.baseline else t("changes.compared", since=self._since()),
            "notes": [note[:1].upper() + note[1:] for note in changes.notes],
            "tiles": [self._tile(name, counts[name]) for name in NAMES],
            "open": t.number(counts["open"]),
            "first": t("changes.first", counts["first_looked"]) if first_looked else "",
            "lists": [each for each in lists if each["entries"]],
            "nothing_changed": not changes.baseline and not any(each["entries"] for each in lists),
            "trend": trend(changes.trend, t),
            "trend_note": t("trend.first") if changes.trend else t("trend.none"),
        }

    def _since(self) -> str:
        since = self.changes.since
        return self.words.date_and_time(since) if since else self.words("changes.scan_before")

    def _headline(self) -> str:
        t, counts = self.words, self.changes.counts
        if self.changes.baseline:
            return t("changes.baseline")
        if not any(counts[name] for name in ("new", "reopened", "worse")):
            lost, since = counts["unseen"], self._since()
            return t("changes.lost", lost, since=since) if lost else t("changes.nothing", since=since)
        counted = [t("change_said." + name, counts[name]) for name in NAMES[:4] if counts[name]]
        return t("changes.headline", counts=", ".join(counted), since=self._since())

    def _lead(self) -> str:
        t, changes = self.words, self.changes
        if changes.baseline:
            return t("changes.baseline_lead", changes.counts["open"])
        lead = t("changes.open_lead", changes.counts["open"])
        return f"{lead} {t('changes.confirmed')}" if changes.confirmed else lead

    def _tile(self, name: str, count: int) -> dict[str, Any]:
        word = self.words("change_tile." + name)
        return {"name": name, "icon": _ICONS[name], "count": self.words.number(count), "word": word, "any": bool(count)}

    def _list(self, name: str) -> dict[str, Any]:
        rows: Sequence[Changed] = [] if name == "new" else getattr(self.changes, name)
        total, shown = self._new() if name == "new" else (len(rows), rows[:LISTED])
        t, more = self.words, max(0, total - LISTED)
        filtered = more and name in _FILTERED
        return {
            "name": name,
            "icon": _ICONS[name],
            "heading": t("change_heading." + name),
            "count": t.number(total),
            "meaning": t("change_meaning." + name),
            "entries": _grouped(self._entry(name, row) for row in shown),
            "more": (t("changes.more_filtered", more) if filtered else t("changes.more", more)) if more else "",
            "query": f"is:{name}" if filtered else "",
        }

    def _new(self) -> tuple[int, list[Changed]]:
        """Return the number of new open rows, as they are counted (endpoints, and findings without one), and the first
        LISTED of them.
        """
        exposures, findings = self._rows
        keys = [
            (severity_rank(row.severity), row.resource.lower(), row.endpoint, at)
            for at, row in enumerate(exposures)
            if row.new and row.state == "open" and self._exposures[row.fingerprint] == at
        ]
        keys += [
            (severity_rank(row.severity), row.resource.lower(), "", len(exposures) + at)
            for at, row in enumerate(findings)
            if row.new and row.status == "fail" and row.is_counted and self._findings[row.fingerprint] == at
        ]
        positions = [key[-1] for key in sorted(keys)[:LISTED]]
        count = len(exposures)
        return len(keys), [exposures[at] if at < count else findings[at - count] for at in positions]

    def _current(self, rule: str, fingerprint: str) -> ExposureRow | FindingRow | None:
        """Return the row of a change as it is now, None where it is gone."""
        at = (self._findings if rule else self._exposures).get(fingerprint)
        return None if at is None else self._rows[bool(rule)][at]

    def _entry(self, name: str, row: Changed) -> dict[str, Any]:
        endpoint = "" if isinstance(row, FindingRow) else row.endpoint
        rule = "" if isinstance(row, ExposureRow) else row.rule
        current = self._current(rule, row.fingerprint)
        acts = name in ("new", "reopened", "worse") and current is not None
        severity = row.severity if row.severity in SEVERITIES else "info"
        title = row.title or endpoint or rule
        return {
            **fix_of(current.fix if current and acts else None, self.words),
            "acts": acts,
            "look": _LOOKS.get(name, severity),
            "badge": self.words("change_badge." + name) if name in _LOOKS else self.words(f"severity.{severity}"),
            "new": name == "new",
            "title": self.words("changes.was", title=title) if name == "fixed" else title,
            "resource": row.resource.lower(),
            "name": self._names.of(row.resource)["name"],
            "what": rule or endpoint,
            "place": self._names.group_path(row.resource),
            "remark": self._remark(name, row) if isinstance(row, ChangeRow) else "",
            "age": self._age(name, row) if isinstance(row, ChangeRow) else "",
            "href": "" if current is None else f"#{'findings?f' if rule else 'endpoints?q'}={row.fingerprint}",
            "link": self.words("changes.to_finding" if rule else "changes.to_endpoint"),
        }

    def _remark(self, name: str, row: ChangeRow) -> str:
        if name in ("worse", "better"):
            was = self._cell(row.was) if row.was else cell_text(self.words, None, "", "")
            return self.words("changes.moved", was=was, now=self._cell(row))
        if name == "fixed":
            was = self._cell(row.was or row)
            return f"{was}; {row.why}" if row.why else was
        return self.words("change_why." + name, why=row.why)

    def _cell(self, row: ChangeRow | CellRow) -> str:
        return cell_text(self.words, row.severity, row.authentication, row.reach)

    def _age(self, name: str, row: ChangeRow) -> str:
        t = self.words
        if name in ("fixed", "unseen"):
            return t("age.span", since=t.date(row.since), last=t.date_and_time(row.last_seen))
        return first_seen(t, row.since, self.taken)


_SAME = ("resource", "sentence", "commands", "look", "remark", "age", "acts")


def _grouped(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries with the same text and command as one; its `others` are all but the first."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        # Findings differ in their rules, even where nothing else does.
        key = (*(entry[name] for name in _SAME), entry["what"] if entry["href"].startswith("#findings") else "")
        if key in groups:
            groups[key]["others"].append(entry)
        else:
            groups[key] = entry | {"others": []}
    return list(groups.values())
