"""Write the result of `twolocks diff`: a sentence and a table for the terminal, JSON, Markdown, and a page of HTML."""

from typing import IO, Any

import msgspec

from scanner.content import content
from scanner.document.schema import ChangeRow
from scanner.history.documents import LISTS, DiffDocument
from scanner.model.ids import name_of
from scanner.model.verdict import SEVERITIES
from scanner.report.before_after import before_after
from scanner.report.cards import rating_word
from scanner.report.changes import cell_text
from scanner.report.html import joined, policy, template_environment, trusted
from scanner.report.markdown import code, text
from scanner.report.words import Words

WORDS = {name: kinds[0].word for name, kinds in LISTS.items()} | {"changed": "changed"}
"""The word of each list, in the order of the output."""
ALWAYS = ("new", "fixed", "changed", "unknown")
MEANING = {
    "new": "Open now, and not before",
    "first_judged": "Open now; its rule or its subscription was not in the old file",
    "fixed": "Open before, closed now",
    "accepted": "Open before, waived or intended now",
    "changed": "Open before and now, with another rating",
    "unknown": "Open before; inconclusive now, so not fixed",
    "vanished": "Open before; not in the new file, so not known to be fixed",
}
MOST = 200
"""Rows of a list in Markdown: a job's page takes less than 1 MiB."""
MOST_SHOWN = 1000
"""Rows of a list in HTML; the JSON has all."""
_ICONS = {
    "new": "new", "first_judged": "info", "fixed": "pass", "accepted": "waived", "changed": "changed",
    "unknown": "unknown", "vanished": "unknown",
}  # fmt: skip
_LOOKS = {"fixed": "pass", "accepted": "waived", "unknown": "unknown", "vanished": "unknown"}
"""The look of a list without a current rating. Rows of other lists have the look of their severity."""
_STYLES = (
    "tokens.css", "page.css", "matrix.css", "cards.css", "changes.css", "print.css", "print_first.css", "diff.css",
)  # fmt: skip


def sentence(found: DiffDocument) -> str:
    """Return `1 new, 1 fixed, 1 changed, 1 no longer visible, 34 unchanged; 2 resources added, 1 removed`."""
    counts = found.counts
    counted = [f"{counts[name]:,} {word}" for name, word in WORDS.items() if counts[name] or name in ALWAYS]
    return f"{', '.join(counted)}, {_rest(found)}"


def _headline(found: DiffDocument) -> str:
    """Return `6 new, 1 changed`; `_rest` has the other counts."""
    counted = [f"{count:,} {WORDS[name]}" for name, count in found.counts.items() if count]
    return ", ".join(counted) or "Nothing changed"


def _rest(found: DiffDocument) -> str:
    """Return `34 unchanged; 2 resources added, 1 removed`."""
    appeared, vanished = len(found.appeared_resources), len(found.vanished_resources)
    resources = f"{appeared:,} {'resource' if appeared == 1 else 'resources'} added, {vanished:,} removed"
    return f"{found.same:,} unchanged; {resources}"


def rows(found: DiffDocument) -> list[list[str]]:
    """Return the table for the terminal: list, severity, what changed, fingerprint, remark."""
    table = [
        [WORDS[name], row.severity or "-", _label(row), row.fingerprint, row.why]
        for name in WORDS
        for row in _changes(found, name)
    ]
    return table + [[word, "-", id, "-", ""] for word, ids in _resources(found).items() for id in ids]


def _changes(found: DiffDocument, name: str) -> list[ChangeRow]:
    changes: list[ChangeRow] = getattr(found, name)
    return changes


def _resources(found: DiffDocument) -> dict[str, list[str]]:
    return {"added": found.appeared_resources, "removed": found.vanished_resources}


def _label(row: ChangeRow) -> str:
    """Return `stjournal: blob/eksport`, or the rule in place of the endpoint."""
    return f"{name_of(row.resource)}: {row.endpoint or row.rule}"


def write_json(found: DiffDocument, out: IO[bytes]) -> None:
    """Write a difference as JSON."""
    out.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def write_markdown(found: DiffDocument, out: IO[bytes]) -> None:
    """Write a difference as Markdown, at most `MOST` rows of each list."""
    lines = ["# Twolocks: changes", ""]
    lines += [f"{text(sentence(found))}.", ""]
    sides = [f"{code(each.file)} ({text(each.taken)})" for each in (found.old, found.newer)]
    lines += [f"From {sides[0]} to {sides[1]}."]
    lines += [f"\n{text(note)}." for note in found.notes]
    for name, word in WORDS.items():
        listed = _changes(found, name)
        if listed:
            lines += ["", f"## {word.capitalize()}", "", f"{MEANING[name]}.", ""]
            lines += ["| severity | where | what | remark |", "| --- | --- | --- | --- |"]
            lines += [_markdown_row(row) for row in listed[:MOST]]
            lines += [f"\nand {len(listed) - MOST:,} more"] if len(listed) > MOST else []
    for word, ids in _resources(found).items():
        if ids:
            lines += ["", f"## Resources {word}", ""]
            lines += [f"- {code(id)}" for id in ids[:MOST]]
            lines += [f"- and {len(ids) - MOST:,} more"] if len(ids) > MOST else []
    out.write(("\n".join(lines) + "\n").encode())


def _markdown_row(row: ChangeRow) -> str:
    # A bar ends a cell in a code span, too.
    where = code(_label(row)).replace("|", "\\|")
    return f"| {row.severity} | {where} | {text(row.title)} | {text(row.why)} |"


def write_html(found: DiffDocument, out: IO[bytes]) -> None:
    """Write a difference as a page of HTML without scripts, at most `MOST_SHOWN` rows of each list."""
    words, css = Words(), joined(_STYLES)
    page = (
        template_environment(content("templates"))
        .get_template("diff.html.j2")
        .render(
            found=found,
            t=words,
            n=words.number,
            rating_word=lambda rating: rating_word(words, rating),
            numbers=before_after(found, words),
            headline=_headline(found),
            sentence=f"{_rest(found)}.",
            lists=[_list(name, found, words) for name in WORDS],
            resources=_resources(found).items(),
            most=MOST_SHOWN,
            sides=[(each.file, words.date_and_time(each.taken)) for each in (found.old, found.newer)],
            css=trusted(css),
            csp=policy(css),
            sprite=trusted(joined(["sprite.svg"])),
        )
    )
    out.write(page.encode("utf-8", "backslashreplace"))


def _list(name: str, found: DiffDocument, words: Words) -> dict[str, Any]:
    listed = _changes(found, name)
    return {
        "name": name.replace("_", "-"),
        "word": WORDS[name],
        "meaning": MEANING[name],
        "icon": _ICONS[name],
        "count": len(listed),
        "rows": [_card(name, row, words) for row in listed[:MOST_SHOWN]],
    }


def _card(name: str, row: ChangeRow, words: Words) -> dict[str, Any]:
    severity = row.severity if row.severity in SEVERITIES else "info"
    return {
        "look": _LOOKS.get(name, severity),
        "was": _was(name, row, words),
        "badge": WORDS[name].capitalize() if name in _LOOKS else words(f"severity.{severity}"),
        "title": f"Was: {row.title}" if name in ("fixed", "accepted") else row.title,
        "name": name_of(row.resource),
        "what": row.endpoint or row.rule,
        "remark": _remark(name, row, words),
        "resource": row.resource,
        "fingerprint": row.fingerprint,
    }


def _was(name: str, row: ChangeRow, words: Words) -> tuple[str, str] | None:
    """Return look and word of the severity before, where a row changed it."""
    before = row.was.severity if name == "changed" and row.was else ""
    return (before, words(f"severity.{before}")) if before in SEVERITIES and before != row.severity else None


def _remark(name: str, row: ChangeRow, words: Words) -> str:
    """Return the rating of a row now, before, or both, and why it is in its list."""
    now = cell_text(words, row.severity, row.authentication, row.reach)
    was = cell_text(words, row.was.severity, row.was.authentication, row.was.reach) if row.was else now
    if name == "changed":
        return f"{was} → {now}"
    is_new = name in ("new", "first_judged")
    rated = now if is_new else was
    return "; ".join(filter(None, ("" if is_new and ":" not in rated else rated, row.why)))
