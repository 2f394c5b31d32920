"""The Markdown summary: what it says, how large it gets, and that hostile names are only text."""

import io
import re
from typing import Any

import cmarkgfm  # type: ignore[import-untyped]
import html5lib  # type: ignore[import-untyped]
import pytest
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]

from scanner.report.markdown import CHANGES, CHANGES_FIRST, MOST_BYTES, code, text, write_markdown
from tests.report import sample

NASTY = (
    "<img src=x onerror=alert(1)>",
    "`` ` </code> ```",
    "[link](https://example.org) ![i](x)",
    "https://example.org www.example.org a@example.org",
    "@kari @org/team #12 GH-1",
    "| a | b |\n| --- | --- |\n# heading\n- list\n```\n",
    "**bold** _it_ ~~gone~~ $x$ :tada:",
    "`",
    " lead and trail ",
    "",
    "\u202egnirts\x00\x1b[31m",
    "&lt;b&gt; \\` \\",
)


def written(document: dict[str, Any]) -> str:
    out = io.BytesIO()
    write_markdown(sample.typed(document), out)
    return out.getvalue().decode()


def tree(markdown: str) -> Any:
    """As GitHub's own parser reads it, with links and tables, and with HTML let through."""
    html = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)
    return html5lib.parse(html, namespaceHTMLElements=False)


def tags(markdown: str) -> set[str]:
    return {each.tag for each in tree(markdown).iter()} - {"html", "head", "body"}


@pytest.mark.parametrize("nasty", NASTY)
def test_foreign_text_is_one_code_span(nasty: str) -> None:
    document = tree(f"- x {code(nasty)}: y")
    [span] = document.iter("code")
    assert tags(f"- x {code(nasty)}: y") == {"ul", "li", "code"}
    assert "".join(document.itertext()).strip().startswith("x ")
    assert "\n" not in span.text


@pytest.mark.parametrize("nasty", NASTY)
def test_a_sentence_is_no_markup_and_names_no_one(nasty: str) -> None:
    document = tree(f"x {text(nasty)} y")
    assert tags(f"x {text(nasty)} y") <= {"p", "code"}
    assert {span.text for span in document.iter("code")} <= {"@", "#"}
    loose = "".join(document.itertext())
    for span in document.iter("code"):
        loose = loose.replace(str(span.text), "")
    assert not re.search(r"[@#]\w", loose)


def hostile() -> dict[str, Any]:
    document = sample.document(60)
    document["exposures"][0] |= {"state": "open", "severity": "critical", "fix": None}
    for row, nasty in zip(document["exposures"], NASTY * 5, strict=False):
        row |= {"endpoint": nasty, "title": nasty, "resource": f"/subscriptions/a/providers/b/c/{nasty}"}
        row["fix"] = {"commands": [f"az x --name '{nasty}'"]} if row["fix"] else None
    for row, nasty in zip(document["findings"], NASTY * 5, strict=False):
        row |= {"title": nasty, "message": nasty}
    for gap, nasty in zip(document["gaps"], NASTY, strict=False):
        gap |= {"url": f"{gap['url']}/{nasty}", "code": nasty, "status": 500}
    for scope, nasty in zip(document["coverage"]["scopes"], NASTY, strict=False):
        scope["name"] = nasty
    return document


def test_a_hostile_estate_makes_only_our_own_structure() -> None:
    ours = {"h1", "h2", "p", "ul", "li", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}
    made = written(hostile())
    assert tags(made) <= ours
    assert len(list(tree(made).iter("table"))) == 2
    assert {each.text for each in tree(made).iter("h2")} <= {
        "Do these first", "Other findings, medium or above", "Findings of severity info",
        "Not assessed; none of it counts as passed", "By service", "Responsibility",
    }  # fmt: skip


def test_it_says_what_the_terminal_says(document: dict[str, Any]) -> None:
    made = written(document)
    headline = (
        r"# Twolocks: Not fully assessed\\: [\d,]+ endpoints?, part of 1 subscription; [\d,]+ endpoints are "
        r"publicly accessible without authentication; [\d,]+ more from any Azure tenant or "
        r"broad ranges; [\d,]+ more are protected only by a shared key or password\n"
    )
    assert re.match(headline, made)
    assert "**incomplete**: see what was not assessed" in made
    assert "## Not assessed; none of it counts as passed" in made
    assert re.search(r"^- and [\d,]+ more open endpoints and findings$", made, re.MULTILINE)
    assert made.count("\n- **critical** ") + made.count("\n- **high** ") >= CHANGES_FIRST


def test_zero_never_stands_alone_while_a_read_is_missing() -> None:
    document = sample.document(40)
    document |= {"exposures": [], "findings": [row for row in document["findings"] if row["status"] == "unknown"]}
    assert document["findings"]
    assert re.match(
        r"# Twolocks: Not fully assessed\\: [^;]+; no exposed endpoint was found in the rest\n", written(document)
    )


def test_findings_of_severity_info_are_one_line_a_type() -> None:
    document = sample.document(40)
    failed = [row for row in document["findings"] if row["status"] == "fail"]
    for row in failed:
        row["severity"] = "low"
    assert "severity info" not in written(document)
    a, b, c = failed[:3]
    for row, name, rule in ((a, "one", "x-a"), (b, "two", "x-b"), (c, "three", "x-a")):
        row |= {"severity": "info", "rule": rule}
        row["resource"] = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.X/things/{name}"
    assert "## Findings of severity info\n\n- `Microsoft.X/things`: 3 findings, `x-a`, `x-b`\n" in written(document)


def test_changes_are_reported_with_counts_and_capped() -> None:
    document = sample.document(60)
    rows = [row for row in document["exposures"] if row["state"] == "open" and row["severity"]] * 5
    document["exposures"] = [dict(row, new=position < CHANGES + 5) for position, row in enumerate(rows)]
    for row in document["findings"]:
        row["new"] = row["category"] in ("network", "authentication", "anonymous-access")
    item = {
        "kind": "exposure", "fingerprint": "3fa9c1e07b52d8aa", "resource": "/subscriptions/a/providers/b/c/stjournal",
        "endpoint": "blob/export", "address": "", "rule": "", "title": "Open", "severity": "critical",
        "reach": "internet", "authentication": "anonymous", "since": "2026-11-01T02:00:00Z",
        "last_seen": "2026-11-24T02:00:00Z",
        "why": "allowBlobPublicAccess: true -> false", "was": None,
    }  # fmt: skip
    counts = {"new": CHANGES + 5, "fixed": 1, "reopened": 0, "worse": 0, "better": 0, "unseen": 1, "open": 36}
    document["changes"] = {
        "since": "2026-11-24T02:00:00Z", "baseline": False, "confirmed": True, "notes": ["a <b>note</b>"],
        "counts": {**counts, "first_looked": 0}, "reopened": [], "worse": [], "better": [], "fixed": [item],
        "unseen": [{**item, "why": "could not be read now"}], "trend": [],
    }  # fmt: skip
    made = written(document)
    assert "## Changes since 24 November 2026, 02:00 UTC" in made
    assert f"{CHANGES + 5} new, 1 fixed, 1 no longer visible, 36 still open." in made
    assert "- and 5 more new" in made
    assert re.search(r"- \*\*fixed\*\* critical `stjournal` `blob/export`: allowBlobPublicAccess", made)
    assert "- **no longer visible, not fixed** critical `stjournal`" in made
    assert "<b>" not in re.sub(r"`[^`]*`", "", made.replace("\\<", ""))


def test_notes_of_the_scan_are_reported() -> None:
    document = sample.document(20)
    document["coverage"]["notes"] = [f"the waiver at waivers.toml:{line} <b>expired</b>" for line in range(12)]
    made = written(document)
    assert made.count("\\<b\\>expired") == 10
    assert made.endswith("- and 2 more\n")


def test_the_first_scan_is_the_baseline() -> None:
    document = sample.document(20)
    document["changes"] = sample.baseline()["changes"] | {"counts": {"new": 0}}
    assert "This is the first scan, the baseline. Nothing in it is new." in written(document)


def test_it_fits_into_a_job_summary_whatever_the_names_are() -> None:
    document = sample.document(3_000)
    for row in (*document["exposures"], *document["findings"]):
        row["title"] = "`" * 5_000
        row["resource"] += "/x/" + "\u00e5`" * 20_000
        row["fix"] = {"commands": ["az x " + "y" * 50_000]}
    assert len(written(document).encode()) <= MOST_BYTES + 200


def test_the_same_document_gives_the_same_bytes(document: dict[str, Any]) -> None:
    assert written(document) == written(document)


def test_what_is_accepted_says_by_whom_and_until_when() -> None:
    document = sample.accepted()
    document["gaps"] = document["gaps"][:3]
    message = "".join(tree(written(document)).itertext())
    assert message.count("accepted by kari until 2026-12-31: A preview") == 2
    assert "checks inconclusive for another reason; accepted by kari" in message
