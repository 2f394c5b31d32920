"""A waiver that is copied from the report accepts what `twolocks waive` would accept, and no more."""

import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scanner.config.waiver_editor import WaiverTerms, append_entries
from scanner.config.waiver_proposal import propose
from scanner.document.schema import Document
from tests.report import sample
from tests.report.conftest import Reader

Make = Callable[[dict[str, Any]], Path]

TERMS = WaiverTerms("r", "kari", date(2027, 1, 1))
FILLED_IN = ("reason", "owner", "expires", "ticket")


def entries(text: str) -> list[dict[str, Any]]:
    """Return the entries of a waiver file, without what a person fills in."""
    waivers = tomllib.loads(text)["waiver"]
    return [{name: value for name, value in each.items() if name not in FILLED_IN} for each in waivers]


def expected(document: Document) -> list[dict[str, Any]]:
    """Return what the command line writes for every failed finding."""
    today = datetime.now(UTC).date()
    made: list[dict[str, Any]] = []
    for row in document.findings:
        if row.status == "fail":
            proposal = propose(document, row.fingerprint, Path("findings.json"), today)
            made += entries(append_entries("", proposal.entries, TERMS, Path("waivers.toml")))
    return made


@pytest.mark.parametrize("hostile", [False, True])
def test_the_report_accepts_what_the_command_line_accepts(reader: Reader, make: Make, hostile: bool) -> None:
    document = sample.document(300, hostile=hostile)
    # One port of a machine on two addresses, and an endpoint with another cell in the same finding.
    failed = [row for row in document["findings"] if row["status"] == "fail" and row["endpoints"]]
    finding = next(row for row in failed if row["category"] == "network")
    own = [row for row in document["exposures"] if row["resource"] == finding["resource"] and row["severity"]]
    others = ("192.0.2.1", "shared"), ("2001:db8::1", "shared"), ("host.example", "identity")
    more = [
        own[0] | {"address": address, "fingerprint": f"{number:016x}", "reach": "internet", "authentication": auth}
        for number, (address, auth) in enumerate(others)
    ]
    document["exposures"] += more
    finding["endpoints"] = sorted({*finding["endpoints"], own[0]["endpoint"]})
    page = reader.open(make(document), "#findings?q=status:fail")
    page.get_by_role("button", name="Waiver text").click()
    dialog = page.locator("dialog#text")
    result = entries(dialog.locator("pre code").text_content() or "")
    key = msgspec.json.encode
    assert sorted(result, key=key) == sorted(expected(sample.typed(document)), key=key)
    assert any(each.get("cell") for each in result)
    assert any("@192.0.2.1" in name for each in result for name in each.get("endpoints", ()))
    assert all(each["severity"] for each in result)
    assert "false" not in dialog.inner_text().split("\n")[:4]
