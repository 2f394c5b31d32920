"""The HTML report: one file that opens from disk, asks for nothing and runs nothing but its own script."""

import base64
import gc
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import jinja2
import msgspec
from markupsafe import Markup

from scanner.content import content
from scanner.report import changes
from scanner.report import gaps as notread
from scanner.report.data_block import Island, pack
from scanner.report.summary import (
    COLUMNS,
    SEVERITIES,
    Cell,
    Item,
    Summary,
    matrix,
    ordered_doors,
    ordered_findings,
    standing,
    summarise,
)
from scanner.report.text import invisible, plain, shown, split_fix
from scanner.report.words import Words

_STYLES = ("tokens.css", "page.css", "matrix.css", "cards.css", "changes.css", "print.css")
_SCRIPTS = (
    "words.js", "dom.js", "island.js", "query.js", "state.js", "way.js", "doors.js", "card.js", "groups.js",
    "findings.js", "changes.js", "print.js", "keys.js", "main.js",
)  # fmt: skip
_DOORS, _FINDINGS, _GAPS, _PARTIAL, _LONGEST, _PLACES = 20, 100, 200, 2, 300, 20


def write_html(document: Mapping[str, Any], out: BinaryIO | Path, language: str = "en") -> None:
    """Writes the report of a findings document (schema `twolocks/1`, decoded) as UTF-8.

    The same document gives the same bytes. Raises OSError where `out` cannot be written; nothing is written before
    the whole page stands.
    """
    with _uncollected():
        page = render(document, Words(language)).encode("utf-8", "backslashreplace")
    if isinstance(out, Path):
        out.write_bytes(page)
    else:
        out.write(page)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cycle collector: rendering makes no cycles, and walking a large document costs a third more."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def render(document: Item, words: Words) -> str:
    """The page as text."""
    page = _Page(document, words)
    environment = _environment(page)
    return environment.get_template("report.html.j2").render(page.context())


def _environment(page: "_Page") -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(content("templates") / "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "shown": shown,
        "query_href": lambda query: href("findings", query),
        "cell_href": lambda cell: href("doors", cell.query),
        "cell_label": page.cell_label,
        "look_word": page.look_word,
    }
    environment.filters |= filters
    environment.globals |= {"t": page.words, "n": page.words.number}
    return environment


def href(view: str, query: str) -> str:
    """The hash of a view with a filter, as `state.js` writes it."""
    return f"#{view}?q={quote(query, safe=':,/').replace('%20', '+')}"


def ours(text: str) -> Markup:
    """A file of ours, which goes into the page as it stands."""
    return Markup(text)  # noqa: S704


def joined(names: Sequence[str]) -> str:
    """Files of ours for the report, one after the other."""
    folder = content("templates") / "report"
    return "".join((folder / name).read_text("utf-8") for name in names)


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def policy(css: str, *scripts: str) -> str:
    """The content security policy that admits these texts alone."""
    admitted = f"script-src {' '.join(map(_hash, scripts))}; " if scripts else ""
    return f"default-src 'none'; {admitted}style-src {_hash(css)}; base-uri 'none'; form-action 'none'"


class _Page:
    """What the template is filled with."""

    def __init__(self, document: Item, words: Words) -> None:
        self.document = document
        self.words = words
        self.summary: Summary = summarise(document)
        self.exposures: Sequence[Item] = document.get("exposures", ())
        self.scopes: Sequence[Item] = document.get("coverage", {}).get("scopes", ())
        self.names = {s["subscription"].lower(): s.get("name") or s["subscription"] for s in self.scopes}
        self.resources = {key.lower(): value for key, value in document.get("resources", {}).items()}
        self.taken = document.get("scan", {}).get("taken")
        self.changes: dict[str, Any] | None = None
        if document.get("changes") is not None:
            self.changes = changes.View(document, words, self.place, self.remedy).context()

    def context(self) -> dict[str, Any]:
        doors, findings = ordered_doors(self.exposures), ordered_findings(self.document.get("findings", ()))
        css, head_js = joined(_STYLES), joined(["head.js"])
        js = '"use strict";(() => {\n' + joined(_SCRIPTS) + "})();\n"
        island = pack(Island(self.document, doors, findings).export(self.words))
        scan = self.document.get("scan", {})
        return {
            "words": self.words,
            "s": self.summary,
            "css": ours(css),
            "head_js": ours(head_js),
            "js": ours(js),
            "csp": policy(css, head_js, js),
            "sprite": ours(joined(["sprite.svg"])),
            "island": island,
            "date": self.words.moment(str(scan.get("finished") or "")),
            "changes": self.changes,
            "scope_line": self.scope_line(),
            "compared": self.changes["compared"] if self.changes else "",
            "matrix": self.matrix(),
            "columns": COLUMNS,
            "doors": [self.door(door) for door in doors[:_DOORS]],
            "doors_total": len(doors),
            "findings": [self.finding(finding) for finding in findings[:_FINDINGS]],
            **self.headings(),
            **self.noscript(len(findings)),
            **self.not_read(),
            **self.coverage(),
        }

    def headings(self) -> dict[str, Any]:
        t, s = self.words, self.summary
        empty = not self.exposures and not s.findings and not self.document.get("resources")
        if empty:
            headline = t("headline.empty")
        elif s.open:
            headline = t("headline.open", s.open)
        else:
            headline = t("headline.none" if s.whole else "headline.unsure")
        shared = "headline.shared" if s.open else "headline.shared_first"
        blind = "headline.unread" if s.open or s.shared else "headline.unread_first"
        date = t.date(str(self.document.get("scan", {}).get("finished") or ""))
        return {
            "empty": empty,
            "headline": headline,
            "lead": t(shared, s.shared) if s.shared else "",
            "lead_unread": t(blind, s.unread) if s.unread else "",
            "page_title": f"{t('brand')}: {headline} · {plain(date)}",
            "chips": self.chips(),
        }

    def chips(self) -> list[dict[str, Any]]:
        s = self.summary
        chips = [
            {
                "icon": status,
                "count": s.statuses[status],
                "word": status,
                "view": "findings",
                "query": f"status:{status}",
            }
            for status in ("fail", "unknown", "error", "waived", "pass")
            if s.statuses[status] or status != "error"
        ]
        counted = (("doors", s.new_doors, "new_doors"), ("findings", s.new, "new"))
        new = [
            {"icon": "new", "count": count, "word": word, "view": view, "query": "is:new"}
            for view, count, word in counted
            if count or view == "findings"
        ]
        return [*new, *chips] if self.changes else chips

    def scope_line(self) -> str:
        t = self.words
        names = sorted(str(name) for name in self.names.values())
        said = names[:3] + ([t("more_named", len(names) - 3)] if len(names) > 3 else [])
        scan = self.document.get("scan", {})
        resources = scan.get("resources", len(self.resources))
        counts = [t("count.resources", int(resources)), t("count.rules", len(self.document.get("rules", {})))]
        return " · ".join([", ".join(said), *counts] if said else counts)

    def matrix(self) -> list[list[list[Cell]]]:
        """The rows in three groups: data and administration, applications, not read."""
        rows = matrix(self.exposures)
        return [rows[:3], rows[3:5], rows[5:]]

    def look_word(self, look: str) -> str:
        """The word of a severity or a standing."""
        return self.words(f"severity.{look}" if look in SEVERITIES else f"standing.{look}")

    def cell_label(self, cell: Cell) -> str:
        t = self.words
        label = t(
            "matrix.cell",
            cell.count,
            word=self.look_word(cell.look),
            row=t("row." + cell.row),
            column=t("column." + cell.column),
        )
        return f"{label}, {t('matrix.cell_may', cell.worse)}" if cell.worse and not cell.blind else label

    def place(self, resource: str) -> dict[str, str]:
        about = self.resources.get(resource.lower(), {})
        subscription = about.get("subscription") or notread.subscription_of(resource)
        return {
            "name": about.get("name") or resource.rpartition("/")[2],
            "sub": str(self.names.get(subscription.lower(), subscription)),
            "group": about.get("resource_group") or "",
            "region": about.get("location") or "",
        }

    def remedy(self, fix: str | None) -> dict[str, Any]:
        sentence, command = split_fix(fix)
        return {"sentence": sentence, "command": command, "hidden": bool(command) and invisible(command)}

    def door(self, door: Item) -> dict[str, Any]:
        look, place, remedy = standing(door), self.place(door["resource"]), self.remedy(door.get("fix"))
        if not door.get("fix") and look != "unknown":
            remedy["sentence"] = self.words("doors.nothing_to_close" if look == "closed" else "doors.no_fix")
        return {
            **remedy,
            "look": look,
            "word": self.look_word(look),
            "title": door.get("title") or door["endpoint"],
            "name": place["name"],
            "endpoint": door["endpoint"],
            "place": " / ".join(filter(None, (place["sub"], place["group"]))),
            "new": bool(door.get("new")),
            "age": changes.first_seen(self.words, door.get("since"), self.taken, short=True),
            "because": because(door.get("hops") or ()),
            "hops": [{**hop, "says": self.hop_state(hop)} for hop in with_endpoint(door, place["name"])],
        }

    def hop_state(self, hop: Item) -> str:
        if hop.get("kind") in ("source", "endpoint"):
            return self.words("way." + hop["kind"])
        return self.words({True: "way.lets", False: "way.stops"}.get(hop.get("lets"), "way.unread"))  # type: ignore[arg-type]

    def finding(self, finding: Item) -> dict[str, Any]:
        status, place = finding["status"], self.place(finding["resource"])
        severity = finding.get("severity")
        title = finding.get("title") or finding["rule"]
        failed = status == "fail" and severity in SEVERITIES
        endpoints = ", ".join(finding.get("endpoints") or ())
        return {
            **self.remedy(finding.get("fix") if status == "fail" else None),
            "look": severity if failed else status,
            "word": self.words(f"severity.{severity}" if failed else f"status.{status}"),
            "title": title if status == "fail" else self.words("title." + status, title=title),
            "rule": finding["rule"],
            "place": " · ".join(
                filter(None, (place["name"], endpoints, place["sub"], place["group"], place["region"]))
            ),
            "evidence": [self.evidence(each) for each in (finding.get("evidence") or ())[:4]],
            "new": bool(finding.get("new")),
            "age": changes.first_seen(self.words, finding.get("since"), self.taken),
        }

    def evidence(self, item: Item) -> str:
        text = f"{item['path']} = {written(item.get('value', 'absent'))}"
        if item.get("expected") is not None:
            text += f" ({self.words('card.expected').lower()}: {written(item['expected'])})"
        return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

    def noscript(self, total: int) -> dict[str, Any]:
        t, written_out = self.words, min(total, _FINDINGS)
        every = t("count.findings", total)
        whole = total <= _FINDINGS
        line = t("noscript.line_all", all=every) if whole else t("noscript.line", shown=written_out, all=every)
        return {"noscript_line": line, "noscript_failed": t("noscript.failed", shown=written_out, all=every)}

    def not_read(self) -> dict[str, Any]:
        t, s = self.words, self.summary
        found = notread.gather(self.document, t)
        undecided = s.statuses["unknown"]
        failed = t("notread.reads_failed", s.reads_failed) if s.reads_failed else t("notread.no_read_failed")
        heading = t("notread.heading", undecided, reads=failed) if undecided else t("notread.no_checks", reads=failed)
        done, every = t.number(s.reads_done), t("count.reads", s.reads_all)
        all_read = t("notread.all_read", done=done, all=every) if s.reads_all else t("notread.all_read_file")
        lead = t("notread.lead") + (" " + t("notread.reads_done", done=done, all=every) if s.reads_all else "")
        partial = self.partial()
        rest = len(partial) - _PARTIAL
        return {
            "undecided": undecided,
            "gaps": found.entries[:_GAPS],
            "gaps_cut": max(0, len(found.entries) - _GAPS),
            "gaps_total": len(found.entries),
            "other": found.other,
            "other_worst": found.other_worst,
            "agreed": [self.agreed(each) for each in found.agreed[:_GAPS]],
            "curable": found.curable,
            "others": found.others,
            "role": notread.role(found.curable),
            "grants": notread.grant(found.curable, notread.principal_of(self.document, t)),
            "rescan": notread.rescan(found.others),
            "notread_headline": heading,
            "notread_lead": lead if undecided or s.reads_failed else all_read,
            "all_read_line": all_read,
            "all_read": not (found.entries or found.other or found.agreed) and s.complete,
            "partial": partial,
            "partial_first": partial[:_PARTIAL] + ([t("notread.more_partial", rest)] if rest > 0 else []),
        }

    def agreed(self, group: notread.Agreed) -> dict[str, Any]:
        """Undecided checks that somebody accepted in the same words; the first of them by name."""
        places = [f"{rule}: {resource.rstrip('/').rpartition('/')[2]}" for rule, resource in group.places]
        by = notread.accepted_by(group.waiver)
        return {"by": by, "worst": group.worst, "checks": len(places), "first": places[:_PLACES]}

    def partial(self) -> list[str]:
        said = {"partial": "notread.partial", "none": "notread.no_view"}
        return [
            self.words(said[scope["view"]], name=scope.get("name") or scope["subscription"])
            for scope in self.scopes
            if scope.get("view") in said
        ]

    def coverage(self) -> dict[str, Any]:
        t, coverage = self.words, self.document.get("coverage", {})
        unjudged = sorted(
            (each for each in coverage.get("types", ()) if not each.get("judged")), key=lambda e: e["type"].lower()
        )
        resources = sum(each.get("resources", 0) for each in unjudged)
        off = [
            rule if isinstance(rule, str) else str(rule.get("rule") or rule.get("id"))
            for rule in coverage.get("rules_off", ())
        ]
        types = t("notread.unjudged_types", len(unjudged))
        return {
            "unjudged": unjudged,
            "unjudged_line": t("notread.unjudged", resources, resources=t("count.resources", resources), types=types)
            if unjudged
            else "",
            "rules_off": sorted(off),
            "notes": coverage.get("notes") or (),
        }


def with_endpoint(door: Item, name: str) -> list[Item]:
    """The hops of a door, the endpoint last."""
    hops: list[Item] = list(door.get("hops") or ())
    if not hops or hops[-1].get("kind") == "endpoint":
        return hops
    return [*hops, {"kind": "endpoint", "name": name, "detail": door["endpoint"]}]


def because(hops: Sequence[Item]) -> list[str]:
    """At most three facts: what the last two hops of the network lock say, and what authentication says."""
    inner = [hop for hop in hops if hop.get("kind") not in ("source", "endpoint", "authentication")]
    asks = [hop for hop in hops if hop.get("kind") == "authentication"]
    return [hop.get("detail") or hop.get("name") or "" for hop in (*inner[-2:], *asks[-1:])]


def written(value: Any) -> str:
    """A value of evidence as text: strings bare, everything else as JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
