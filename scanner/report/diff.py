"""What `twolocks diff` writes: a sentence and a table, JSON, Markdown, and a page of HTML."""

from collections.abc import Callable
from typing import IO, Any

import jinja2
import msgspec

from scanner.content import content
from scanner.document.schema import ChangeRow
from scanner.history.documents import DiffDocument
from scanner.report.changes import cell
from scanner.report.html import joined, ours, policy
from scanner.report.markdown import code, text
from scanner.report.summary import SEVERITIES
from scanner.report.text import shown
from scanner.report.words import Words

WORDS = {
    "new": "new",
    "first_judged": "first judged",
    "fixed": "fixed",
    "accepted": "accepted",
    "changed": "changed",
    "unknown": "unknown now",
    "vanished": "vanished",
}
"""What each list is called, in the order in which they are told."""
ALWAYS = ("new", "fixed", "changed", "unknown")
MEANING = {
    "new": "Open now, and not before",
    "first_judged": "Open now; its rule or its subscription was not in the old file",
    "fixed": "Open before, closed now",
    "accepted": "Open before, waived or intended now",
    "changed": "Open before and now, and rated differently",
    "unknown": "Open before; could not be decided now, so it is not fixed",
    "vanished": "Open before; not in the new file, so nothing says that it is fixed",
}


def sentence(found: DiffDocument) -> str:
    """`1 new, 1 fixed, 1 changed, 1 unknown now, 34 the same; 2 resources appeared, 1 vanished`."""
    counts = found.counts
    said = [f"{counts[name]:,} {word}" for name, word in WORDS.items() if counts[name] or name in ALWAYS]
    return f"{', '.join(said)}, {rest(found)}"


def rest(found: DiffDocument) -> str:
    """`34 the same; 2 resources appeared, 1 vanished`."""
    appeared, vanished = len(found.appeared_resources), len(found.vanished_resources)
    resources = f"{appeared:,} {'resource' if appeared == 1 else 'resources'} appeared, {vanished:,} vanished"
    return f"{found.same:,} the same; {resources}"


def rows(found: DiffDocument) -> list[list[str]]:
    """The table: list, severity, door, fingerprint, and what is to say of it."""
    table = [
        [WORDS[name], row.severity or "-", door(row), row.fingerprint, row.why]
        for name in WORDS
        for row in getattr(found, name)
    ]
    table += [["appeared", "-", id, "-", ""] for id in found.appeared_resources]
    return table + [["vanished", "-", id, "-", ""] for id in found.vanished_resources]


def door(row: ChangeRow) -> str:
    name = row.resource.rstrip("/").rsplit("/", 1)[-1]
    return f"{name}: {row.endpoint or row.rule}"


def write_json(found: DiffDocument, out: IO[bytes]) -> None:
    out.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def write_markdown(found: DiffDocument, out: IO[bytes]) -> None:
    lines = ["# Twolocks: what changed", ""]
    lines += [f"{text(sentence(found))}.", ""]
    sides = [f"{code(each.file)} ({text(each.taken)})" for each in (found.old, found.newer)]
    lines += [f"From {sides[0]} to {sides[1]}."]
    lines += [f"\n{text(note)}." for note in found.notes]
    for name, word in WORDS.items():
        listed: list[ChangeRow] = getattr(found, name)
        if listed:
            lines += ["", f"## {word.capitalize()}", "", f"{MEANING[name]}.", ""]
            lines += ["| severity | where | what | remark |", "| --- | --- | --- | --- |"]
            lines += [_line(row) for row in listed[:MOST]]
            lines += [f"\nand {len(listed) - MOST:,} more"] if len(listed) > MOST else []
    for word, ids in (("appeared", found.appeared_resources), ("vanished", found.vanished_resources)):
        if ids:
            lines += ["", f"## Resources that {word}", ""]
            lines += [f"- {code(id)}" for id in ids[:MOST]]
            lines += [f"- and {len(ids) - MOST:,} more"] if len(ids) > MOST else []
    out.write(("\n".join(lines) + "\n").encode())


MOST = 200
"""Rows of a list in Markdown: a job's page takes less than 1 MiB."""


def _line(row: ChangeRow) -> str:
    # A bar ends a cell in a code span, too.
    where = code(door(row)).replace("|", "\\|")
    return f"| {row.severity} | {where} | {text(row.title)} | {text(row.why)} |"


MOST_SHOWN = 1000
"""Rows of a list in HTML; the JSON has all."""
ICONS = {
    "new": "new", "first_judged": "info", "fixed": "pass", "accepted": "waived", "changed": "changed",
    "unknown": "unknown", "vanished": "unknown",
}  # fmt: skip
"""The shape of each list. What is not rated any more looks like it; all else looks as severe as it is."""
_LOOKS = {"fixed": "pass", "accepted": "waived", "unknown": "unknown", "vanished": "unknown"}
_STYLES = ("tokens.css", "page.css", "cards.css", "changes.css", "print.css")


def write_html(found: DiffDocument, out: IO[bytes]) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(content("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {"shown": shown}
    environment.filters.update(filters)
    words, css = Words(), joined(_STYLES)
    page = environment.get_template("diff.html.j2").render(
        found=found,
        headline=headline(found),
        sentence=f"{rest(found)}.",
        lists=[_list(name, found, words) for name in WORDS],
        resources=[("appeared", found.appeared_resources), ("vanished", found.vanished_resources)],
        most=MOST_SHOWN,
        sides=[(each.file, words.moment(each.taken)) for each in (found.old, found.newer)],
        css=ours(css),
        csp=policy(css),
        sprite=ours(joined(["sprite.svg"])),
    )
    out.write(page.encode("utf-8", "backslashreplace"))


def headline(found: DiffDocument) -> str:
    """`6 new, 1 changed`; all else says `rest`."""
    said = [f"{count:,} {WORDS[name]}" for name, count in found.counts.items() if count]
    return ", ".join(said) or "Nothing changed"


def _list(name: str, found: DiffDocument, words: Words) -> dict[str, Any]:
    rows: list[ChangeRow] = getattr(found, name)
    return {
        "name": name.replace("_", "-"),
        "word": WORDS[name],
        "meaning": MEANING[name],
        "icon": ICONS[name],
        "count": len(rows),
        "rows": [_card(name, row, words) for row in rows[:MOST_SHOWN]],
    }


def _card(name: str, row: ChangeRow, words: Words) -> dict[str, str]:
    severity = row.severity if row.severity in SEVERITIES else "info"
    now = cell(words, row.severity, row.authentication, row.reach)
    was = cell(words, row.was.severity, row.was.authentication, row.was.reach) if row.was else now
    rated = {"changed": f"{was} → {now}", "new": now, "first_judged": now}.get(name, was)
    why = "" if name == "changed" else row.why
    said = rated if ":" in rated or name not in ("new", "first_judged") else ""
    return {
        "look": _LOOKS.get(name, severity),
        "badge": WORDS[name].capitalize() if name in _LOOKS else words(f"severity.{severity}"),
        "title": f"Was: {row.title}" if name in ("fixed", "accepted") else row.title,
        "name": row.resource.rstrip("/").rsplit("/", 1)[-1],
        "what": row.endpoint or row.rule,
        "said": "; ".join(filter(None, (said, why))),
        "resource": row.resource,
        "fingerprint": row.fingerprint,
    }


WRITERS: dict[str, Callable[[DiffDocument, IO[bytes]], None]] = {
    ".html": write_html,
    ".json": write_json,
    ".md": write_markdown,
}
"""What makes a file of a difference, by suffix."""
