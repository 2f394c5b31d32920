"""Renamed and merged rules: fingerprints, histories, comparisons and waivers go on, through any number of old ids."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from scanner.document.schema import finding_fingerprint
from scanner.history import notified
from scanner.history.compare import EvaluatedBefore, compare
from scanner.history.documents import LISTS
from scanner.history.first_ids import FirstIds
from scanner.history.items import Changes, Item, ItemKey, ItemState, ScanRecord, top_of
from scanner.history.observation import Observation, ScanCoverage
from scanner.history.queries import diff, export, prune, show
from scanner.history.store import History
from tests.history.runs import SUB, item, scan, taken
from tests.history.test_documents import taken as snapshot
from tests.terminals import closed as account
from tests.terminals import twolocks

HTTP, TLS = "supportsHttpsTrafficOnly", "minimumTlsVersion"
ROW = """
[{id}]
title = "T"
pass_title = "P"
category = "transport"
severity = "medium"
check = {{ of = "storage.ACCOUNT", path = "properties.{path}", good = [true] }}
why = "w"
{more}
[{id}.fix]
az = "az version"
impact = "None."
"""
CHAIN = ["own-first", "own-second", "own-third", "own-fourth"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()


def row(id: str, path: str = HTTP, more: str = "") -> str:
    return ROW.format(id=id, path=path, more=more)


def rules(*rows: str) -> None:
    Path("mine/mine.toml").write_text("".join(rows))


def storage(name: str, **properties: Any) -> str:
    body = account("st")
    return snapshot(name, body | {"properties": body["properties"] | properties})


def scanned(file: str, *words: str, only: str = "own-*", out: str = "out.json") -> dict[str, Any]:
    history = ("--history", "h.db", "--rules", "mine", "--only", only, "--fail-on", "never")
    ended = twolocks("scan", "--from", file, *history, "--out", out, *words)
    assert ended.code in (0, 3), ended.err
    result: dict[str, Any] = json.loads(Path(out).read_text())
    return result


def moved(document: dict[str, Any]) -> dict[str, int]:
    """Return what changed, without what is open and was."""
    return {kind: count for kind, count in document["changes"]["counts"].items() if count and kind != "open"}


def of_chain(position: int, order: int) -> str:
    """The rule after so many renames. `order`: -1 where the author put the newest old id first."""
    return row(CHAIN[position], more=f"aliases = {CHAIN[:position][::order]}" if position else "")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("renames", [2, 3])
def test_a_rule_that_was_renamed_several_times_goes_on(renames: int, order: int) -> None:
    faulty, mended = storage("bad.jsonl", **{HTTP: False}), storage("good.jsonl", **{HTTP: True})
    rules(of_chain(0, order))
    first = scanned(faulty)
    assert first["changes"]["baseline"]
    for position in range(1, renames + 1):
        rules(of_chain(position, order))
        again = scanned(faulty, only=CHAIN[position - 1] if position % 2 else "own-*")
        assert moved(again) == {}
        (finding,) = again["findings"]
        assert (finding["rule"], finding["new"]) == (CHAIN[position], False)
        if order == 1:
            assert finding["fingerprint"] == first["findings"][0]["fingerprint"]
    assert moved(scanned(mended)) == {"fixed": 1}
    assert moved(scanned(faulty)) == {"reopened": 1}


def test_one_selection_by_any_id_of_a_rule_is_one_trend() -> None:
    file = storage("bad.jsonl", **{HTTP: False})
    for position, names in enumerate((CHAIN[:1], CHAIN[:2], CHAIN[:3])):
        rules(of_chain(position, 1))
        for name in names:
            document = scanned(file, only=name)
    assert len(document["changes"]["trend"]) == 6


@pytest.mark.parametrize("name", CHAIN[:3])
def test_settings_and_waivers_name_a_rule_by_any_id(name: str) -> None:
    file = storage("bad.jsonl", **{HTTP: False})
    rules(of_chain(2, 1))
    Path("own.toml").write_text(f'[severity.{name}]\nto = "low"\nreason = "r"\n')
    Path("waivers.toml").write_text(entry(name))
    document = scanned(file, "--config", "own.toml", "--waivers", "waivers.toml", only=name.upper())
    (finding,) = document["findings"]
    assert (finding["severity"], finding["status"]) == ("low", "waived")
    assert document["coverage"]["notes"] == []
    assert twolocks("rules", "show", name, "--rules", "mine").out.splitlines()[0].startswith("T (transport; medium)")
    ended = twolocks("scan", "--from", file, "--rules", "mine", "--only", "own-*", "--skip", name)
    assert (ended.code, "these options select no rule" in ended.err) == (2, True)


def test_two_severities_of_one_rule_are_refused() -> None:
    rules(of_chain(2, 1))
    Path("own.toml").write_text("".join(f'[severity.{id}]\nto = "low"\nreason = "r"\n' for id in CHAIN[1:3]))
    ended = twolocks("scan", "--from", storage("a.jsonl"), "--rules", "mine", "--config", "own.toml")
    assert ended.code == 2
    assert 'severity.own-third and severity.own-second are the same rule, now "own-third"' in ended.err
    assert "--> own.toml:4\nhint: remove one of them" in ended.err


def test_a_findings_file_of_an_old_id_can_be_waived_and_compared() -> None:
    file = storage("bad.jsonl", **{HTTP: False})
    rules(of_chain(0, 1))
    old = scanned(file, out="old.json")
    rules(of_chain(2, -1))
    scanned(file, out="new.json")
    for pair in (("old.json", "new.json"), ("new.json", "old.json"), ("old.json", "old.json"), ("old.json", file)):
        shown = json.loads(twolocks("diff", *pair, "--rules", "mine", "--format", "json").out)
        assert [each for name in ("new", "fixed", "changed", "unknown") for each in shown[name]] == []
    waive = ("--reason", "r", "--owner", "kari", "--expires", "2026-12-31", "--rules", "mine")
    ended = twolocks("waive", old["findings"][0]["fingerprint"], "--in", "old.json", *waive)
    assert ended.code == 0, ended.err
    assert scanned(file, "--waivers", "waivers.toml")["findings"][0]["status"] == "waived"


# Merged rules

SETTINGS = [{HTTP: not http, TLS: "TLS1_0" if tls else "TLS1_2"} for http, tls in ((1, 1), (1, 0), (0, 1))]
MERGED = '[[own-both.merged]]\nids = ["own-http"]\n[[own-both.merged]]\nids = ["own-old-tls", "own-tls"]\n'
TWO = (
    row("own-http"),
    row("own-tls", TLS, 'aliases = ["own-old-tls"]').replace("good = [true]", 'good = ["TLS1_2"], bad = ["TLS1_0"]'),
)


def both(path: str = HTTP, good: str = "[true]") -> str:
    """The rule that two became."""
    return row("own-both", path).replace("good = [true]", f"good = {good}") + MERGED


ALWAYS = ("allowBlobPublicAccess", "[false]")
"""A question that fails on the account."""


@pytest.mark.parametrize("properties", SETTINGS, ids=["both", "the first", "the second"])
def test_findings_of_merged_rules_are_neither_new_nor_fixed(properties: dict[str, Any]) -> None:
    bad = storage("bad.jsonl", allowBlobPublicAccess=True, **properties)
    rules(*TWO)
    before = scanned(bad)
    assert len(before["findings"]) == sum([properties[HTTP] is False, properties[TLS] == "TLS1_0"])
    rules(both(*ALWAYS))
    for _ in range(2):
        after = scanned(bad)
        assert moved(after) == {}
        (finding,) = after["findings"]
        assert (finding["rule"], finding["new"], finding["since"]) == ("own-both", False, before["scan"]["taken"])
    good = storage("good.jsonl", allowBlobPublicAccess=False, **properties)
    assert moved(scanned(good)) == {"fixed": 1}


def test_a_rule_that_was_renamed_after_it_was_merged_goes_on() -> None:
    file = storage("bad.jsonl", allowBlobPublicAccess=True, **SETTINGS[2])
    rules(*TWO)
    scanned(file)
    rules(both(*ALWAYS).replace("own-both", "own-all").replace('why = "w"', 'why = "w"\naliases = ["own-both"]'))
    assert moved(scanned(file)) == {}
    assert moved(scanned(file)) == {}


@pytest.mark.parametrize(
    ("waived", "status"),
    [
        (("own-http",), "fail"),
        (("own-tls",), "fail"),
        (("own-http", "own-old-tls"), "waived"),
        (("own-h*", "own-tls"), "waived"),
        (("own-both",), "waived"),
        (("own-*",), "waived"),
        (("category:transport",), "waived"),
    ],
)
def test_a_waiver_of_a_part_accepts_only_that_part(waived: tuple[str, ...], status: str) -> None:
    """What another part found would be accepted, though nobody has reviewed it."""
    file = storage("bad.jsonl", allowBlobPublicAccess=True)
    rules(both(*ALWAYS))
    Path("waivers.toml").write_text("".join(map(entry, waived)))
    document = scanned(file, "--waivers", "waivers.toml")
    assert [each["status"] for each in document["findings"]] == [status]
    notes = [
        f"waivers.toml:1: {id} on st is not covered: that rule is now a part of own-both; name own-both"
        for id in waived
    ]
    assert document["coverage"]["notes"] == (notes if status == "fail" else [])


def entry(rule: str, expires: str = "2026-12-31") -> str:
    return f"[[waiver]]\nrule = '{rule}'\nresource = '*/st'\nreason = 'r'\nowner = '{rule}'\nexpires = {expires}\n"


def test_waivers_of_all_parts_end_with_the_first_of_them() -> None:
    file = storage("bad.jsonl", allowBlobPublicAccess=True)
    rules(both(*ALWAYS))
    Path("waivers.toml").write_text(entry("own-http", "2026-12-30") + entry("own-tls"))
    (finding,) = scanned(file, "--waivers", "waivers.toml")["findings"]
    assert (finding["waiver"]["owner"], finding["waiver"]["expires"]) == ("own-http", "2026-12-30")


@pytest.mark.parametrize(
    ("type", "status"), [("Microsoft.Storage/storageAccounts", "fail"), ("Microsoft.Sql/servers", "waived")]
)
def test_a_part_counts_where_its_types_are(type: str, status: str) -> None:
    file = storage("bad.jsonl", allowBlobPublicAccess=True)
    rules(both(*ALWAYS).replace('ids = ["own-http"]', f'ids = ["own-http"]\ntypes = ["{type.upper()}"]'))
    Path("waivers.toml").write_text(entry("own-tls"))
    (finding,) = scanned(file, "--waivers", "waivers.toml")["findings"]
    assert finding["status"] == status


def test_a_rule_is_skipped_where_all_its_parts_are() -> None:
    file = storage("bad.jsonl", allowBlobPublicAccess=True)
    rules(both(*ALWAYS), row("own-other"))
    assert len(scanned(file, "--skip", "own-http")["findings"]) == 1
    assert scanned(file, "--skip", "own-http", "--skip", "own-tls")["findings"] == []
    assert len(scanned(file, only="own-tls")["findings"]) == 1


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        ({"own-http": "low"}, "medium"),
        ({"own-http": "high"}, "high"),
        ({"own-http": "low", "own-tls": "info"}, "low"),
        ({"own-http": "high", "own-both": "info"}, "info"),
    ],
)
def test_a_severity_of_a_part_lowers_no_other_part(given: dict[str, str], severity: str) -> None:
    rules(both(*ALWAYS))
    Path("own.toml").write_text("".join(f'[severity.{id}]\nto = "{to}"\nreason = "r"\n' for id, to in given.items()))
    (finding,) = scanned(storage("bad.jsonl", allowBlobPublicAccess=True), "--config", "own.toml")["findings"]
    assert finding["severity"] == severity


def test_a_finding_of_a_part_is_not_waived_from_an_old_file() -> None:
    file = storage("bad.jsonl", allowBlobPublicAccess=True, **SETTINGS[0])
    rules(*TWO)
    old = scanned(file, out="old.json")
    rules(both(*ALWAYS))
    waive = ("--reason", "r", "--owner", "kari", "--expires", "2026-12-31", "--rules", "mine", "--in", "old.json")
    ended = twolocks("waive", old["findings"][0]["fingerprint"], *waive)
    assert ended.code == 2
    assert 'is now a part of "own-both"\nhint: scan again; a new findings file has the new id' in ended.err
    shown = json.loads(twolocks("diff", "old.json", file, "--rules", "mine", "--format", "json").out)
    assert [each for name in ("new", "fixed", "changed", "unknown") for each in shown[name]] == []


# What happened to two items, as what happened to one

NOW = FirstIds(dict.fromkeys(("a", "b", "c"), "a"))
RESOURCE = item(1).resource
ORDER = ["fixed", "accepted", "open"]


def found(rule: str, number: int, state: ItemState = "open", severity: str = "high") -> Item:
    made = item(1, number, rule=rule, severity=severity)
    return replace(made, fingerprint=finding_fingerprint(rule, made.resource), state=state)


def record(history: History, number: int, *items: Item) -> list[tuple[str, str]]:
    """Write a scan that saw these items, and return what changed. Those that it calls fixed, it does not see."""

    def compared(known: Mapping[ItemKey, Item], before: EvaluatedBefore, last: ScanRecord | None) -> Changes:
        observation = Observation(known, taken(number), history.first_ids)
        observation.items = {each.key: each for each in items if each.state != "fixed"}
        observation._present = {top_of(each.resource) for each in known.values()}
        return compare(known, observation, ScanCoverage({SUB}, {"a", "b"}, set()), before)

    words = frozenset(map(history.first_ids, "ab"))
    changes = history.record(replace(scan(number), rules_and_types=words), compared)
    return [(each.kind.value, each.item.severity) for each in changes.changed]


PAIRS: list[tuple[ItemState, ItemState]] = [("open", "fixed"), ("open", "accepted")]


@pytest.mark.parametrize("runs", sorted({each for pair in PAIRS for each in product(pair, repeat=4)}), ids="-".join)
def test_a_merged_item_is_open_while_one_of_its_parts_is(runs: tuple[ItemState, ...], file: Path) -> None:
    """Two items, each in two scans, in every order of states. What is shown of these scans stays the same."""
    states: dict[str, ItemState] = {}
    was_open = []
    with History.open(str(file)) as history:
        for number, pair in ((1, runs[:2]), (2, runs[2:])):
            record(history, number, *(found(rule, number, state) for rule, state in zip("ab", pair, strict=True)))
            states |= {
                rule: state for rule, state in zip("ab", pair, strict=True) if state != "fixed" or rule in states
            }
            was_open.append(bool(show(history, str(number)).open))
        assert was_open == ["open" in runs[:2], "open" in runs[2:]]
    with History.open(str(file), first_ids=NOW) as history:
        first = history.known({SUB})
        assert [each.state for each in first.values()] == sorted(states.values(), key=ORDER.index)[-1:]
        assert record(history, 3, *(found("a", 3, each.state) for each in first.values())) == []
        assert history.known({SUB}).keys() == first.keys()
        assert [bool(show(history, str(number)).open) for number in (1, 2)] == was_open
        stored = list(export(history))
    assert len([each for each in stored if "items" in each]) == bool(states)
    assert {each["events"]["item"] for each in stored if "events" in each} == (
        {each["items"]["number"] for each in stored if "items" in each}
    )


def test_the_more_severe_part_is_the_severity_of_a_merged_item(url: str) -> None:
    with History.open(url) as history:
        record(history, 1, found("a", 1, severity="low"), found("b", 1, severity="high"))
        record(history, 2, found("a", 2, severity="low"))
        record(history, 3, found("a", 3, severity="low"), found("b", 3, severity="medium"))
    with History.open(url, first_ids=NOW) as history:
        record(history, 4, found("a", 4, severity="medium"))
        changes = [
            [(each.kind.value, each.item.severity) for each in show(history, str(number)).changes]
            for number in (1, 2, 3, 4)
        ]
        assert changes == [[("first-looked", "high")], [("better", "low")], [("worse", "medium")], []]
        (known,) = history.known({SUB}).values()
        assert (known.since, known.seen, known.state) == (taken(1), taken(4), "open")
        (change,) = diff(history, "1", "4")[2].changes
        assert (change.kind.value, change.was and change.was.severity) == ("better", "high")
        assert prune(history, taken(9)).items == 0


def test_what_was_reported_of_a_part_is_reported_once_more_at_most(url: str) -> None:
    with History.open(url) as history:
        record(history, 1)
        notified.start(history, ["ops", "mail"], "all")
        record(history, 2, found("a", 2), found("b", 2))
        for name, rules in (("ops", "ab"), ("mail", "b")):
            keys = [found(rule, 2).key for rule in rules]
            notified.mark_reported(history, name, "all", scan(2).id, keys, in_part=True)
    with History.open(url, first_ids=NOW) as history:
        record(history, 3, found("a", 3))
        missed = {
            name: len(notified.reported(history, name, "all", scan(3).id, {SUB}).missed) for name in ("ops", "mail")
        }
    assert missed == {"ops": 0, "mail": 1}


def test_a_renamed_item_keeps_its_number(url: str) -> None:
    with History.open(url) as history:
        record(history, 1, found("b", 1))
        numbers = _numbers(history)
    with History.open(url, first_ids=NOW) as history:
        record(history, 2, found("a", 2))
        assert _numbers(history) == numbers
        assert list(history.known({SUB})) == [("finding", finding_fingerprint("a", RESOURCE))]
        assert history.evaluated_before()(RESOURCE, "a")


def _numbers(history: History) -> list[int]:
    with history.reading() as connection:
        return list(connection.execute(text("SELECT number FROM items ORDER BY number")).scalars())


ASKED = row("own-all").replace('of = "storage.ACCOUNT", ', "").replace('"T"', '"{product} T"')
OF_MANY = '[own-all.types]\n"storage.ACCOUNT" = { was = ["own-http"] }\n"keyvault.VAULT" = { was = ["own-vault"] }\n'


def test_a_rule_that_became_one_on_many_types_goes_on() -> None:
    file = storage("bad.jsonl", **{HTTP: False})
    rules(row("own-http"))
    old = scanned(file, out="old.json")
    rules(ASKED + OF_MANY)
    again = scanned(file, out="new.json")
    (before,), (after,) = old["findings"], again["findings"]
    assert (after["rule"], after["title"]) == ("own-all", "Storage account T")
    assert (after["new"], after["since"], after["fingerprint"]) == (False, before["since"], before["fingerprint"])
    assert moved(again) == {}
    compared = json.loads(twolocks("diff", "old.json", "new.json", "--rules", "mine", "--format", "json").out)
    assert (compared["same"], [name for name, rows in compared.items() if name in LISTS and rows]) == (1, [])
    assert moved(scanned(storage("good.jsonl", **{HTTP: True}))) == {"fixed": 1}
    renamed = (ASKED + OF_MANY).replace("own-all", "own-any").replace('why = "w"', 'why = "w"\naliases = ["own-all"]')
    rules(renamed)
    assert moved(scanned(file)) == {"reopened": 1}


@pytest.mark.parametrize(
    ("name", "status", "severity"),
    [("own-http", "waived", "low"), ("own-vault", "fail", "medium"), ("own-all", "waived", "low")],
)
def test_an_old_id_of_another_type_accepts_and_lowers_nothing(name: str, status: str, severity: str) -> None:
    file = storage("bad.jsonl", **{HTTP: False})
    rules(ASKED + OF_MANY)
    Path("own.toml").write_text(f'[severity.{name}]\nto = "low"\nreason = "r"\n')
    Path("waivers.toml").write_text(entry(name))
    (finding,) = scanned(file, "--config", "own.toml", "--waivers", "waivers.toml")["findings"]
    assert (finding["status"], finding["severity"]) == (status, severity)
    shown = twolocks("rules", "show", name, "--rules", "mine").out
    assert ("Resource" if name == "own-all" else "T (transport") in shown


def test_a_type_of_a_rule_that_was_off_is_first_evaluated_and_not_new() -> None:
    file = storage("bad.jsonl", **{HTTP: False})
    rules(ASKED + OF_MANY + row("own-other", "allowBlobPublicAccess"))
    off = scanned(file, "--skip", "own-all:Microsoft.Storage/storageAccounts")
    assert "own-all:Microsoft.Storage/storageAccounts" in off["coverage"]["rules_off"]
    on = scanned(file)
    assert {each["rule"]: each["new"] for each in on["findings"]}["own-all"] is False


MANY = """
[my-switch]
title = "{product} is on"
pass_title = "Off"
category = "transport"
severity = "medium"
check = { path = "properties.supportsHttpsTrafficOnly", good = [true], bad = [false] }
why = "w"
fix = { steps = ["s"], impact = "i" }
types = ["storage.ACCOUNT", "keyvault.VAULT"]
"""


def test_a_severity_of_one_type_comes_before_that_of_all() -> None:
    rules(MANY)
    file = storage("bad.jsonl", **{HTTP: False})

    def severity(*names: str) -> str:
        text = "".join(f'[severity."{id}"]\nto = "{to}"\nreason = "r"\n' for id, to in (each.split() for each in names))
        Path("own.toml").write_text(text)
        document = scanned(file, "--config", "own.toml", only="my-switch")["findings"]
        return str(next(each["severity"] for each in document if each["status"] == "fail"))

    account = "my-switch:microsoft.storage/storageAccounts"
    assert severity(f"{account} low") == "low"
    assert severity(f"{account} low", "my-switch high") == severity("my-switch high", f"{account} low") == "low"
    assert severity("my-switch:Microsoft.KeyVault/vaults low") == "medium"
    assert severity("my-switch:Microsoft.KeyVault/vaults low", "my-switch high") == "high"


@pytest.mark.parametrize(
    "name", ["my-switch:Microsoft.Sql/servers", "storage-plain-http:Microsoft.Storage/storageAccounts"]
)
def test_a_severity_of_a_type_that_the_rule_does_not_ask_is_refused(name: str) -> None:
    rules(MANY)
    Path("own.toml").write_text(f'[severity."{name}"]\nto = "low"\nreason = "r"\n')
    ended = twolocks("scan", "--from", storage("a.jsonl"), "--rules", "mine", "--config", "own.toml")
    assert (ended.code, f'unknown rule "{name}"' in ended.err) == (2, True)
