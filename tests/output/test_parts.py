"""Reports of owners: the parts add up to the whole, nothing unread is missing from a part, names are safe."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.document.capacity_rows import ControlPlaneRow, QuotaRow, ReservationRow, SpreadRow
from scanner.document.schema import Document, decode_document
from scanner.document.writer import write_document
from scanner.evaluate.capacity import control_planes, spread_counts
from scanner.evaluate.counts import count
from scanner.evaluate.frameworks import Tally, assessed, of_owner, tally_of
from scanner.evaluate.rows import rule_row
from scanner.model.ids import subscription_of
from scanner.model.rule import questions
from scanner.output.formats import FORMATS
from scanner.output.owner_documents import OwnerDocument, SplitBy, parse_split, split
from scanner.output.owner_files import slugs_of
from scanner.report.language.words import Words
from scanner.report.views.headline import headline
from scanner.report.views.summary import matrix
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import load
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.report import sample
from tests.terminals import SUB, TAKEN, account, listed, snapshot, twolocks

WAYS = ("tag:owner", "subscription", "resource-group")
SUBSCRIPTIONS = ("5b1d7c1e-0000-4c6b-9f53-000000000001", "5b1d7c1e-0000-4c6b-9f53-000000000002")
TYPE = "Microsoft.Storage/storageAccounts"
HOSTILE = (
    "../../etc/passwd",
    "a/b\\c",
    "CON",
    "nul.html",
    "\u202exe",
    "=cmd()",
    "A" * 300,
    "..",
    "a\x00b",
    "å",
    "Å",
    "ß",
    "team",
)


def by(text: str) -> SplitBy:
    split_by = parse_split(text, "--split")
    assert split_by is not None
    return split_by


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any document: tagged and untagged resources, children with tags of their own, gaps of all kinds."""
    made: dict[str, Any] = sample.document(0)
    made |= {"resources": {}, "exposures": [], "findings": [], "passed": {}, "not_applicable": {}, "gaps": []}
    made["changes"] = None
    urls: list[str] = []
    for number in range(draw(st.integers(0, 8))):
        subscription = draw(st.sampled_from(SUBSCRIPTIONS))
        group = f"/subscriptions/{subscription}/resourceGroups/{draw(st.sampled_from(('rg-a', 'RG-A', 'rg-b')))}"
        top = f"{group}/providers/{TYPE}/st{number}"
        for id, parent in ((top, None), (f"{top}/blobServices/default/containers/c", top)):
            tags = draw(st.sampled_from(({}, {"Owner": "Team A"}, {"owner": "team a"}, {"owner": " "}, {"owner": "b"})))
            is_read = draw(st.booleans())
            if is_read:
                made["resources"][id] = {
                    "type": TYPE if parent is None else f"{TYPE}/blobServices/containers",
                    "name": id[-3:],
                    "location": "norwayeast",
                    "subscription": subscription,
                    "resource_group": group.split("/")[-1],
                    "tags": tags,
                    "parent": parent,
                }
            severity = draw(st.sampled_from((None, "critical", "high", "low")))
            worst = severity or draw(st.sampled_from((None, "high")))
            state = "open" if severity else "unknown" if worst else "closed"
            exposure: dict[str, Any] = {"resource": id, "endpoint": "blob", "kind": "data", "reach": "internet"}
            exposure |= {"authentication": "anonymous", "severity": severity, "worst": worst, "state": state}
            made["exposures"].append(msgspec.to_builtins(sample.row(exposure)))
            if not is_read or draw(st.booleans()):
                urls.append(f"{id}/x")
            status = draw(st.sampled_from(("fail", "unknown", "waived")))
            made["findings"].append(_finding(id, status, urls[-1:] if status == "unknown" else []))
            made["passed"][id] = ["storage-plain-http"]
    for subscription in SUBSCRIPTIONS:
        if draw(st.booleans()):
            urls.append(f"/subscriptions/{subscription}/providers/{TYPE}")
            made["findings"].append(_finding(f"/subscriptions/{subscription}", "unknown", urls[-1:]))
    urls += ["/subscriptions"] if draw(st.booleans()) else []
    for url in dict.fromkeys(urls):
        made["gaps"].append({"url": url, "status": 403, "code": "AuthorizationFailed", "action": "a/read", "rules": []})
    views = {each: draw(st.sampled_from(("full", "partial", "none"))) for each in SUBSCRIPTIONS}
    made["coverage"]["scopes"] = [
        {"subscription": each, "name": f"name-{each[-1]}", "tenant": "t", "view": view} for each, view in views.items()
    ]
    total = len([row for row in made["resources"].values() if row["parent"] is None])
    made["coverage"]["types"] = [
        {
            "type": TYPE,
            "resources": total + 1,
            "judged": True,
            "complete": not any("/resourceGroups/" not in url for url in urls),
        },
        {"type": "Microsoft.Other/things", "resources": 3, "judged": False, "complete": True},
        {"type": "Microsoft.Cdn/profiles", "resources": draw(st.integers(0, 2)), "judged": True, "complete": True},
    ]
    unknown = any(row["status"] == "unknown" for row in made["findings"])
    unknown |= any(row["state"] == "unknown" for row in made["exposures"])
    made["scan"] |= {"resources": len(made["resources"]) + 5, "scopes": list(SUBSCRIPTIONS)}
    made["scan"]["complete"] = not (made["gaps"] or unknown or set(views.values()) != {"full"})
    document = msgspec.convert(made, Document)
    document.not_applicable = {id: {"storage-plain-http": "no blobs"} for id in list(document.resources)[::2]}
    document.reasons = {id: {"storage-plain-http": ["0c4be1d7"]} for id in document.not_applicable}
    document.capacity = [
        *(QuotaRow(subscription=each, quota="cores", used=1, limit=1, state="full") for each in SUBSCRIPTIONS),
        *(
            ReservationRow(resource=f"{id.removesuffix(id[-3:])}crg/capacityReservations/one", subscription="s")
            for id in list(made["resources"])[:2]
        ),
        *(ReservationRow(resource=f"/subscriptions/{each}", subscription=each, why="403") for each in SUBSCRIPTIONS),
        *_spreads(tally_of(document)),
        *control_planes(document.coverage.types),
    ]
    return document


def _spreads(tally: Tally) -> Iterator[SpreadRow]:
    for rule, checks in tally.checks.items():
        single, spread, unknown = spread_counts(checks)
        yield SpreadRow(rule=rule, title=rule, over="zones", single=single, spread=spread, unknown=unknown)


def _finding(resource: str, status: str, gaps: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "rule": "storage-plain-http",
        "title": "t",
        "category": "transport",
        "status": status,
        "severity": "high",
    }
    made |= {"resource": resource, "endpoints": [], "message": "m", "evidence": [], "fix": None, "gaps": gaps}
    return made | {"fingerprint": f"{abs(hash((resource, status))) % 16**16:016x}"}


def numbers(document: Document) -> Counter[str]:
    """The numbers that must add up."""
    counts = count(document)
    result = Counter({f"severity {name}": number for name, number in counts.by_severity.items()})
    result.update({f"state {name}": number for name, number in counts.states.items()})
    result.update({f"status {name}": number for name, number in counts.statuses.items()})
    result.update({f"type {row.type}": row.resources for row in document.coverage.types})
    result.update({f"cell {cell.query}": cell.count for row in matrix(document.exposures) for cell in row})
    result.update(
        {"endpoints": counts.endpoints, "resources": document.scan.resources, "rows": len(document.resources)}
    )
    result["resources behind keys"] = sum(len(row.stores) for row in document.keys)
    for row in document.capacity:
        if isinstance(row, SpreadRow):
            result.update({f"spread {row.rule} {name}": getattr(row, name) for name in ("single", "spread", "unknown")})
        elif isinstance(row, ControlPlaneRow):
            result[f"plane {row.id}"] += row.resources or 0
        elif row.state != "unknown" or isinstance(row, QuotaRow) or "capacityReservations/" in row.resource:
            result[f"capacity {type(row).__name__} {row.state}"] += 1
    for framework in document.frameworks or ():
        for id, control in framework.tested.items():
            for status in ("failed", "waived", "inconclusive", "passed"):
                result[f"{framework.id} {id} {status}"] = getattr(control, status)
    result["public"], result["shared key"] = counts.public + counts.public_apps, counts.shared_key_only
    return +result


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(document=documents())
def test_the_parts_add_up_to_the_whole(way: str, document: Document) -> None:
    owned_documents = split(document, by(way))
    total: Counter[str] = sum((numbers(owned.document) for owned in owned_documents), Counter())
    assert total == numbers(document)
    assert {gap.url for owned in owned_documents for gap in owned.document.gaps} == {gap.url for gap in document.gaps}
    assert {id for owned in owned_documents for id in owned.document.reasons} == set(document.reasons)
    assert all(set(owned.document.reasons) <= set(owned.document.not_applicable) for owned in owned_documents)
    assert len(set(slugs_of(owned_documents).values())) == len(owned_documents)
    assert (owned_documents[-1].key, owned_documents[-1].label[:8]) == ("", "without ")


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(document=documents())
def test_capacity_is_in_the_part_that_it_belongs_to(way: str, document: Document) -> None:
    owned_documents = split(document, by(way))
    for owned in owned_documents:
        rows = owned.document.capacity
        quotas = {row.subscription for row in rows if isinstance(row, QuotaRow)}
        if way == "subscription":
            assert quotas <= {owned.key}
        else:
            assert not quotas or owned.key == "", "a quota is no group's, and no tag's"
        unread = {row.resource for row in rows if isinstance(row, ReservationRow) and row.why}
        seen = {f"/subscriptions/{subscription_of(id)}" for id in owned.document.resources}
        assert unread >= (seen if way != "tag:owner" else {f"/subscriptions/{each}" for each in SUBSCRIPTIONS})
        tally = tally_of(owned.document)
        assert [row for row in rows if isinstance(row, SpreadRow)] == list(_spreads(tally))
        planes = [row for row in rows if isinstance(row, ControlPlaneRow)]
        assert planes == list(control_planes(owned.document.coverage.types))


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(document=documents())
def test_controls_of_the_parts_add_up_to_those_of_the_whole(way: str, document: Document) -> None:
    rules = load(packages=False)
    document.rules = {id: rule_row(each) for id, each in questions(rules.enabled.values()).items()}
    document.frameworks = assessed(rules, tally_of(document), document.coverage, document.gaps)
    assert of_owner(document.frameworks, document) == document.frameworks, "a part that is the whole"
    owned_documents = [owned.document for owned in split(document, by(way))]
    assert sum(map(numbers, owned_documents), Counter[str]()) == numbers(document)
    for owned in owned_documents:
        for framework in owned.frameworks or ():
            assert sum(framework.states.values()) == framework.controls
            passed = {id: control for id, control in framework.tested.items() if control.state == "passed"}
            assert not any(each.failed or each.waived or each.inconclusive for each in passed.values())
            assert not passed or all(scope.view == "full" for scope in owned.coverage.scopes)


def test_a_list_that_was_not_read_passes_no_control_of_an_owner() -> None:
    rules, (own, other) = load(packages=False), SUBSCRIPTIONS
    made: dict[str, Any] = sample.document(0) | {"exposures": [], "findings": [], "not_applicable": {}, "gaps": []}
    made |= {"resources": {}, "passed": {}, "changes": None}
    id = f"/subscriptions/{own}/resourceGroups/rg/providers/{TYPE}/st"
    row = {"type": TYPE, "name": "st", "location": "norwayeast", "subscription": own, "resource_group": "rg"}
    made["resources"][id] = row | {"tags": {"owner": "a"}, "parent": None}
    made["passed"][id] = ["storage-plain-http"]
    scope = {"name": "prod", "tenant": "t", "view": "full"}
    made["coverage"] |= {"scopes": [scope | {"subscription": each} for each in (own, other)], "rules_off": []}

    def passed(document: Document) -> list[bool]:
        """Whether some control passed, in the whole and in the part of the owner."""
        document.rules = {id: rule_row(each) for id, each in questions(rules.enabled.values()).items()}
        document.frameworks = assessed(rules, tally_of(document), document.coverage, document.gaps)
        (owned,) = (each.document for each in split(document, by("tag:owner")) if each.key)
        whole = [*document.frameworks]
        return [any(each.states["passed"] for each in rows) for rows in (whole, owned.frameworks or ())]

    assert passed(msgspec.convert(made, Document)) == [True, True]
    listed = f"/subscriptions/{own}/providers/{TYPE}"
    made["findings"] = [_finding(f"/subscriptions/{own}", "unknown", [listed])]
    made["gaps"] = [{"url": listed, "status": 403, "code": "AuthorizationFailed", "action": "a/read", "rules": []}]
    assert passed(msgspec.convert(made, Document)) == [False, False]


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(document=documents())
def test_nothing_unread_is_clean_in_a_part(way: str, document: Document) -> None:
    rows = {id.lower() for id in document.resources}
    for owned in split(document, by(way)):
        made = owned.document
        there = {gap.url for gap in made.gaps}
        assert there >= {url for row in made.findings for url in row.gaps}
        seen = {scope.subscription for scope in made.coverage.scopes}
        for gap in document.gaps:
            above = gap.url.lower().removesuffix("/x")
            is_owner_unknown = way == "tag:owner" and not any(above.startswith(id) for id in rows)
            is_list = "/resourceGroups/" not in gap.url
            if gap.url == "/subscriptions" or (is_list and subscription_of(gap.url) in seen) or is_owner_unknown:
                assert gap.url in there
        _check_headline(owned)


def _check_headline(owned: OwnerDocument) -> None:
    made = owned.document
    counts = count(made)
    is_unread = made.gaps or counts.not_assessed or counts.inconclusive
    is_unread = is_unread or any(each.view != "full" for each in made.coverage.scopes)
    assert made.scan.complete is not bool(is_unread)
    stated = headline(counts, made.coverage.scopes, Words(), complete=made.scan.complete)
    assert bool(stated.missing) is bool(is_unread)


@pytest.mark.parametrize("suffix", [each.suffix for each in FORMATS])
def test_a_part_can_be_written_in_each_format(suffix: str) -> None:
    from scanner.output.writers import write

    document = msgspec.convert(sample.document(60), Document)
    for owned in split(document, by("resource-group")):
        out = io.BytesIO()
        write_document(owned.document, out) if suffix == ".json" else write(suffix, owned.document, out)
        assert out.getvalue() or (suffix == ".ocsf.jsonl" and not owned.document.findings)
        if suffix == ".json":
            assert decode_document(out.getvalue()).findings == owned.document.findings


def test_hostile_owners_get_safe_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    bodies = [{**account(f"st{at}"), "tags": {"owner": value}} for at, value in enumerate(HOSTILE)]
    snapshot(tmp_path / "taken.jsonl", *bodies, account("untagged"))
    ended = twolocks(
        "scan", "--from", "taken.jsonl", "--split", "tag:owner", "--out", "in/r.json", "--fail-on", "never"
    )
    assert ended.code in (0, 3), ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "taken.jsonl"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "in" / "r.index.csv").read_text("utf-8-sig"))))
    files = {path.name for path in (tmp_path / "in").iterdir()} - {"r.index.csv"}
    assert {row["files"] for row in rows} == files
    assert all(name.isascii() and len(name) < 80 and name.lower() == name for name in files)
    # Two spellings of one owner are one owner.
    assert len(rows) == len({value.casefold().strip() for value in HOSTILE}) + 2
    read = [json.loads((tmp_path / "in" / row["files"]).read_bytes()) for row in rows]
    assert sum(len(each["exposures"]) for each in read[:-1]) == len(read[-1]["exposures"])
    assert [row["name"] for row in read[-2]["resources"].values() if not row["parent"]] == ["untagged"]
    assert not any(row["owner"].startswith("=") for row in rows)


def test_an_input_is_never_replaced_by_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(tmp_path / "taken.jsonl", account("st"))
    words = ("--from", "taken.jsonl", "--split", "subscription", "--fail-on", "never")
    assert twolocks("scan", *words, "--out", "r.json").code in (0, 3)
    path = next(tmp_path.glob("r.prod-journal-*.json"))
    before = path.read_bytes()
    ended = twolocks("report", path, "--split", "subscription", "--out", "r.json")
    assert (ended.code, path.read_bytes()) == (2, before)
    assert "the file to read" in ended.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("scan --split owner --out r.html", "nothing to split by"),
        ("scan --split tag: --out r.html", "nothing to split by"),
        ("scan --split subscription --out -", "no file is set"),
        ("scan --split subscription --out r.html --out r.index.csv", "the index"),
        ("scan --from old.jsonl --split tag:owner --out r.html", "does not hold the tag"),
        ("report r.json --split tag:owner --out n.html", 'has the tag "owner"'),
    ],
)
def test_what_cannot_be_split_is_refused(
    words: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = kept_paths(load(packages=False))
    store = Store(Header(taken=TAKEN, scopes=[SUB], kept=kept.listed(), kept_tags=sorted(kept.tags)))
    store.scope(SUB, "prod-journal", "agency.example", "full")
    listed(store)
    with (tmp_path / "old.jsonl").open("wb") as file:
        store.into(file, tmp_path / "old.jsonl")
    with (tmp_path / "r.json").open("wb") as file:
        write_document(msgspec.convert(sample.document(20, hostile=False), Document), file)
    ended = twolocks(*words.split())
    assert (ended.code, text in ended.err) == (2, True), ended.err
    assert "hint:" in ended.err or "index" in text
