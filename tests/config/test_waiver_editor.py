"""`twolocks waive`: what it writes covers exactly what was accepted, as it was, and nothing that comes later."""

import json
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from scanner.config.waiver_editor import WaiverTerms, append_entries
from scanner.config.waiver_proposal import propose, read_findings
from scanner.config.waiver_reader import load
from scanner.document.writer import Writer
from scanner.evaluate.policy import Policy
from scanner.evaluate.run import Evaluation
from scanner.rulebook import loader
from scanner.snapshot import files as taken
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.sampled import is_all
from tests.terminals import STORAGE, SUB, TAKEN, account, files, listed, snapshot, twolocks

NOW = datetime.now(UTC).date()
LATER = (NOW + timedelta(days=90)).isoformat()
WORDS = ("--reason", "Closed in March", "--owner", "kari", "--expires", LATER)
ST = f"{STORAGE}/stjournal"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@lru_cache
def rules() -> loader.RuleSet:
    return loader.load(packages=False)


def containers(*names: str, public: bool = True, **properties: Any) -> Store:
    """An account whose named containers answer anybody."""
    made = Store(Header(taken=TAKEN, tool="twolocks test", principal="kari", scopes=[SUB]))
    made.scope(SUB, "prod-journal", "agency.example", "full")
    listed(made)
    body = {"allowBlobPublicAccess": True, "allowSharedKeyAccess": False, "minimumTlsVersion": "TLS1_2", **properties}
    made.resource(account("stjournal", **body), "2025-08-01", "list")
    for name in names:
        container = {"id": f"{ST}/blobServices/default/containers/{name}", "name": name}
        access = "Container" if public else "None"
        made.resource({**container, "properties": {"publicAccess": access}}, "2025-08-01", "list")
    made.read(f"{ST}/blobServices/default/containers", len(names))
    return made


def scanned(store: Store, *words: str) -> dict[str, Any]:
    """The findings of a scan, which also stand in findings.json."""
    store.write(Path("night.jsonl"))
    twolocks("scan", "--from", "night.jsonl", "--out", "findings.json", "--only", "storage-*", *words)
    result: dict[str, Any] = json.loads(Path("findings.json").read_text())
    return result


def accepted(*words: str) -> str:
    ended = twolocks("waive", *words)
    assert (ended.code, ended.out) == (0, ""), ended.err
    return ended.err


def exposure_of(document: dict[str, Any], endpoint: str) -> dict[str, Any]:
    return next(row for row in document["exposures"] if row["endpoint"] == endpoint)


def finding(document: dict[str, Any], rule: str, resource: str = ST) -> dict[str, Any]:
    return next(row for row in document["findings"] if row["rule"] == rule and row["resource"] == resource)


def states(document: dict[str, Any]) -> dict[str, str]:
    return {row["endpoint"]: row["state"] for row in document["exposures"] if row["state"] != "closed"}


WITH = ("--waivers", "waivers.toml")
NAMED = ("--config", "twolocks.toml")


# What is written


def test_an_endpoint_is_accepted_with_all_rules_that_fail_on_it_as_it_is() -> None:
    row = exposure_of(scanned(containers("scans")), "blob/scans")
    text = accepted(row["fingerprint"], "--in", "findings.json", *WORDS, "--ticket", "OPS-7")
    day = datetime.fromisoformat(LATER)
    assert text.splitlines() == [
        "Waived    stjournal: blob/scans, critical (anonymous x internet), until "
        f"{day.day} {day:%B %Y}; waivers.toml:1 and 1 more entry",
        "          If the severity rises, it counts again. Reports still show it, with the owner",
        "          Scan with it: twolocks scan --waivers waivers.toml",
    ]
    assert Path("waivers.toml").read_text() == (
        f"""[[waiver]]
rule = "storage-network-unrestricted"
resource = "{ST}"
endpoints = ["blob/scans"]
cell = "data/anonymous/internet"
severity = "critical"
reason = "Closed in March"
owner = "kari"
expires = {LATER}
ticket = "OPS-7"

[[waiver]]
rule = "storage-anonymous-blob-access"
resource = "{ST}/blobServices/default/containers/scans"
endpoints = ["blob/scans"]
cell = "data/anonymous/internet"
severity = "critical"
reason = "Closed in March"
owner = "kari"
expires = {LATER}
ticket = "OPS-7"
"""
    )
    again = scanned(containers("scans"), *WITH)
    assert exposure_of(again, "blob/scans")["state"] == "waived"
    assert exposure_of(again, "blob/scans")["waiver"] == {
        "reason": "Closed in March",
        "owner": "kari",
        "expires": LATER,
        "ticket": "OPS-7",
    }
    # Another endpoint of the same finding was not accepted, and stays.
    network = finding(again, "storage-network-unrestricted")
    assert (network["status"], "blob/scans" in network["endpoints"], "blob" in network["endpoints"]) == (
        ("fail", False, True)
    )
    assert "Accepted: blob/scans." in network["message"]


def test_an_endpoint_that_appears_later_is_not_covered() -> None:
    document = scanned(containers("scans"))
    for row in document["findings"]:
        if row["status"] == "fail":
            accepted(row["fingerprint"], "--in", "findings.json", *WORDS)
    assert "fail" not in {row["status"] for row in scanned(containers("scans"), *WITH)["findings"]}
    later = scanned(containers("scans", "export"), *WITH)
    unknown = {name: state for name, state in states(document).items() if state == "unknown"}
    assert states(later) == dict.fromkeys(states(document), "waived") | unknown | {"blob/export": "open"}
    network = finding(later, "storage-network-unrestricted")
    assert (network["status"], network["endpoints"]) == ("fail", ["blob/export"])


def test_an_endpoint_that_gets_worse_is_not_covered() -> None:
    narrow: dict[str, Any] = {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.7"}]}}
    row = exposure_of(scanned(containers("scans", **narrow)), "blob/scans")
    assert (row["severity"], row["reach"]) == ("high", "selected")
    accepted(row["fingerprint"], "--in", "findings.json", *WORDS)
    assert states(scanned(containers("scans", **narrow), *WITH))["blob/scans"] == "waived"
    wider = scanned(containers("scans"), *WITH)
    assert states(wider)["blob/scans"] == "open"
    assert any("is not covered" in note for note in wider["coverage"]["notes"])


def test_a_property_that_gets_worse_is_not_covered() -> None:
    document = scanned(containers(supportsHttpsTrafficOnly=False))
    row = finding(document, "storage-plain-http")
    accepted(row["fingerprint"], "--in", "findings.json", *WORDS)
    assert f'severity = "{row["severity"]}"' in Path("waivers.toml").read_text()
    assert finding(scanned(containers(supportsHttpsTrafficOnly=False), *WITH), "storage-plain-http")[
        "status"
    ] == "waived"  # fmt: skip
    Path("twolocks.toml").write_text('[severity.storage-plain-http]\nto = "critical"\nreason = "as we see it"\n')
    worse = finding(scanned(containers(supportsHttpsTrafficOnly=False), *WITH, *NAMED), "storage-plain-http")
    assert (worse["status"], worse["severity"]) == ("fail", "critical")


def test_what_stands_in_the_file_stays_as_it_is() -> None:
    row = exposure_of(scanned(containers("scans")), "blob/scans")
    before = (
        '# Agreed on 3 March.\r\n[[waiver]] # first\r\nrule="storage-plain-http"\r\nresource = "*/a"\r\n'
        f"reason = 'x'\r\nowner = 'y'\r\nexpires = {LATER} # soon\r\n\r\n# Reads that nobody grants\r\n[[gap]]\r\n"
        f"url = '*/x/y'\r\nreason = 'x'\r\nowner = 'y'\r\nexpires = {LATER} # last"
    )
    Path("waivers.toml").write_bytes(("\ufeff" + before).encode())
    Path("waivers.toml").chmod(0o640)
    text = accepted(row["fingerprint"][:6], "--in", "findings.json", *WORDS)
    after = Path("waivers.toml").read_bytes().decode()
    assert after.startswith("\ufeff" + before + "\r\n")
    assert "\n" not in after.replace("\r\n", "")
    line = int(re.findall(r"waivers\.toml:(\d+)", text)[0])
    assert after.splitlines()[line - 1] == "[[waiver]]"
    assert after.splitlines()[line - 2] == ""
    assert Path("waivers.toml").stat().st_mode & 0o777 == 0o640
    assert len(load(Path("waivers.toml"), rules()).waivers) == 3
    assert not [name for name in files() if name.endswith(".part")]


def test_a_finding_says_what_still_fails_beside_it() -> None:
    row = finding(scanned(containers("scans")), "storage-network-unrestricted")
    assert "storage-anonymous-blob-access still fails there" in accepted(
        row["fingerprint"], "--in", "findings.json", *WORDS
    )
    again = scanned(containers("scans"), *WITH)
    assert finding(again, "storage-network-unrestricted")["status"] == "waived"
    assert states(again)["blob/scans"] == "open"


def test_names_that_look_like_patterns_mean_themselves() -> None:
    container = f"{ST}/blobServices/default/containers/a*[1]?"
    made = containers()
    made.resource({"id": container, "name": "a*[1]?", "properties": {"publicAccess": "Blob"}}, "2025-08-01", "list")
    row = finding(scanned(made), "storage-anonymous-blob-access", container)
    accepted(row["fingerprint"], "--in", "findings.json", *WORDS)
    made = containers("ab1c", "axx[1]?")
    made.resource({"id": container, "name": "a*[1]?", "properties": {"publicAccess": "Blob"}}, "2025-08-01", "list")
    again = {row["resource"]: row["status"] for row in scanned(made, *WITH)["findings"] if "anonymous" in row["rule"]}
    assert again.pop(container) == "waived"
    assert set(again.values()) == {"fail"}


def test_the_waiver_file_of_the_settings_is_written_to() -> None:
    row = exposure_of(scanned(containers("scans")), "blob/scans")
    Path("sub").mkdir()
    Path("sub/night.toml").write_text('[scan]\nwaivers = "ours.toml"\n')
    text = accepted(row["fingerprint"], "--in", "findings.json", *WORDS, "--config", "sub/night.toml")
    assert "sub/ours.toml:1" in text
    assert "Scan with it" not in text
    assert len(load(Path("sub/ours.toml"), rules()).waivers) == 2


def test_an_expired_waiver_of_the_same_is_named() -> None:
    document = scanned(containers(supportsHttpsTrafficOnly=False))
    row = finding(document, "storage-plain-http")
    Path("waivers.toml").write_text(
        f'[[waiver]]\nrule = "storage-plain-http"\nresource = "{ST}"\nreason = "x"\nowner = "ola"\n'
        "expires = 2026-01-01\n"
    )
    lapsed = finding(scanned(containers(supportsHttpsTrafficOnly=False), *WITH), "storage-plain-http")
    assert lapsed["lapsed"]["owner"] == "ola"
    assert lapsed["message"].endswith("The waiver of ola expired on 2026-01-01.")
    assert "Expired and no longer needed: waivers.toml:1" in accepted(
        row["fingerprint"], "--in", "findings.json", *WORDS
    )


# For whatever the sample estate holds


@pytest.fixture(scope="module")
def estate(each_type_folder: Path) -> Path:
    return each_type_folder


def evaluated(folder: Path, file: Path) -> dict[str, Any]:
    evaluation = Evaluation(taken.read(folder / "snapshot.jsonl"), rules(), Policy(waivers=load(file, rules())))
    writer, out = Writer(), BytesIO()
    evaluation.run(writer)
    scan = evaluation.scan_row(started="", finished="", tool="test")
    writer.finish(out, scan, {}, evaluation.result.gaps, evaluation.coverage())
    writer.close()
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


@effort(max_examples=4 if is_all() else 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_exactly_the_findings_that_were_accepted_are_waived(data: st.DataObject, estate: Path) -> None:
    before = json.loads((estate / "findings.json").read_text())
    failed = {row["fingerprint"] for row in before["findings"] if row["status"] == "fail"}
    some = data.draw(st.lists(st.sampled_from(sorted(failed)), min_size=1, max_size=5, unique=True))
    Path("waivers.toml").unlink(missing_ok=True)
    for one in some:
        accepted(one, "--in", str(estate / "findings.json"), *WORDS)
    after = evaluated(estate, Path("waivers.toml"))
    assert {row["fingerprint"] for row in after["findings"] if row["status"] == "waived"} == set(some)
    assert {row["fingerprint"] for row in after["findings"] if row["status"] == "fail"} == failed - set(some)
    assert after["coverage"]["notes"] == []


@effort(max_examples=4 if is_all() else 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_exactly_the_endpoints_that_were_accepted_are_waived(data: st.DataObject, estate: Path) -> None:
    before = json.loads((estate / "findings.json").read_text())
    endpoints = {row["fingerprint"] for row in before["exposures"] if row["state"] == "open"}
    some = data.draw(st.lists(st.sampled_from(sorted(endpoints)), min_size=1, max_size=5, unique=True))
    Path("waivers.toml").unlink(missing_ok=True)
    for one in some:
        accepted(one, "--in", str(estate / "findings.json"), *WORDS)
    after = evaluated(estate, Path("waivers.toml"))
    assert {row["fingerprint"] for row in after["exposures"] if row["state"] == "waived"} == set(some)
    assert {row["fingerprint"] for row in after["exposures"] if row["state"] == "open"} == endpoints - set(some)
    assert after["coverage"]["notes"] == []


def test_everything_of_the_sample_estate_can_be_accepted(estate: Path) -> None:
    before = json.loads((estate / "findings.json").read_text())
    document = read_findings(estate / "findings.json", "")
    failed = [row for row in before["findings"] if row["status"] == "fail"]
    wanted = [row["fingerprint"] for row in failed if not row["endpoints"]]
    wanted += [row["fingerprint"] for row in before["exposures"] if row["state"] == "open"]
    entries = [entry for each in wanted for entry in propose(document, each, estate, NOW).entries]
    terms = WaiverTerms("Closed in March", "kari", date.fromisoformat(LATER))
    Path("waivers.toml").write_text(append_entries("", entries, terms, Path("waivers.toml")))
    after = evaluated(estate, Path("waivers.toml"))
    assert [row["rule"] for row in after["findings"] if row["status"] == "fail"] == []
    assert {row["state"] for row in after["exposures"]} == {"closed", "unknown", "waived"}
    assert sum(row["status"] == "waived" for row in after["findings"]) == len(failed)
    assert sum(row["status"] == "unknown" for row in after["findings"]) == sum(
        row["status"] == "unknown" for row in before["findings"]
    )


def test_every_check_of_the_sample_estate_that_no_read_explains_can_be_accepted_as_undecided(estate: Path) -> None:
    before = json.loads((estate / "findings.json").read_text())
    document = read_findings(estate / "findings.json", "")
    bare = [row for row in before["findings"] if row["status"] == "unknown" and not row["gaps"]]
    entries = [entry for row in bare for entry in propose(document, row["fingerprint"], estate, NOW).entries]
    assert len(bare) >= 10
    assert {entry.table for entry in entries} == {"gap"}
    terms = WaiverTerms("A preview", "kari", date.fromisoformat(LATER))
    Path("waivers.toml").write_text(append_entries("", entries, terms, Path("waivers.toml")))
    after = evaluated(estate, Path("waivers.toml"))
    marked = {row["fingerprint"] for row in after["findings"] if row["waiver"] is not None}
    assert marked == {row["fingerprint"] for row in bare}
    assert [row | {"waiver": None} for row in after["findings"]] == before["findings"]
    assert after["exposures"] == before["exposures"]
    assert after["coverage"]["notes"] == []


def test_a_port_of_a_machine_is_accepted_on_its_address(estate: Path) -> None:
    document = json.loads((estate / "findings.json").read_text())
    row = next(row for row in document["exposures"] if row["endpoint"].startswith("tcp/") and row["state"] == "open")
    accepted(row["fingerprint"], "--in", str(estate / "findings.json"), *WORDS)
    listed = {name for each in load(Path("waivers.toml"), rules()).waivers for name in each.endpoints}
    assert listed == {f"{row['endpoint']}@{row['address']}"}


# What is refused


def refused(*words: str) -> tuple[str, ...]:
    ended = twolocks("waive", *words)
    assert ended.code == 2
    assert ended.out == ""
    return tuple(ended.err.splitlines())


def test_what_is_missing_is_reported_at_once() -> None:
    assert refused("9b01c2", "--in", "f.json", "--owner", "kari")[:2] == (
        "error: waive requires --reason and --expires",
        "hint: --reason ... --expires ...; more: twolocks waive --help",
    )


@pytest.mark.parametrize(
    ("day", "what"),
    [
        ("2026-13-01", '"2026-13-01" is not a date'),
        ("soon", '"soon" is not a date'),
        ((NOW - timedelta(days=1)).isoformat(), f"{NOW - timedelta(days=1)} is in the past"),
        ((NOW + timedelta(days=370)).isoformat(), f"{NOW + timedelta(days=370)} is more than 365 days ahead"),
    ],
)
def test_a_day_that_is_none(day: str, what: str) -> None:
    reported = refused("9b01c2", "--in", "f.json", "--owner", "kari", "--reason", "x", "--expires", day)
    assert reported[:2] == (f"error: {what}", f"--> --expires {day}")
    assert re.fullmatch(r"hint: --expires \d{4}-\d\d-\d\d, at most a year ahead", reported[2])


def test_the_settings_say_how_far_ahead() -> None:
    Path("twolocks.toml").write_text("[waivers]\nmax-days = 30\n")
    reported = refused("9b01c2", *NAMED, "--in", "f.json", "--owner", "kari", "--reason", "x", "--expires", LATER)
    assert reported[0] == f"error: {LATER} is more than 30 days ahead"
    assert reported[2].endswith(", at most 30 days ahead")


def test_fingerprints_that_mean_nothing_or_too_much() -> None:
    document = scanned(containers("scans"))
    one = exposure_of(document, "blob/scans")["fingerprint"]
    assert refused(one[:5], "--in", "findings.json", *WORDS)[0] == f'error: "{one[:5]}" is too short for a fingerprint'
    wrong = one[:-1] + ("0" if one[-1] != "0" else "1")
    reported = refused(wrong, "--in", "findings.json", *WORDS)
    assert reported[0] == f'error: no finding or endpoint has the fingerprint "{wrong}"'
    assert reported[2].startswith(f"hint: nearest: {one}; ")
    document["findings"][0]["fingerprint"] = one[:-1] + "x"
    Path("findings.json").write_text(json.dumps(document))
    assert refused(one[:8], "--in", "findings.json", *WORDS)[0] == (f'error: "{one[:8]}" matches 2 fingerprints')
    assert not Path("waivers.toml").exists()


def test_what_is_waived_already() -> None:
    document = scanned(containers("scans"))
    one = exposure_of(document, "blob/scans")["fingerprint"]
    accepted(one, "--in", "findings.json", *WORDS)
    assert refused(one, "--in", "findings.json", *WORDS)[:3] == (
        "error: stjournal: blob/scans is already waived",
        "--> waivers.toml",
        "hint: scan again; these findings are older than the waiver",
    )
    scanned(containers("scans"), *WITH)
    assert refused(one, "--in", "findings.json", *WORDS)[0] == (
        f"error: stjournal: blob/scans is already waived, by kari until {LATER}"
    )


def test_what_is_intended_or_closed_has_nothing_to_accept() -> None:
    Path("twolocks.toml").write_text('[[intended]]\nresource = "*/stjournal"\nendpoint = "blob"\nreason = "Our site"\n')
    document = scanned(containers(), *NAMED)
    assert refused(exposure_of(document, "blob")["fingerprint"], "--in", "findings.json", *WORDS, *NAMED)[0] == (
        "error: stjournal: blob is intended: Our site; there is nothing to accept"
    )
    closed = next(row for row in document["exposures"] if row["state"] == "closed")
    assert "there is nothing to accept" in refused(closed["fingerprint"], "--in", "findings.json", *WORDS, *NAMED)[0]


def test_an_unknown_is_not_waived_and_its_gap_is_offered() -> None:
    url = f"{STORAGE}/stjournal/blobServices/default/containers"
    snapshot(Path("night.jsonl"), account("stjournal", allowBlobPublicAccess=True), gaps=(url,))
    twolocks("scan", "--from", "night.jsonl", "--out", "findings.json")
    document = json.loads(Path("findings.json").read_text())
    row = finding(document, "storage-anonymous-blob-access")
    assert row["status"] == "unknown"
    reported = refused(row["fingerprint"], "--in", "findings.json", *WORDS)
    assert reported[0].startswith("error: stjournal: storage-anonymous-blob-access is inconclusive: ")
    assert reported[2:6] == (
        "hint: grant the missing permission, or accept the gap by [[gap]] in the waiver file:",
        "  [[gap]]",
        f'  url = "{url}"',
        '  reason = ""',
    )
    entry = "\n".join(reported[3:8]).replace('""', '"x"')
    Path("waivers.toml").write_text(entry)
    assert len(load(Path("waivers.toml"), rules()).gaps) == 1


def test_an_unknown_that_no_read_explains_is_accepted_as_a_gap_by_its_rule() -> None:
    before = "# ours\n[[gap]]\nurl = '*/x/y'\nreason = 'r'\nowner = 'ola'\nexpires = 2026-01-01\n"
    document = scanned(containers("journal", minimumTlsVersion="TLS9"))
    row = next(each for each in document["findings"] if each["status"] == "unknown")
    assert row["gaps"] == []
    Path("waivers.toml").write_text(before)
    reported = accepted(row["fingerprint"], "--in", "findings.json", *WORDS, "--ticket", "OPS-7")
    assert reported.startswith(f"Accepted  stjournal: {row['rule']}, inconclusive, until ")
    assert "; waivers.toml:8\n" in reported
    text = Path("waivers.toml").read_text()
    assert text.startswith(before)
    assert text[len(before) :] == (
        f'\n[[gap]]\nrule = "{row["rule"]}"\nresource = "{ST}"\nreason = "Closed in March"\nowner = "kari"\n'
        f'expires = {LATER}\nticket = "OPS-7"\n'
    )
    again = scanned(containers("journal", minimumTlsVersion="TLS9"), "--waivers", "waivers.toml")
    (after,) = [each for each in again["findings"] if each["fingerprint"] == row["fingerprint"]]
    assert (after["status"], after["waiver"]["owner"]) == ("unknown", "kari")
    assert refused(row["fingerprint"], "--in", "findings.json", *WORDS)[0] == (
        f"error: stjournal: {row['rule']} is already accepted, by kari until {LATER}"
    )


def test_files_that_are_no_findings_or_no_waivers() -> None:
    words = ("9b01c2", *WORDS, "--in")
    assert refused(*words, "none.json")[0] == "error: none.json cannot be read: No such file or directory"
    Path("x.json").write_text("{")
    assert refused(*words, "x.json")[0].startswith("error: the file is not JSON: ")
    Path("x.json").write_text("[]")
    assert refused(*words, "x.json")[0].startswith("error: the file is not a findings file: ")
    snapshot(Path("night.jsonl"))
    assert refused(*words, "night.jsonl")[::2][:2] == (
        "error: this is a snapshot, not a findings file",
        "hint: evaluate it first: twolocks scan --from night.jsonl --out findings.json",
    )
    one = exposure_of(scanned(containers("scans")), "blob/scans")["fingerprint"]
    Path("waivers.toml").write_text('[[waiver]]\nexpiry = "x"\n')
    reported = refused(one, *WORDS, "--in", "findings.json")
    assert 'error: a waiver has no key "expiry"' in reported
    assert "hint: nearest: expires" in reported
    assert Path("waivers.toml").read_text() == '[[waiver]]\nexpiry = "x"\n'
    Path("waivers.toml").write_text(
        f'waiver = [{{ rule = "a-*", resource = "b", reason = "c", owner = "d", expires = {LATER} }}]'.replace(
            "a-*", "storage-plain-http"
        )
    )
    assert refused(one, *WORDS, "--in", "findings.json")[0].startswith("error: the waivers are an inline list")
    text = refused(one, *WORDS, "--in", "findings.json", "--waivers", "none/w.toml")[0]
    assert text.startswith("error: folder ")
    assert text.endswith(" does not exist")


@pytest.mark.parametrize("text", ["one\ntwo", "a\u202eb"])
def test_a_reason_is_one_line_of_text(text: str) -> None:
    reported = refused("9b01c2", "--in", "f.json", "--owner", "kari", "--expires", LATER, "--reason", text)
    assert reported[0] == "error: --reason must be one line of text"


def test_quotes_and_backslashes_in_a_reason_come_back() -> None:
    document = scanned(containers(supportsHttpsTrafficOnly=False))
    row = finding(document, "storage-plain-http")
    text = "C:\\new \"or\" '''old''' [[waiver]] # = ø"
    accepted(row["fingerprint"], "--in", "findings.json", *WORDS[2:], "--reason", text)
    again = finding(scanned(containers(supportsHttpsTrafficOnly=False), *WITH), "storage-plain-http")
    assert again["waiver"]["reason"] == text


def test_a_list_that_was_not_read_is_accepted_for_its_type_alone() -> None:
    made = Store(Header(taken=TAKEN, tool="twolocks test", principal="kari", scopes=[SUB]))
    made.scope(SUB, "prod-journal", "agency.example", "full")
    matches = [
        each for each in scanned(made, "--only", "no-delete-lock")["findings"] if each["rule"] == "no-delete-lock"
    ]
    ended = twolocks("waive", matches[0]["fingerprint"], "--in", "findings.json", *WORDS)
    assert ended.code == 0, ended.err
    (entry,) = tomllib.loads(Path("waivers.toml").read_text())["gap"]
    assert entry["rule"].startswith("no-delete-lock:Microsoft.")
    again = scanned(made, "--only", "no-delete-lock", "--waivers", "waivers.toml")["findings"]
    accepted = [each["fingerprint"] for each in again if each.get("waiver")]
    assert accepted == [matches[0]["fingerprint"]]
