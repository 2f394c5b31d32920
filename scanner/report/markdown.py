"""A summary in Markdown, for the page of a job (`$GITHUB_STEP_SUMMARY`, Azure DevOps) or a comment.

It is no report: what is worst, what changed, what could not be read, each with its count and "and N more". Names and
messages come from Azure, so they stand in code spans, where nothing is markup, a link or a mention.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from scanner.model.exposure import LOCKS
from scanner.report.gaps import accepted_by, gather
from scanner.report.summary import SEVERITIES, rank, summarise, unread, worse
from scanner.report.text import invisible, plain, split_fix
from scanner.report.words import Words

Item = Mapping[str, Any]

MOST_BYTES = 900_000
"""GitHub refuses a summary above 1 MiB (1,048,576 bytes)."""

DOORS, RULES, GAPS, CHANGES, NOTES = 20, 20, 20, 20, 10
_LONGEST = 300
_TICKS = re.compile("`+")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>+\-.!|~:&$])")


def write_markdown(document: Item, out: IO[bytes]) -> None:
    """Writes a findings document (schema `twolocks/1`, decoded). The same document gives the same bytes."""
    parts: list[str] = []
    room = MOST_BYTES
    for part in _parts(document):
        room -= len(part.encode()) + 1
        if room < 0:
            parts.append("More does not fit here; the findings file has all.\n")
            break
        parts.append(part)
    out.write("\n".join(parts).encode())


def code(text: object) -> str:
    """Foreign text as a code span: nothing in it is markup, and hidden characters show as `[U+202E]`."""
    said = _short(plain(text))
    fence = "`" * (max((len(run) for run in _TICKS.findall(said)), default=0) + 1)
    pad = " " if said.startswith(("`", " ")) or said.endswith(("`", " ")) or not said else ""
    return f"{fence}{pad}{said}{pad}{fence}"


def text(said: object) -> str:
    """A sentence with its markup escaped. `@` and `#` stand in code spans, since GitHub links them even if escaped."""
    escaped = _MARKUP.sub(r"\\\1", _short(plain(said)))
    return re.sub("[@#]", lambda hit: f"`{hit[0]}`", escaped)


def block(command: str) -> str:
    """A command in a fence that it cannot end."""
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(command)), default=0) + 1)
    return f"  {fence}sh\n  {command}\n  {fence}"


def _short(said: str) -> str:
    return said if len(said) <= _LONGEST else said[:_LONGEST] + " [cut]"


def _parts(document: Item) -> Iterator[str]:
    words = Words()
    yield _headline(document)
    yield _scope(document, words)
    yield _counts(document)
    if document.get("changes"):
        yield from _changes(document)
    yield from _doors(document)
    yield from _others(document)
    yield from _not_read(document, words)
    yield from _notes(document)


def _headline(document: Item) -> str:
    """The same sentences as the last screen of a scan."""
    summary = summarise(document)
    shared = f"{summary.shared:,} {'needs' if summary.shared == 1 else 'need'} only a copied key or password"
    if not document["exposures"] and not summary.findings:
        first = "no resource of a known type was found"
    elif summary.open:
        stand = "endpoint stands" if summary.open == 1 else "endpoints stand"
        more = f"; {shared.replace(' need', ' more need', 1)}" if summary.shared else ""
        first = f"{summary.open:,} {stand} open to anyone{more}"
    elif summary.shared:
        first = f"no endpoint stands open to anyone; {shared}"
    elif not summary.whole:
        first = "no open endpoint found, but not everything could be read"
    else:
        first = "no endpoint stands open to anyone; none needs only a copied key or password"
    may = f"\n\n**{summary.unread:,} could not be read and may be open too.**" if summary.unread else ""
    return f"# Twolocks: {first}{may}\n"


def _scope(document: Item, words: Words) -> str:
    scan, scopes = document["scan"], document["coverage"]["scopes"]
    named = [code(scope["name"] or scope["subscription"]) + _view(scope["view"]) for scope in scopes[:10]]
    named += [f"and {len(scopes) - 10:,} more"] if len(scopes) > 10 else []
    whole = "everything that was asked for was read" if scan["complete"] else "**incomplete**: see what was not read"
    where = f" of {', '.join(named)}" if named else ""
    return f"{scan['resources']:,} resources{where}, {words.moment(scan['taken'])}; {whole}.\n"


def _view(view: str) -> str:
    return {"full": "", "partial": " (seen in part)"}.get(view, " (not seen)")


def _counts(document: Item) -> str:
    doors = Counter(row["severity"] for row in document["exposures"] if row["state"] == "open")
    states = Counter(row["state"] for row in document["exposures"])
    other = Counter(row["severity"] for row in document["findings"] if row["status"] == "fail" and not _lock(row))
    statuses = Counter(row["status"] for row in document["findings"])
    lines = ["| severity | open endpoints | other findings |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {doors[name]:,} | {other[name]:,} |" for name in SEVERITIES]
    said = [f"{statuses['unknown']:,} checks undecided; none of them counts as passed"] if statuses["unknown"] else []
    said += [f"{statuses['error']:,} checks crashed"] if statuses["error"] else []
    said += [f"{states[name]:,} endpoints {name}" for name in ("waived", "intended", "closed") if states[name]]
    return "\n".join(lines) + (f"\n\n{'; '.join(said)}.\n" if said else "\n")


def _lock(row: Item) -> bool:
    return row["category"] in ("anonymous-access", "authentication", "network") and bool(row["endpoints"])


def _changes(document: Item) -> Iterator[str]:
    changes = document["changes"]
    counts = changes.get("counts") or {}
    since = changes.get("since")
    yield f"## Changes{f' since {Words().moment(since)}' if since else ''}\n"
    if changes.get("baseline"):
        yield "The first scan: the baseline. Nothing in it is new.\n"
    told = (
        ("new", "new"), ("reopened", "reopened"), ("worse", "worse"), ("better", "better"), ("fixed", "fixed"),
        ("unseen", "lost sight of"), ("first_looked", "looked at for the first time"), ("open", "still open"),
    )  # fmt: skip
    said = [f"{counts[key]:,} {word}" for key, word in told if counts.get(key) or (key == "new" and counts)]
    yield f"{', '.join(said)}.\n" if said else ""
    yield from (f"{text(note)}\n" for note in changes.get("notes") or ())
    fresh = [row for row in document["exposures"] if row.get("new") and row["state"] == "open" and row["severity"]]
    counted = [row for row in document["findings"] if row["category"] not in LOCKS]
    fresh += [row for row in counted if row.get("new") and row["status"] == "fail"]
    for word, items in (("new", fresh), *((key, changes.get(key) or ()) for key in ("reopened", "worse", "fixed"))):
        yield from _listed(word, sorted(items, key=_order))
    yield from _listed("lost sight of, not fixed", sorted(changes.get("unseen") or (), key=_order))


def _order(item: Item) -> tuple[int, str, str]:
    return rank(item.get("severity")), str(item.get("resource")).lower(), str(item.get("fingerprint"))


def _listed(word: str, items: Sequence[Item]) -> Iterator[str]:
    for item in items[:CHANGES]:
        endpoint = item.get("endpoint") or ", ".join(item.get("endpoints") or ())
        where = f"{code(_name(item['resource']))}{f' {code(endpoint)}' if endpoint else ''}"
        why = item.get("why") or item.get("title") or ""
        yield f"- **{word}** {item.get('severity') or ''} {where}: {text(why)}".replace("  ", " ")
    if len(items) > CHANGES:
        yield f"- and {len(items) - CHANGES:,} more {word}"
    if items:
        yield ""


def _doors(document: Item) -> Iterator[str]:
    """The worst open endpoints; those of one resource that one command closes are one entry."""
    rows = [row for row in document["exposures"] if row["state"] == "open" and row["severity"]]
    entries: dict[tuple[str, str], list[Item]] = {}
    for row in sorted(rows, key=lambda row: rank(row["severity"])):
        entries.setdefault((row["resource"].lower(), row["fix"] or row["endpoint"]), []).append(row)
    if not entries:
        return
    yield "## Worst first\n"
    for same in list(entries.values())[:DOORS]:
        first, more = same[0], len(same) - 1
        others = f" and {more:,} more" if more else ""
        name = code(_name(first["resource"]))
        yield f"- **{first['severity']}** {name} {code(first['endpoint'])}{others}: {text(first['title'])}"
        yield from _closing(first["fix"])
    if len(entries) > DOORS:
        left = sum(len(same) for same in list(entries.values())[DOORS:])
        yield f"- and {left:,} more open endpoints"
    yield ""


def _closing(fix: str | None) -> Iterator[str]:
    sentence, command = split_fix(fix)
    if command and invisible(command):
        yield "\n  No command is offered: the name holds characters that do not show. Use the portal.\n"
    elif command:
        yield f"\n{block(command)}\n"
    elif sentence:
        yield f"  {text(sentence)}"


def _others(document: Item) -> Iterator[str]:
    """What fails outside the two locks: by rule, with how many resources."""
    counted: Counter[tuple[int, str, str]] = Counter()
    for row in document["findings"]:
        if row["status"] == "fail" and not _lock(row) and rank(row["severity"]) <= rank("medium"):
            counted[rank(row["severity"]), row["rule"], row["title"]] += 1
    if not counted:
        return
    ordered = sorted(counted.items(), key=lambda each: (each[0][0], -each[1], each[0][1]))
    yield "## Other findings, medium or above\n"
    for (severity, rule, title), count in ordered[:RULES]:
        yield f"- **{SEVERITIES[severity]}** {count:,} x {code(rule)}: {text(title)}"
    if len(counted) > RULES:
        yield f"- and {len(counted) - RULES:,} more rules"
    yield ""


def _not_read(document: Item, words: Words) -> Iterator[str]:
    missing = gather(document, words)
    maybe = [row for row in document["exposures"] if unread(row) or worse(row)]
    if not (missing.entries or missing.other or missing.agreed):
        return
    yield "## Not read; none of it counts as passed\n"
    if maybe:
        yield f"{len(maybe):,} endpoints may be wider open than what is told above.\n"
    for entry in missing.entries[:GAPS]:
        why = f"missing {code(entry.action)}" if entry.curable else code(", ".join(entry.errors) or "no answer")
        up_to = f"up to **{entry.worst}**, " if entry.worst else ""
        checks = f"{up_to}{entry.checks:,} {'check' if entry.checks == 1 else 'checks'}: " if entry.checks else ""
        accepted = f"; {text(accepted_by(entry.waiver))}" if entry.accepted else ""
        yield f"- {checks}{code(entry.what)}, {why}{accepted}"
    if len(missing.entries) > GAPS:
        yield f"- and {len(missing.entries) - GAPS:,} more"
    for group in missing.agreed[:GAPS]:
        checks = f"{len(group.places):,} {'check' if len(group.places) == 1 else 'checks'}"
        yield f"- {checks} undecided for another reason; {text(accepted_by(group.waiver))}"
    if missing.other:
        yield f"- {missing.other:,} checks undecided for another reason than a read that failed"
    yield ""


def _notes(document: Item) -> Iterator[str]:
    """What is said of the scan as a whole: waivers that expired or match nothing, what a file cannot show."""
    notes = document["coverage"].get("notes") or ()
    if not notes:
        return
    yield "## Notes\n"
    yield from (f"- {text(note)}" for note in notes[:NOTES])
    if len(notes) > NOTES:
        yield f"- and {len(notes) - NOTES:,} more"
    yield ""


def _name(resource: str) -> str:
    return resource.rstrip("/").rsplit("/", 1)[-1]
