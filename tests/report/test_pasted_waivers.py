"""Waivers that are pasted from the report, over three scans, give what those of `twolocks waive` give.

The test is alone in its file: the sample is made before the browser starts, whose event loop no scan runs beside.
"""

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from scanner.config.waiver_editor import WaiverTerms, append_entries
from scanner.config.waiver_proposal import propose
from scanner.document.schema import Document
from scanner.report.html.rendering import write_html
from scanner.snapshot.format import decoder
from scanner.snapshot.store import Store
from tests.report.conftest import Reader

TERMS = WaiverTerms("r", "kari", date(2027, 1, 1))
NIGHT = ("--only", "type:Microsoft.Storage/storageAccounts", "--fail-on", "new:high")
OPEN = {"publicNetworkAccess": "Enabled", "networkAcls.defaultAction": "Allow", "allowSharedKeyAccess": True}
NIGHTS: list[dict[str, dict[str, Any]]] = [
    {},
    {"stnettsted": {"networkAcls.defaultAction": "Deny"}, "stvedlegg": OPEN, "stfunksjoner": OPEN},
    {"stnettsted": OPEN, "stvedlegg": OPEN, "stfunksjoner": OPEN},
]
"""Settings of accounts that differ from the sample: one is fixed and comes back worse, two are opened."""


def scan(snapshot: Path, folder: Path) -> int:
    """Scan a snapshot with the history and waivers of a folder; return the exit code."""
    words = ("--from", snapshot, "--history", folder / "history.db", "--out", folder / "findings.json")
    waivers = ("--waivers", folder / "waivers.toml") if (folder / "waivers.toml").exists() else ()
    # The browser of this process has an event loop, beside which no scan runs.
    command = [sys.executable, "-m", "scanner", "scan", *map(str, (*words, *waivers)), *NIGHT]
    return subprocess.run(command, capture_output=True, check=False).returncode


def write_night(snapshot: Path, number: int, folder: Path) -> None:
    """Write the snapshot of one of the NIGHTS, made from that of the sample, into a folder."""
    lines = map(decoder.decode, snapshot.read_bytes().splitlines())
    header = next(lines).snapshot
    assert header is not None
    store = Store(msgspec.structs.replace(header, taken=f"2026-12-0{number + 1}T02:00:00Z"))
    for line in lines:
        if line.end is not None:
            continue
        line.chain = ""
        body = line.resource or {}
        for path, value in NIGHTS[number].get(body.get("name", ""), {}).items():
            *parents, name = path.split(".")
            place = body["properties"]
            for each in parents:
                place = place.setdefault(each, {})
            place[name] = value
        store.add(line)
    store.write(folder / f"{number}.jsonl")


def test_pasted_waivers_give_what_those_of_the_command_give_over_three_nights(
    reader: Reader, demo_folder: Path, tmp_path: Path
) -> None:
    for number in range(len(NIGHTS)):
        write_night(demo_folder / "snapshot.jsonl", number, tmp_path)
    pasted, written = tmp_path / "pasted", tmp_path / "written"
    pasted.mkdir()
    assert scan(tmp_path / "0.jsonl", pasted) == 3
    shutil.copytree(pasted, written)
    document = msgspec.json.decode((written / "findings.json").read_bytes(), type=Document)
    text = ""
    for row in document.findings:
        if row.status == "fail":
            proposal = propose(document, row.fingerprint, Path("findings.json"), datetime.now(UTC).date())
            text = append_entries(text, proposal.entries, TERMS, Path("waivers.toml"))
    (written / "waivers.toml").write_text(text, "utf-8")
    write_html(document, tmp_path / "report.html")
    page = reader.open(tmp_path / "report.html", "#findings?q=status:fail")
    page.get_by_role("button", name="Waiver text").click()
    copied = page.locator("dialog#text pre code").text_content() or ""
    copied = re.sub(r"^(reason|owner) = .*", r'\1 = "r"', copied, flags=re.M)
    (pasted / "waivers.toml").write_text(re.sub(r"^expires = .*", "expires = 2027-01-01", copied, flags=re.M), "utf-8")
    results = []
    for number in range(len(NIGHTS)):
        codes = [scan(tmp_path / f"{number}.jsonl", each) for each in (pasted, written)]
        pages = [json.loads((each / "findings.json").read_bytes()) for each in (pasted, written)]
        for section in ("findings", "exposures"):
            rows = [[without_waiver(row) for row in each[section]] for each in pages]
            assert rows[0] == rows[1], (number, section)
        assert any(row.get("waiver") for row in pages[0]["findings"])
        results.append(codes)
    assert results == [[3, 3], [1, 1], [1, 1]]


def without_waiver(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with only the fingerprint of its waiver, whose terms people fill in."""
    return {**row, "waiver": bool(row.get("waiver"))}
