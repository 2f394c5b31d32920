"""Write the result of `twolocks diff`: a sentence and a table for the terminal, JSON, Markdown, and a page of HTML."""

from typing import IO, Any

import msgspec

from scanner.content import content
from scanner.document.schema import ChangeRow
from scanner.history.documents import LISTS, DiffDocument
from scanner.model.ids import path_of
from scanner.model.message import message_text
from scanner.model.severity import SEVERITIES
from scanner.report.html.before_after import before_after
from scanner.report.html.changes import cell_text
from scanner.report.html.rendering import joined, policy, template_environment, trusted
from scanner.report.language.messages import in_words
from scanner.report.language.words import ENGLISH, Words
from scanner.report.markdown import code, text
from scanner.report.views.cards import rating_word
from scanner.report.views.headline import limit
from scanner.text.invisible import plain

WORDS = {name: kinds[0].word for name, kinds in LISTS.items()} | {"changed": "changed"}
"""The word of each list, in the order of the output."""
ALWAYS = ("new", "fixed", "changed", "unknown")
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


def sentence(diff_document: DiffDocument, words: Words | None = None) -> str:
    """Return `1 new, 1 fixed, 1 changed, 1 no longer visible, 34 unchanged; 2 resources added, 1 removed`."""
    words = words or Words()
    counted = [
        words(f"diff.count.{name}", count) for name, count in diff_document.counts.items() if count or name in ALWAYS
    ]
    return f"{', '.join(counted)}, {_rest(diff_document, words)}"


def _headline(diff_document: DiffDocument, words: Words) -> str:
    """Return `6 new, 1 changed`; `_rest` has the other counts."""
    counted = [words(f"diff.count.{name}", count) for name, count in diff_document.counts.items() if count]
    return ", ".join(counted) or words("diff.nothing")


def _rest(diff_document: DiffDocument, words: Words) -> str:
    """Return `34 unchanged; 2 resources added, 1 removed`."""
    added, removed = len(diff_document.appeared_resources), len(diff_document.vanished_resources)
    resources = f"{words('diff.count.added', added)}, {words('diff.count.removed', removed)}"
    return f"{words('diff.count.same', diff_document.same)}; {resources}"


def rows(diff_document: DiffDocument) -> list[list[str]]:
    """Return the table for the terminal: list, severity, what changed, fingerprint, remark."""
    table = [
        [WORDS[name], row.severity or "-", _label(row), row.fingerprint, row.why]
        for name in WORDS
        for row in _changes(diff_document, name)
    ]
    return table + [[word, "-", id, "-", ""] for word, ids in _resources(diff_document).items() for id in ids]


def _changes(diff_document: DiffDocument, name: str) -> list[ChangeRow]:
    changes: list[ChangeRow] = getattr(diff_document, name)
    return changes


def _resources(diff_document: DiffDocument) -> dict[str, list[str]]:
    return {"added": diff_document.appeared_resources, "removed": diff_document.vanished_resources}


def _label(row: ChangeRow) -> str:
    """Return `stjournal: blob/eksport`, or the rule in place of the endpoint."""
    return f"{path_of(row.resource)}: {row.endpoint or row.rule}"


def remarks(diff_document: DiffDocument, words: Words) -> list[str]:
    """Return the notes of a difference, first what the scans were limited to."""
    limits = [
        (each.file, limit(each.limited, words)) for each in (diff_document.old, diff_document.newer) if each.limited
    ]
    texts = [words("diff.limited", file=plain(file), what=what) for file, what in limits]
    return texts + [in_words(note, words) for note in diff_document.notes]


def write_json(diff_document: DiffDocument, out: IO[bytes]) -> None:
    """Write a difference as JSON."""
    out.write(msgspec.json.format(msgspec.json.encode(diff_document, enc_hook=message_text), indent=2) + b"\n")


def write_markdown(diff_document: DiffDocument, out: IO[bytes], *, language: str = ENGLISH) -> None:
    """Write a difference as Markdown, at most `MOST` rows of each list."""
    words = Words(language)
    lines = [f"# {words('diff.title')}", "", f"{text(sentence(diff_document, words))}.", ""]
    old, new = (f"{code(each.file)} ({text(each.taken)})" for each in (diff_document.old, diff_document.newer))
    lines += [words("diff.from_to", None, old=old, new=new)]
    lines += [f"\n{text(note)}." for note in remarks(diff_document, words)]
    for name in WORDS:
        listed = _changes(diff_document, name)
        if listed:
            lines += ["", f"## {_word(name, words)}", "", f"{words(f'diff.meaning.{name}')}.", ""]
            lines += [words("diff.head"), "| --- | --- | --- | --- |"]
            lines += [_markdown_row(row, words) for row in listed[:MOST]]
            lines += [f"\n{words('diff.and_more', len(listed) - MOST)}"] if len(listed) > MOST else []
    for key, ids in _resources(diff_document).items():
        if ids:
            lines += ["", f"## {words(f'diff.resources.{key}')}", ""]
            lines += [f"- {code(id)}" for id in ids[:MOST]]
            lines += [f"- {words('diff.and_more', len(ids) - MOST)}"] if len(ids) > MOST else []
    out.write(("\n".join(lines) + "\n").encode())


def _word(name: str, words: Words) -> str:
    return words(f"diff.words.{name}").capitalize()


def _markdown_row(row: ChangeRow, words: Words) -> str:
    # A bar ends a cell in a code span, too.
    where = code(_label(row)).replace("|", "\\|")
    severity = words(f"severity.{row.severity}").lower() if row.severity in SEVERITIES else row.severity
    return f"| {severity} | {where} | {text(in_words(row.title, words))} | {text(in_words(row.why, words))} |"


def write_html(diff_document: DiffDocument, out: IO[bytes], *, language: str = ENGLISH) -> None:
    """Write a difference as a page of HTML without scripts, at most `MOST_SHOWN` rows of each list."""
    words, css = Words(language), joined(_STYLES)
    page = (
        template_environment(content("templates"))
        .get_template("diff.html.j2")
        .render(
            found=diff_document,
            t=words,
            n=words.number,
            rating_word=lambda rating: rating_word(words, rating),
            numbers=before_after(diff_document, words),
            lang=words.language,
            headline=_headline(diff_document, words),
            sentence=f"{_rest(diff_document, words)}.",
            notes=remarks(diff_document, words),
            lists=[_list(name, diff_document, words) for name in WORDS],
            resources=[(key, words(f"diff.resources.{key}"), ids) for key, ids in _resources(diff_document).items()],
            most=MOST_SHOWN,
            sides=[(each.file, words.date_and_time(each.taken)) for each in (diff_document.old, diff_document.newer)],
            css=trusted(css),
            csp=policy(css),
            sprite=trusted(joined(["sprite.svg"])),
        )
    )
    out.write(page.encode("utf-8", "backslashreplace"))


def _list(name: str, diff_document: DiffDocument, words: Words) -> dict[str, Any]:
    listed = _changes(diff_document, name)
    return {
        "name": name.replace("_", "-"),
        "word": words(f"diff.words.{name}"),
        "meaning": words(f"diff.meaning.{name}"),
        "icon": _ICONS[name],
        "count": len(listed),
        "rows": [_card(name, row, words) for row in listed[:MOST_SHOWN]],
    }


def _card(name: str, row: ChangeRow, words: Words) -> dict[str, Any]:
    severity = row.severity if row.severity in SEVERITIES else "info"
    message = in_words(row.title, words)
    return {
        "look": _LOOKS.get(name, severity),
        "was": _was(name, row, words),
        "badge": _word(name, words) if name in _LOOKS else words(f"severity.{severity}"),
        "title": words("diff.was", None, title=message) if name in ("fixed", "accepted") else message,
        "name": path_of(row.resource),
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
    return "; ".join(filter(None, ("" if is_new and ":" not in rated else rated, in_words(row.why, words))))
