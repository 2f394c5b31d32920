"""The queries of `docs/queries.md` on Parquet, run as they are there. `twolocks diff` and documents are the oracle."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from scanner.document.schema import Document, decode_document
from scanner.document.scopes import ExcludedRow, LimitRow
from scanner.evaluate.counts import count
from scanner.history.documents import LISTS, difference
from scanner.report.sheets.parquet import write_parquet
from scanner.rulebook.loader import load
from scanner.sandbox.server import serve
from tests.estate.parts import one_of_each_type
from tests.history.changing_estate import Json, scheduled_run
from tests.history.test_changing_estate import NIGHTS, REFUSED, accepted
from tests.terminals import STORAGE, SUB, account, snapshot, twolocks

PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text("utf-8")
PARQUET = PAGE.partition("\n## Parquet\n")[2].partition("\n## ")[0]
GROUPS = {
    title: re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for title, text in re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", PARQUET, re.MULTILINE | re.DOTALL)
}
NEW, GONE, OWNERS, REGIONS, OLDEST, TREND, MANY, UNREAD = (
    "New since the previous scan",
    "What is gone",
    "Open by owner",
    "Open by region",
    "The oldest open items",
    "Open items by day",
    "Rules that fail in many subscriptions",
    "What was not read",
)
OTHER = "c4e0f7d2-7a31-4b8e-8d0c-91b6f2a3e5d4"
RULES = load(packages=False)
Row = dict[str, Any]
Keys = set[tuple[str, str]]


def taken(number: int) -> str:
    return f"2026-11-{number:02}T02:00:00Z"


class Scans:
    """A folder of Parquet files, and the answers of the page's queries about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "scans"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._database: duckdb.DuckDBPyConnection | None = None

    def add(self, *documents: Document) -> "Scans":
        for document in documents:
            with (self.folder / f"{document.scan.id}.parquet").open("wb") as file:
                write_parquet(document, file)
        self._database = None
        return self

    def ask(self, title: str) -> list[Row]:
        """Return the rows of the one query below a heading."""
        (query,) = GROUPS[title]
        return self.run(query)

    def run(self, query: str) -> list[Row]:
        files = f"{self.folder}/*.parquet"
        if self._database is None:
            self._database = duckdb.connect()
            self._database.execute(GROUPS["Views"][0].replace("scans/*.parquet", files))
        duck_db_py_connection = self._database.execute(query.replace("scans/*.parquet", files))
        names = [each[0] for each in duck_db_py_connection.description or ()]
        return [dict(zip(names, row, strict=True)) for row in duck_db_py_connection.fetchall()]

    def keys(self, title: str, **cells: str) -> Keys:
        return keys(row for row in self.ask(title) if all(row[name] == value for name, value in cells.items()))

    def standing(self, *states: str) -> Keys:
        return keys(row for row in self.run("FROM standing") if not states or row["state"] in states)


def keys(rows: Iterable[Row]) -> Keys:
    return {(row["record"], row["fingerprint"]) for row in rows}


def by(rows: Iterable[Row], cell: str) -> defaultdict[str, Keys]:
    result = defaultdict[str, Keys](set)
    for row in rows:
        result[row[cell]] |= keys([row])
    return result


def at(document: Document, number: int, mark: str = "") -> Document:
    """A document as if it were taken on a day of November."""
    scan = msgspec.structs.replace(document.scan, taken=taken(number), id=f"{number:02}{mark}")
    return msgspec.structs.replace(document, scan=scan)


def differences(old: Document, new: Document) -> dict[str, Keys]:
    """Return the lists of `twolocks diff`."""
    diff_document = difference(old, new, ("old", "new"), RULES)
    return {name: {(row.kind, row.fingerprint) for row in getattr(diff_document, name)} for name in LISTS}


def open_in(document: Document) -> Keys:
    """The items that are open in a document: endpoints, and findings without one."""
    rows: set[tuple[str, str]] = {("exposure", row.fingerprint) for row in document.exposures if row.state == "open"}
    return rows | {("finding", row.fingerprint) for row in document.findings if row.status == "fail" and row.is_counted}


# The changing estate


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """The scans of an estate that changes from day to day, without a history."""
    folder = tmp_path_factory.mktemp("nights")
    words = ("--fail-on", "never", *accepted(folder))
    documents = []
    for number, planted in enumerate(NIGHTS, 1):
        options = {"refusals": [REFUSED], **planted.options}
        reported = scheduled_run(planted.estate, "", folder, *words, **options)
        documents.append(at(decode_document(msgspec.json.encode(reported.document)), number))
    return documents


def test_each_pair_of_scans_differs_as_in_diff(nights: list[Document], tmp_path: Path) -> None:
    seen = Counter[str]()
    for position, (old, new) in enumerate(pairwise(nights)):
        scans = Scans(tmp_path / str(position)).add(old, new)
        gone, standing = by(scans.ask(GONE), "why"), by(scans.run("FROM standing"), "state")
        lists = differences(old, new)
        assert scans.keys(NEW) == lists["new"]
        assert gone["fixed"] == lists["fixed"]
        assert gone["accepted"] == lists["accepted"]
        unseen = gone["not listed"] | standing["not seen"] | standing["inconclusive"]
        assert unseen == lists["vanished"] | lists["unknown"]
        assert standing["open"] == open_in(new)
        seen.update({name: len(rows) for name, rows in {**gone, **standing}.items()})
    assert {"fixed", "not listed", "open", "not seen"} <= {name for name, number in seen.items() if number}


def test_all_scans_together_know_what_the_last_one_shows(nights: list[Document], tmp_path: Path) -> None:
    scans = Scans(tmp_path).add(*nights)
    last = nights[-1]
    assert scans.standing("open") == open_in(last)
    assert scans.standing() == open_in(last)
    assert scans.keys(NEW) == differences(nights[-2], last)["new"]
    ever = set[tuple[str, str]]().union(*map(open_in, nights))
    assert scans.keys(GONE) == ever - open_in(last)
    numbers = count(last).numbers()
    assert sum(row["open"] for row in scans.ask(OWNERS)) == sum(numbers.severities.values()) + sum(
        numbers.other_findings.values()
    )
    assert sum(row["endpoints"] for row in scans.ask(REGIONS)) == numbers.states["open"]


def test_the_trend_has_the_numbers_of_each_day(nights: list[Document], tmp_path: Path) -> None:
    trend = Scans(tmp_path).add(*nights).ask(TREND)
    assert [row["day"] for row in trend] == [date(2026, 11, number) for number in range(1, len(nights) + 1)]
    assert [row["open"] for row in trend] == [len(open_in(document)) for document in nights]
    assert {(row["subscriptions"], row["old"]) for row in trend} == {(1, 0)}


def test_the_oldest_are_those_of_the_first_scan(nights: list[Document], tmp_path: Path) -> None:
    rows = Scans(tmp_path).add(*nights).ask(OLDEST)
    first, last = open_in(nights[0]), open_in(nights[-1])
    assert {row["first_seen"] for row in rows if (row["record"], row["fingerprint"]) in first} == {date(2026, 11, 1)}
    assert [row["first_seen"] for row in rows] == sorted(row["first_seen"] for row in rows)
    assert keys(rows) == last


# Scans of single subscriptions


def scanned(
    folder: Path, *bodies: Json, words: Sequence[str] = (), view: str = "full", gaps: Sequence[str] = ()
) -> Document:
    """The document of a scan of these accounts."""
    file = snapshot(folder / "s.jsonl", *bodies, view=view, gaps=tuple(gaps))
    ended = twolocks("scan", "--from", file, "--out", folder / "f.json", "--fail-on", "never", *words)
    assert ended.code in (0, 3), ended.err
    return decode_document((folder / "f.json").read_bytes())


def other(document: Document) -> Document:
    """The same scan of another subscription, with its own fingerprints."""
    text = msgspec.json.encode(document).decode().replace(SUB, OTHER)
    text = re.sub(r'(?<="fingerprint":")[0-9a-f]{4}', "ffff", text)
    return decode_document(text.encode())


OPEN = account("st", supportsHttpsTrafficOnly=False, publicNetworkAccess="Enabled", allowSharedKeyAccess=True)
BESIDE = account("beside", supportsHttpsTrafficOnly=False, publicNetworkAccess="Disabled")
SAFE = account("st", supportsHttpsTrafficOnly=True, publicNetworkAccess="Disabled", allowSharedKeyAccess=False)


def http(document: Document) -> Keys:
    return {("finding", row.fingerprint) for row in document.findings if row.rule == "storage-plain-http"}


def test_the_newest_scan_is_that_of_each_subscription(tmp_path: Path) -> None:
    opened, safe = scanned(tmp_path, OPEN), scanned(tmp_path, SAFE)
    beside = other(opened)
    assert http(opened)
    assert not http(safe)
    scans = Scans(tmp_path).add(at(beside, 1, "b"), at(opened, 2, "a"))
    assert scans.standing("open") == scans.standing() == open_in(opened) | open_in(beside)
    # A later scan of one says nothing about the other, and one without a finding is clean.
    scans.add(at(safe, 3, "a"))
    assert scans.standing("open") == scans.standing() == open_in(safe) | open_in(beside)
    assert http(opened) <= scans.keys(GONE, why="fixed")
    assert scans.keys(NEW) == differences(opened, safe)["new"]
    scans.add(at(other(safe), 4, "b"))
    assert scans.standing() == open_in(safe) | open_in(other(safe))
    trend = {row["day"].day: (row["open"], row["subscriptions"], row["old"]) for row in scans.ask(TREND)}
    opens, safes = len(open_in(opened)), len(open_in(safe))
    assert trend == {1: (opens, 1, 0), 2: (2 * opens, 2, 1), 3: (opens + safes, 2, 1), 4: (2 * safes, 2, 1)}
    rules = {row["rule"]: row["subscriptions"] for row in scans.ask(MANY)}
    assert set(rules.values()) == {2}
    assert set(rules) == {row.rule for row in safe.findings if row.status == "fail"}


def test_a_live_scan_of_each_subscription_writes_one_file(tmp_path: Path) -> None:
    scans, documents = Scans(tmp_path), list[Document]()
    with serve(one_of_each_type()) as box:
        for name in ("prod-journal", "test-journal"):
            outs = ("--out", tmp_path / f"{name}.json", "--out", tmp_path / "scans" / f"{name}.parquet")
            ended = twolocks("scan", "-s", name, *outs, "--fail-on", "never", env=box.environment())
            assert ended.code in (0, 3), ended.err
            documents.append(decode_document((tmp_path / f"{name}.json").read_bytes()))
    assert scans.standing("open") == scans.standing() == open_in(documents[0]) | open_in(documents[1])
    assert {row["subscription_name"]: row["view"] for row in scans.ask(UNREAD)} == {
        "prod-journal": "full",
        "test-journal": "partial",
    }
    numbers = [count(document).numbers() for document in documents]
    assert {row["region"]: row["endpoints"] for row in scans.ask(REGIONS) if row["endpoints"]} == Counter(
        document.resources[row.resource].location
        for document in documents
        for row in document.exposures
        if row.state == "open"
    )
    assert scans.ask(TREND)[-1]["open"] == sum(
        sum(each.severities.values()) + sum(each.other_findings.values()) for each in numbers
    )


def test_a_subscription_that_could_not_be_read_keeps_its_items(tmp_path: Path) -> None:
    opened = scanned(tmp_path, OPEN)
    unread = scanned(tmp_path, view="none", gaps=[f"/subscriptions/{SUB}"])
    assert not open_in(unread)
    scans = Scans(tmp_path).add(at(opened, 1), at(unread, 2))
    assert (scans.standing("not seen"), scans.standing("open"), scans.ask(GONE)) == (open_in(opened), set(), [])
    (row,) = scans.ask(OWNERS)
    assert row["unconfirmed"] == row["open"] == len(open_in(opened))
    (row,) = scans.ask(UNREAD)
    assert (row["view"], row["failed_reads"], row["taken"].day) == ("none", 1, 2)
    number = len(open_in(opened))
    assert [(row["open"], row["old"]) for row in scans.ask(TREND)] == [(number, 0), (number, 1)]
    # A tenant that was not read concerns each subscription of its scan.
    tenants = scanned(tmp_path, view="none", gaps=[f"/subscriptions/{SUB}", "/tenants/8f2c1a64"])
    (row,) = Scans(tmp_path / "tenants").add(at(tenants, 1)).ask(UNREAD)
    assert row["failed_reads"] == 2
    # What it showed before is not new when it can be read again.
    scans.add(at(opened, 3))
    assert (scans.standing("open"), scans.ask(NEW)) == (open_in(opened), [])


def test_a_resource_is_not_listed_only_where_all_was_read(tmp_path: Path) -> None:
    opened, empty = scanned(tmp_path, OPEN, BESIDE), scanned(tmp_path, BESIDE)
    lost = {key for key in open_in(opened) if key not in open_in(empty)}
    assert lost
    limited = msgspec.structs.replace(empty.scan, limited=LimitRow(groups=["rg-other"]))
    excluded = msgspec.structs.replace(
        empty.scan, excluded=[ExcludedRow(scope=STORAGE.split("/providers")[0], name="rg")]
    )
    hidden = [
        scanned(tmp_path, BESIDE, view="partial", gaps=[f"/subscriptions/{SUB}"]),
        scanned(tmp_path, BESIDE, gaps=[f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts"]),
        scanned(tmp_path, BESIDE, words=("--only", "keyvault-*")),
        msgspec.structs.replace(empty, scan=limited),
        msgspec.structs.replace(empty, scan=excluded),
    ]
    for number, document in enumerate(hidden):
        scans = Scans(tmp_path / str(number)).add(at(opened, 1), at(document, 2))
        assert not lost & scans.keys(GONE), number
        assert lost <= scans.standing(), number
    scans = Scans(tmp_path / "whole").add(at(opened, 1), at(empty, 2))
    assert scans.keys(GONE, why="not listed") == lost
    # It is there again, and may be as it was.
    back = scanned(tmp_path, account("st"), BESIDE)
    scans.add(at(back, 3))
    assert not scans.keys(GONE, why="not listed")
    assert http(opened) - http(back) <= scans.keys(GONE, why="fixed")


def test_a_scan_of_single_rules_or_resources_changes_what_it_evaluated(tmp_path: Path) -> None:
    opened = scanned(tmp_path, OPEN)
    fixed = scanned(tmp_path, SAFE, words=("--only", "storage-plain-http"))
    scans = Scans(tmp_path).add(at(opened, 1), at(fixed, 2))
    assert scans.keys(GONE) == http(opened)
    assert scans.standing("open") == open_in(opened) - http(opened)
    limit = LimitRow(resources=[OPEN["id"]])
    narrow = msgspec.structs.replace(opened, scan=msgspec.structs.replace(opened.scan, limited=limit))
    scans.add(at(narrow, 3))
    assert scans.standing("open") == open_in(opened)
    assert http(opened) & scans.keys(NEW) == set()


def test_a_rule_that_says_nothing_about_a_listed_resource_fixes_nothing(tmp_path: Path) -> None:
    opened, silent = scanned(tmp_path, OPEN), scanned(tmp_path, SAFE)
    silent.passed, silent.not_applicable = {}, {}
    scans = Scans(tmp_path).add(at(opened, 1), at(silent, 2))
    assert http(opened) <= scans.standing("not seen")
    assert not http(opened) & scans.keys(GONE)


def test_of_names_that_differ_in_case_the_worse_counts_once(tmp_path: Path) -> None:
    made = at(scanned(tmp_path, OPEN), 1)
    row = next(each for each in made.exposures if each.state == "open")
    twins = [msgspec.structs.replace(row, severity=None, worst=None, state="closed"), row]
    twins.append(msgspec.structs.replace(row, resource=row.resource.upper()))
    made.exposures = [*(each for each in made.exposures if each is not row), *twins]
    scans = Scans(tmp_path).add(made)
    assert [each["outcome"] for each in scans.run("FROM items") if each["fingerprint"] == row.fingerprint] == ["open"]
    assert len(scans.run("FROM standing")) == len(open_in(made))


def test_parts_of_a_scan_are_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = scanned(tmp_path, OPEN, BESIDE)
    (tmp_path / "scans").mkdir()
    ended = twolocks("report", "f.json", "--out", "scans/a.parquet", "--split", "resource-group")
    assert ended.code == 0, ended.err
    assert len(list((tmp_path / "scans").glob("*.parquet"))) == 3
    assert Scans(tmp_path).standing("open") == open_in(whole)


def test_owner_and_region_are_those_of_the_resource(tmp_path: Path) -> None:
    config = tmp_path / "twolocks.toml"
    config.write_text('[report]\nowner-tag = "team"\n')
    bodies = [{**OPEN, "tags": {"team": "kart"}}, {**BESIDE, "location": "westeurope"}]
    made = scanned(tmp_path, *bodies, words=("--config", str(config)))
    scans = Scans(tmp_path).add(at(made, 1))
    owners = {row["owner"]: row["open"] for row in scans.ask(OWNERS)}
    assert owners["kart"] == sum(f"{STORAGE}/st" in row["resource"] for row in scans.run("FROM standing"))
    assert sum(owners.values()) == len(open_in(made))
    assert {row["region"] for row in scans.ask(REGIONS)} >= {"norwayeast", "westeurope"}


def test_an_accepted_item_is_gone_until_it_is_not_accepted_any_more(tmp_path: Path) -> None:
    opened = scanned(tmp_path, OPEN)
    waivers = tmp_path / "w.toml"
    waivers.write_text(
        '[[waiver]]\nrule = "storage-plain-http"\nresource = "*/st"\nreason = "a migration until spring"\n'
        f'owner = "kari"\nexpires = {(datetime.now(UTC) + timedelta(days=90)).date()}\n'
    )
    waived = scanned(tmp_path, OPEN, words=("--waivers", str(waivers)))
    scans = Scans(tmp_path).add(at(opened, 1), at(waived, 2))
    assert scans.keys(GONE, why="accepted") == http(opened) == differences(opened, waived)["accepted"]
    scans.add(at(opened, 3))
    assert scans.keys(NEW, before="accepted") == http(opened)
    assert not scans.ask(GONE)


def test_a_history_says_since_when(tmp_path: Path) -> None:
    made = at(scanned(tmp_path, OPEN), 20)
    made.findings = [msgspec.structs.replace(row, since=taken(3), new=False) for row in made.findings]
    rows = Scans(tmp_path).add(made).ask(OLDEST)
    assert {row["first_seen"] for row in rows if row["record"] == "finding"} == {date(2026, 11, 3)}
    assert all(isinstance(row["last_open"], datetime) for row in rows)


def test_the_page_names_each_query() -> None:
    assert list(GROUPS) == ["Views", NEW, GONE, OWNERS, REGIONS, OLDEST, TREND, MANY, UNREAD, "Limits"]
    assert {title: len(blocks) for title, blocks in GROUPS.items()} == {**dict.fromkeys(GROUPS, 1), "Limits": 0}
