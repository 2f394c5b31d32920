"""`scan --max-age`: reads that decide only low and info findings may be of an earlier scan, and verdicts say so."""

import copy
import csv
import json
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from msgspec.structs import replace

from scanner.collect.ages import may_age
from scanner.config.durations import longest_ages
from scanner.model.severity import Severity
from scanner.rulebook.loader import RuleSet, load, reads_of
from scanner.sandbox.served_estate import ResponseOverrides, RoleGrant
from scanner.sandbox.server import Sandbox, running, serve
from tests.azure.requests import ESTATE, S1, SUBSCRIPTIONS, child, resource
from tests.estate.parts import one_of_each_type
from tests.scan.answers import answers_in, file_in, make_older
from tests.terminals import Ended, twolocks

DAY = 86_400
HUB = resource("Microsoft.Devices/IotHubs", "hub", "rg-d", etag="1")
SETTING = child(HUB, "providers/Microsoft.Insights/diagnosticSettings/all", logs=[], eventHubName="x")
LOGS = f"{HUB['id']}/providers/Microsoft.Insights/diagnosticSettings"
BUDGETS = f"/subscriptions/{S1}/providers/Microsoft.Consumption/budgets"
AGED = ("--max-age", "low=7d")


class Lab:
    """Scans of a sandbox with a cache folder of their own."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.folder = folder

    def scan(self, *words: object, **env: str) -> Ended:
        self.box.requests.clear()
        self.box.arm.kept.clear()  # tests change the estate
        given = {**self.box.environment(), "XDG_CACHE_HOME": str(self.folder / "cache"), **env}
        ended = twolocks("scan", "--arm-endpoint", self.box.url, "--out", self.folder / "f.json", *words, env=given)
        assert ended.code in (0, 1, 2, 3), ended.err
        return ended

    @property
    def file(self) -> Path:
        return file_in(self.folder / "cache")

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "f.json").read_bytes()))

    @property
    def findings(self) -> list[dict[str, Any]]:
        return list(self.document["findings"])

    @property
    def aged(self) -> list[dict[str, Any]]:
        return [each for each in self.findings if "read_at" in each]

    def reads(self, path: str) -> int:
        """How often a path was read by the last scan."""
        return sum(each.path.partition("?")[0].lower() == path.lower() for each in self.box.requests)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with running(Sandbox([*ESTATE, HUB, SETTING], SUBSCRIPTIONS)) as served:
        yield Lab(served, tmp_path)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    made = load([], packages=False)
    made.select()
    return made


def without_age(finding: dict[str, Any]) -> dict[str, Any]:
    message = finding["message"].partition(" It was read by an earlier scan")[0]
    return {**{name: finding[name] for name in finding if name not in ("read_at", "texts")}, "message": message}


def test_the_next_scan_reads_less_and_finds_the_same(lab: Lab) -> None:
    lab.scan(*AGED)
    first, reads = lab.findings, len(lab.box.requests)
    assert (lab.reads(LOGS), lab.reads(BUDGETS), lab.aged) == (1, 1, [])
    ended = lab.scan(*AGED)
    assert (lab.reads(LOGS), lab.reads(BUDGETS)) == (0, 0)
    assert len(lab.box.requests) < reads
    assert [without_age(each) for each in lab.findings] == [without_age(each) for each in first]
    assert lab.aged
    assert "reads that decide only low or info findings are of earlier scans, the oldest of " in ended.err


def test_what_is_aged_says_so_and_is_low_or_info(lab: Lab) -> None:
    lab.scan(*AGED)
    make_older(lab.file, 2 * DAY)
    at = min(each.at for each in answers_in(lab.file))
    lab.scan(*AGED)
    assert {each["severity"] for each in lab.aged} <= {"low", "info"}
    for each in lab.aged:
        day, _, clock = each["read_at"].removesuffix("Z").partition("T")
        assert each["message"].endswith(f"It was read by an earlier scan, on {day} {clock} UTC.")
    assert len({each["read_at"] for each in lab.aged}) >= 1
    assert min(answer.at for answer in answers_in(lab.file)) == at, "they keep their age"


def test_every_format_says_the_age(lab: Lab) -> None:
    lab.scan(*AGED)
    paths = [lab.folder / f"out.{suffix}" for suffix in ("csv", "md", "sarif", "html", "junit.xml", "xlsx")]
    lab.scan(*AGED, *(word for path in paths for word in ("--out", path)))
    for path in paths:
        text = path.read_bytes()
        if path.suffix == ".csv":
            rows = csv.reader(text.decode("utf-8-sig").splitlines())
            assert any("an earlier scan" in " ".join(row) for row in rows)
        elif path.suffix == ".xlsx":
            text = b"".join(ZipFile(path).read(name) for name in ZipFile(path).namelist())
        assert b"earlier scan" in text, path.name


def test_a_snapshot_keeps_the_age(lab: Lab) -> None:
    lab.scan(*AGED)
    snapshot = lab.folder / "s.jsonl"
    lab.scan(*AGED, "--snapshot", snapshot)
    aged = lab.aged
    ended = twolocks("scan", "--from", snapshot, "--out", lab.folder / "f.json")
    assert ended.code in (0, 1, 3), ended.err
    assert lab.aged == aged


def test_an_answer_that_is_too_old_is_not_used(lab: Lab) -> None:
    lab.scan(*AGED)
    make_older(lab.file, 7 * DAY)
    lab.scan(*AGED)
    assert (lab.reads(LOGS), lab.reads(BUDGETS), lab.aged) == (1, 1, [])


def test_reads_are_not_all_due_at_once(lab: Lab) -> None:
    """Between half of the longest age and all of it, each read has a day of its own."""
    lab.scan(*AGED)
    counts = []
    for _ in range(7):
        make_older(lab.file, DAY)
        lab.scan(*AGED)
        counts.append(
            sum(
                each.path.lower().endswith(("diagnosticsettings", "budgets", "actionrules", "/settings"))
                for each in lab.box.requests
            )
        )
    assert counts[:3] == [counts[0]] * 3, "nothing that may age is read before half of its age"
    assert max(counts) > counts[0]


def change_body(lab: Lab) -> None:
    hub = lab.box.estate.nodes[HUB["id"].lower()]
    hub.json["properties"]["minTlsVersion"] = "1.2"


def change_etag(lab: Lab) -> None:
    hub = lab.box.estate.nodes[HUB["id"].lower()]
    hub.json["etag"] = "2"


def report_change(lab: Lab) -> None:
    lab.box.estate.changes.append((HUB["id"], "2099-01-01T00:00:00Z"))


@pytest.mark.parametrize("change", [change_body, change_etag, report_change])
def test_a_changed_parent_is_read_anew(lab: Lab, change: Callable[[Lab], None]) -> None:
    lab.scan(*AGED)
    change(lab)
    lab.scan(*AGED)
    assert (lab.reads(LOGS), lab.reads(BUDGETS)) == (1, 0)


def test_a_change_of_a_type_that_a_subscription_lists_is_read_anew(lab: Lab) -> None:
    lab.scan(*AGED)
    id = f"/subscriptions/{S1}/resourceGroups/g/providers/Microsoft.AlertsManagement/actionRules/x"
    lab.box.estate.changes.append((id, "2099-01-01T00:00:00Z"))
    lab.scan(*AGED)
    rules = f"/subscriptions/{S1}/providers/Microsoft.AlertsManagement/actionRules"
    assert (lab.reads(rules), lab.reads(LOGS)) == (1, 0)


def test_other_permissions_make_every_read(lab: Lab) -> None:
    lab.scan(*AGED)
    lab.box.estate.grants = (*lab.box.estate.grants, RoleGrant(actions=("Microsoft.Web/*",)))
    lab.scan(*AGED)
    assert lab.reads(LOGS) == 1


def test_a_right_that_is_not_known_keeps_no_answer(lab: Lab) -> None:
    lab.box.estate.overrides = ResponseOverrides(no_permissions=404)
    lab.scan(*AGED)
    assert answers_in(lab.file) == []
    lab.scan(*AGED)
    assert lab.reads(LOGS) == 1


def test_other_kept_paths_make_every_read(lab: Lab) -> None:
    lab.scan(*AGED)
    lab.scan(*AGED, "--keep-all")
    assert lab.reads(LOGS) == 1


def test_changes_that_cannot_be_asked_make_every_read(lab: Lab) -> None:
    lab.scan(*AGED, "--no-graph")
    ended = lab.scan(*AGED, "--no-graph")
    assert lab.reads(LOGS) == 1
    assert "it is not known what changed" in ended.err


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"by":"list"', b'"by":"get"', 1))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[0] + b"\n")


def share(path: Path) -> None:
    path.chmod(0o644)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [damage, cut, share, empty])
def test_a_file_that_may_be_somebody_elses_does_not_count(lab: Lab, harm: Callable[[Path], None]) -> None:
    lab.scan(*AGED)
    harm(lab.file)
    ended = lab.scan(*AGED)
    assert "the answers of the last scan do not count" in ended.err
    assert lab.reads(LOGS) == 1
    lab.scan(*AGED)
    assert lab.reads(LOGS) == 0, "the next scan has a file of its own again"
    assert stat.S_IMODE(lab.file.stat().st_mode) == 0o600


def test_a_link_is_not_followed(lab: Lab) -> None:
    lab.scan(*AGED)
    path, elsewhere = lab.file, lab.folder / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    ended = lab.scan(*AGED)
    assert "the answers of the last scan cannot be read" in ended.err
    assert lab.reads(LOGS) == 1


def test_without_the_option_nothing_is_kept_and_nothing_counts(lab: Lab) -> None:
    lab.scan(*AGED)
    before = lab.file.read_bytes()
    lab.scan()
    assert (lab.reads(LOGS), lab.aged) == (1, [])
    assert lab.file.read_bytes() == before


def test_secrets_are_not_kept(lab: Lab) -> None:
    name = "AccountKey=" + "k" * 86 + "=="
    setting = lab.box.estate.nodes[SETTING["id"].lower()]
    setting.json["properties"]["eventHubName"] = name
    lab.scan(*AGED, "--keep-all")
    assert name.encode() not in lab.file.read_bytes()


@pytest.mark.parametrize("text", ["7d", "medium=7d", "low=15d", "low=0d", "low=7", "low=7d;info=1d", "high=1h"])
def test_wrong_ages_end_with_2(lab: Lab, text: str) -> None:
    ended = lab.scan("--max-age", text)
    assert ended.code == 2
    assert "is not an age of low or info" in ended.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--from", "b"), "--from reads a file, so --max-age has no effect"),
        (("--parts", "p"), "--parts reads subscriptions as wholes, so it excludes --max-age"),
    ],
)
def test_options_that_exclude_it(lab: Lab, words: tuple[str, ...], text: str) -> None:
    ended = lab.scan(*AGED, *words)
    assert ended.code == 2
    assert text in ended.err


def test_ages_of_low_hold_for_info() -> None:
    assert longest_ages("low=2d", "") == {Severity.low: 2 * DAY, Severity.info: 2 * DAY}
    assert longest_ages("low=12h,info=7d", "") == {Severity.low: DAY / 2, Severity.info: 7 * DAY}
    assert longest_ages("info=1d", "") == {Severity.info: DAY}


# Which reads


def test_only_reads_that_decide_low_and_info_alone_may_age(rules: RuleSet) -> None:
    """By the rules themselves: whatever needs the read is a low or info finding, or a place."""
    least = rules.least_reads({})
    assert len(least) > 40
    for rule in rules.enabled.values():
        for read in reads_of(rule):
            if read in least:
                assert not rule.lock
                assert rule.keys is None
                assert rule.severity is not None
                assert rule.severity <= least[read] <= Severity.low
    assert not set(least) & set(rules.looked_up())


def test_a_severity_of_the_settings_counts(rules: RuleSet) -> None:
    read = next(read for read in rules.least_reads({}) if read.path.endswith("budgets"))
    user = next(rule for rule in rules.enabled.values() if read in reads_of(rule))
    assert read not in rules.least_reads({user.key: Severity.high})


def test_what_another_read_needs_does_not_age(rules: RuleSet) -> None:
    reads = rules.reads()
    for read in filter(lambda each: may_age(each, reads), reads):
        assert not any(other.parent is read or other.within is read for other in reads)
        assert not any(pair and pair[0] is read for other in reads for pair in (other.after, other.also_after))


def _other(value: Any, chance: random.Random) -> Any:
    """Return a value of the same type that may be another one."""
    if isinstance(value, dict):
        return {name: _other(each, chance) for name, each in value.items() if chance.random() > 0.05}
    if isinstance(value, list):
        return [_other(each, chance) for each in value if chance.random() > 0.2]
    if isinstance(value, bool):
        return value ^ (chance.random() < 0.5)
    return {"Enabled": "Disabled", "Disabled": "Enabled"}.get(value, value) if isinstance(value, str) else value


def test_only_verdicts_that_say_their_age_are_old(tmp_path: Path, rules: RuleSet) -> None:
    """Children change, and nothing in Azure shows it: no endpoint and nothing above low is another one than in a scan
    that makes every read.
    """
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, estate = random.Random(seed), one_of_each_type()
    with serve(replace(estate, resources=copy.deepcopy(list(estate.resources)))) as box:
        lab = Lab(box, tmp_path)
        lab.scan(*AGED)
        for node in box.estate.nodes.values():
            if not node.top and isinstance(node.json.get("properties"), dict):
                node.json["properties"] = _other(node.json["properties"], chance)
        lab.scan(*AGED)
        aged = lab.document
        lab.scan()
        fresh = lab.document
    for section in ("exposures", "keys", "capacity"):
        assert aged[section] == fresh[section]
    reads = rules.reads()
    least = {read for read in rules.least_reads({}) if may_age(read, reads)}
    old = {rule.id for rule in rules.enabled.values() if least & set(reads_of(rule))}
    sure = [[each for each in document["findings"] if each["rule"] not in old] for document in (aged, fresh)]
    assert sure[0] == sure[1]
    stated = [each for each in aged["findings"] if "read_at" in each]
    assert stated
    assert {each["rule"] for each in stated} <= old
