"""Scans of a part: `--exclude`, `--from` with a scope, and filters. What is left has the verdicts of a whole scan."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scanner.model.ids import group_of
from scanner.rulebook.loader import load
from scanner.sandbox.served_estate import RoleGrant
from scanner.sandbox.server import Sandbox, running, serve
from tests.cli.test_access_check import PROD, TEST, estate, group
from tests.estate.parts import one_of_each_type
from tests.history.changing_estate import container, public, scheduled_run, storage
from tests.sampled import is_all
from tests.terminals import STORAGE, SUB, Ended, twolocks

Json = dict[str, Any]
Verdicts = dict[tuple[str, ...], str]


def scan(box: Sandbox, *words: object, **more: Any) -> Ended:
    return twolocks("scan", "--fail-on", "never", *words, env=box.environment(), **more)


def document(ended: Ended) -> Json:
    assert ended.out, ended.err
    result: Json = msgspec.json.decode(ended.out)
    return result


ESTATE = one_of_each_type()


class Whole:
    """A scan of a whole estate, and its snapshot."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box, self.snapshot = box, folder / "snapshot.jsonl"
        self.document: Json = msgspec.json.decode((folder / "findings.json").read_bytes())
        self.verdicts = verdicts(self.document)

    def live(self, *words: str) -> Json:
        return document(scan(self.box, "--format", "json", *words))

    def later(self, *words: str) -> Json:
        ended = twolocks("scan", "--fail-on", "never", "--format", "json", "--from", self.snapshot, *words)
        return document(ended)

    def differing(self, narrowed: Json, *scopes: str, inside: bool) -> Verdicts:
        """Return the verdicts of a scan of a part that are not those of the whole scan.

        Who has a host name is looked up in everything that was read: in a part, more of it is inconclusive.
        """

        def is_inside(id: str) -> bool:
            return any(f"{id}/".startswith(f"{scope.lower()}/") for scope in scopes) == inside

        wanted, result = {key: each for key, each in self.verdicts.items() if is_inside(key[1])}, verdicts(narrowed)
        assert wanted
        differing = {key: result.get(key, "none") for key in wanted | result if wanted.get(key) != result.get(key)}
        return {key: now for key, now in differing.items() if key[-1] not in NAMES or '["unknown"' not in now}

    def knows_fewer_users(self, key: tuple[str, ...], now: str) -> bool:
        """Return whether a check on a key is inconclusive or names fewer resources, because others may use the key."""
        of_users = "users of keys" in RULES[key[-1]].looks_up if key[0] == "check" else False
        was = self.verdicts.get(key, "")
        # What is bound to an older version, which is not read, may be what the scan does not see.
        is_less = (was.startswith('["fail"') and now.startswith('["fail"')) or "bound to an older version" in was
        return of_users and ('["unknown"' in now or is_less)

    def unexplained(self, differing: Verdicts) -> Verdicts:
        """Return the verdicts that differ, without those that what was not read decides."""
        return {key: now for key, now in differing.items() if not self.knows_fewer_users(key, now)}


def verdicts(result: Json) -> Verdicts:
    """Return every verdict of a document as text, by what it is about (ids in lower case)."""
    rows: dict[tuple[str, ...], Any] = {}
    lock = ("reach", "authentication", "severity", "worst", "state", "may", "reason", "evidence", "hops")
    for each in result["exposures"]:
        rows["exposure", each["resource"].lower(), each["endpoint"], each["address"]] = [each[name] for name in lock]
    for each in result["findings"]:
        stated = [each[name] for name in ("status", "severity", "message", "evidence")]
        rows["check", each["resource"].lower(), each["rule"]] = stated
    for id, rules in result["passed"].items():
        rows |= {("check", id.lower(), rule): "passed" for rule in rules}
    for id, why in result["not_applicable"].items():
        rows |= {("check", id.lower(), rule): f"not applicable: {reason}" for rule, reason in why.items()}
    return {key: json.dumps(each, sort_keys=True) for key, each in rows.items()}


@pytest.fixture(scope="module")
def whole(each_type_folder: Path) -> Iterator[Whole]:
    with serve(ESTATE) as box:
        yield Whole(box, each_type_folder)


HIDDEN = "rg-test-sandkasse"
GROUPS = sorted({group_of(each["id"]).lower() for each in ESTATE.resources} - {HIDDEN, ""})
RULES = load(packages=False).rules
NAMES = ("dns-record-dangling", "traffic-manager-target-missing")
SOME = ("rg-nettverk", "rg-maskiner", "rg-test-data")


def scope(name: str) -> str:
    return group(name, TEST if name.startswith("rg-test") else PROD)


def excluded(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the options that exclude resource groups, and their places."""
    return [word for name in names for word in ("--exclude", f"group:{name}")], sorted(map(scope, names))


@pytest.mark.parametrize("names", [GROUPS[::2], GROUPS[1::2], *([[name] for name in GROUPS] if is_all() else [])])
def test_excluding_groups_changes_no_other_verdict(whole: Whole, names: list[str]) -> None:
    """Every other group, then the others: each group is left out once, and read once without half of the rest."""
    words, scopes = excluded(names)
    result = whole.live(*words)
    differing = whole.differing(result, *scopes, inside=False)
    assert whole.unexplained(differing) == {}
    assert sorted(each["scope"].lower() for each in result["scan"]["excluded"]) == [each.lower() for each in scopes]


def test_a_snapshot_without_groups_has_the_same_verdicts(whole: Whole) -> None:
    words, scopes = excluded(list(SOME))
    result = whole.later(*words)
    assert whole.differing(result, *scopes, inside=False) == {}
    assert sorted(each["scope"].lower() for each in result["scan"]["excluded"]) == [each.lower() for each in scopes]


@pytest.mark.parametrize("name", SOME)
def test_a_group_of_a_snapshot_has_the_same_verdicts(whole: Whole, name: str) -> None:
    assert whole.differing(whole.later("--resource-group", name), scope(name), inside=True) == {}


@pytest.mark.parametrize("name", SOME)
def test_a_live_scan_of_a_group_has_the_same_verdicts(whole: Whole, name: str) -> None:
    """Networks in other groups were not read: 372 verdicts of rg-maskiner were inconclusive or missing."""
    differing = whole.differing(whole.live("--resource-group", name), scope(name), inside=True)
    assert whole.unexplained(differing) == {}


@pytest.mark.parametrize("kept", [PROD, TEST])
def test_a_subscription_alone_has_the_same_verdicts(whole: Whole, kept: str) -> None:
    left = TEST if kept == PROD else PROD
    scans = [whole.live("--exclude", f"sub:{left}"), whole.later("--exclude", f"sub:{left}"), whole.later("-s", kept)]
    for narrowed in scans:
        differing = whole.differing(narrowed, f"/subscriptions/{kept}", inside=True)
        assert whole.unexplained(differing) == {}
        assert (narrowed["scan"]["scopes"], [each["subscription"] for each in narrowed["coverage"]["scopes"]]) == (
            [kept],
            [kept],
        )


def test_a_resource_of_a_snapshot_has_the_same_verdicts(whole: Whole) -> None:
    ids = [each["resource"] for each in whole.document["exposures"]]
    for id in (
        next(each for each in ids if word in each) for word in ("virtualMachines", "storageAccounts", "servers")
    ):
        assert whole.differing(whole.later("--resource", id), id, inside=True) == {}


def tagged_estate() -> list[Json]:
    bodies = [*storage(public("stprod"), container("a", above=f"{STORAGE}/stprod/blobServices/default/containers"))]
    bodies += storage(public("stannen"), container("a", above=f"{STORAGE}/stannen/blobServices/default/containers"))
    bodies[0]["tags"] = {"Env": "prod"}
    return bodies


def test_a_snapshot_is_narrowed_by_a_tag(tmp_path: Path) -> None:
    snapshot = tmp_path / "s.jsonl"
    scheduled_run(tagged_estate(), str(tmp_path / "h.db"), tmp_path, "--snapshot", str(snapshot), "--keep-all")
    result = document(twolocks("scan", "--from", snapshot, "--tag", "env=prod", "--format", "json"))
    assert {each["resource"].split("/")[8] for each in result["exposures"]} == {"stprod"}
    absent = twolocks("scan", "--from", snapshot, "--tag", "env=test")
    assert (absent.code, absent.last[-3:-1]) == (
        2, ["error: no resource of the snapshot has the tag env=test", "--> --tag env=test"]
    )  # fmt: skip


def test_a_snapshot_without_the_tag_is_an_error(whole: Whole) -> None:
    ended = twolocks("scan", "--from", whole.snapshot, "--tag", "env=prod")
    assert (ended.code, ended.last[-4]) == (2, "error: the snapshot does not hold this tag")


# Names


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--exclude", "rg-kart"), 'error: "rg-kart" is not an exclusion; nothing was read'),
        (("--exclude", "group:/rg-kart"), 'error: "group:/rg-kart" is not an exclusion; nothing was read'),
        (("--exclude", "sub:"), 'error: "sub:" is not an exclusion; nothing was read'),
        (("--exclude", "sub:prod-journl"), 'error: subscription "prod-journl" is not one that this login can see'),
        (
            ("--exclude", "group:prod-journal/rg-karl"),
            'error: resource group "rg-karl" does not exist in the subscription',
        ),
    ],
)
def test_a_name_that_does_not_exist_is_an_error(whole: Whole, words: tuple[str, ...], text: str) -> None:
    ended = scan(whole.box, *words)
    assert (ended.code, ended.last[-4], ended.last[-3]) == (2, text, f"--> {' '.join(words)}")
    assert "nearest: " in ended.last[-2] or ended.last[-2].startswith("hint: write sub:")


def test_what_a_snapshot_lacks_is_an_error(whole: Whole) -> None:
    absent = {
        ("--exclude", "sub:prod-journl"): ('subscription "prod-journl"', "prod-journal"),
        ("-s", "prod-journl"): ('subscription "prod-journl"', "prod-journal"),
        ("--exclude", "group:rg-karl"): ('resource group "rg-karl"', "rg-kart"),
        ("--resource-group", "rg-karl"): ('resource group "rg-karl"', "rg-kart"),
    }
    for words, (text, near) in absent.items():
        ended = twolocks("scan", "--from", whole.snapshot, *words)
        assert (ended.code, ended.last[-4]) == (2, f"error: {text} is not in the snapshot")
        assert ended.last[-2].startswith("hint: nearest: ")
        assert near in ended.last[-2]


def test_nothing_left_to_scan_is_an_error(whole: Whole) -> None:
    words = ("--exclude", f"sub:{PROD}", "--exclude", "sub:test-journal")
    assert scan(whole.box, *words).last[-3] == "error: --exclude leaves out every subscription"
    assert twolocks("scan", "--from", whole.snapshot, *words).code == 2
    one = ("--resource", f"{group('rg-kart')}/providers/Microsoft.Storage/storageAccounts/stkartutsnitt")
    assert scan(whole.box, *one, "--exclude", "group:rg-kart").code == 2


# What is said


def test_every_format_says_what_was_excluded(whole: Whole, tmp_path: Path) -> None:
    words = ("--exclude", "group:rg-kart", "--exclude", "sub:test-journal")
    plain, redacted = (
        [tmp_path / f"{name}{suffix}" for suffix in (".html", ".json", ".csv", ".md", ".sarif", ".junit.xml")]
        for name in ("report", "redacted")
    )
    for outs, how in ((plain, ()), (redacted, ("--redact",))):
        written = [word for out in outs for word in ("--out", out)]
        ended = twolocks("scan", "--from", whole.snapshot, *words, *written, *how)
        assert how or "2 excluded scopes were not scanned: prod-journal/rg-kart, test-journal" in ended.err
    for out in plain:
        assert "rg-kart" in (text := out.read_text().replace("\\", "")), out
        assert "excluded" in text, out
    for out in redacted:
        assert "excluded" in (text := out.read_text()), out
        assert "rg-kart" not in text, out
        assert "test-journal" not in text, out


def test_what_was_excluded_is_in_no_count(whole: Whole) -> None:
    result = whole.later("--exclude", f"sub:{TEST}")
    assert (result["scan"]["complete"], result["gaps"]) == (
        False,
        [each for each in whole.document["gaps"] if PROD in each["url"]],
    )
    assert not [id for id in result["resources"] if TEST in id]


def test_the_exit_code_is_that_of_what_was_scanned(tmp_path: Path) -> None:
    bodies = tagged_estate()
    for body in bodies:
        body["id"] = body["id"].replace("rg-journal/", f"rg-{body['id'].split('/')[8]}/")
    history = str(tmp_path / "h.db")
    assert scheduled_run(bodies, history, tmp_path, "--fail-on", "critical").ended.code == 1
    kept = ("--exclude", "group:rg-stprod", "--exclude", "group:rg-stannen")
    assert scheduled_run(bodies, history, tmp_path, "--fail-on", "critical", *kept).ended.code == 0


def test_a_refused_subscription_that_is_excluded_leaves_the_scan_complete() -> None:
    grants = [RoleGrant(f"/subscriptions/{TEST}"), RoleGrant(group("rg-kart"))]
    with running(Sandbox.from_estate(estate(), refusals=[], grants=grants)) as box:
        # Checks that look into the other subscription, such as those on keys, are inconclusive without it.
        only = ("--only", "category:network")
        assert [scan(box, *only, *words).code for words in ((), ("--exclude", f"sub:{PROD}"))] == [3, 0]


# The history


def moved(name: str, above: str) -> list[Json]:
    """An open account in another resource group."""
    bodies = storage(public(name), container("x", above=f"{STORAGE}/{name}/blobServices/default/containers"))
    for body in bodies:
        body["id"] = body["id"].replace("rg-journal", above)
    return bodies


def test_an_excluded_item_is_not_fixed_and_not_new_later(tmp_path: Path) -> None:
    history, both = str(tmp_path / "h.db"), [*moved("sta", "rg-a"), *moved("stb", "rg-b")]
    scheduled_run(both, history, tmp_path)
    less = ("--exclude", "group:rg-b")
    reported = scheduled_run(both, history, tmp_path, *less)
    assert (reported.listed("fixed"), reported.listed("unseen")) == (set(), set())
    # What is gone is not seen either, where it is excluded.
    reported = scheduled_run(moved("sta", "rg-a"), history, tmp_path, *less)
    assert (reported.listed("fixed"), reported.listed("unseen")) == (set(), set())
    reported = scheduled_run([*both, *moved("stc", "rg-a")], history, tmp_path)
    assert {each.split(":")[0] for each in reported.new()} == {"stc"}


def test_a_scan_with_exclusions_makes_the_rest_known(tmp_path: Path) -> None:
    """What first appears in an excluded group is evaluated for the first time later; elsewhere it is new."""
    history = str(tmp_path / "h.db")
    scheduled_run([*moved("sta", "rg-a"), *moved("stb", "rg-b")], history, tmp_path, "--exclude", "group:rg-b")
    every = [*moved("sta", "rg-a"), *moved("stc", "rg-a"), *moved("stb", "rg-b")]
    assert {each.split(":")[0] for each in scheduled_run(every, history, tmp_path).new()} == {"stc"}


def test_a_narrowed_snapshot_fixes_nothing_elsewhere(tmp_path: Path) -> None:
    history, snapshot = str(tmp_path / "h.db"), str(tmp_path / "s.jsonl")
    both = [*moved("sta", "rg-a"), *moved("stb", "rg-b")]
    scheduled_run(both, history, tmp_path, "--snapshot", snapshot)
    for words in (("--resource-group", "rg-a"), ("--exclude", "group:rg-b"), ("-s", SUB)):
        ended = twolocks("scan", "--from", snapshot, "--history", history, "--format", "json", *words)
        changes = document(ended)["changes"]
        assert (changes["counts"]["fixed"], changes["counts"]["new"]) == (0, 0)


def test_a_comparison_says_what_was_excluded_and_not_that_it_is_gone(tmp_path: Path) -> None:
    snapshot, one, two = (tmp_path / name for name in ("s.jsonl", "whole.json", "part.json"))
    scheduled_run(
        [*moved("sta", "rg-a"), *moved("stb", "rg-b")], str(tmp_path / "h.db"), tmp_path, "--snapshot", str(snapshot)
    )
    twolocks("scan", "--from", snapshot, "--out", one)
    twolocks("scan", "--from", snapshot, "--out", two, "--exclude", "group:rg-b")
    gone = document(twolocks("diff", one, two, "--format", "json"))
    assert (gone["vanished_resources"], gone["fixed"]) == ([], [])
    assert {each["why"] for each in gone["vanished"]} == {"it was excluded from the new scan"}
    back = document(twolocks("diff", two, one, "--format", "json"))
    assert (back["appeared_resources"], back["new"]) == ([], [])


# Some rules


@pytest.mark.parametrize(
    "rule",
    [
        "machine-not-backed-up",
        "dns-record-dangling",
        "traffic-manager-target-missing",
        "keyvault-key-disabled",
        "keyvault-no-audit-log",
        "flow-log-target-outside",
        "sql-audit-no-destination",
    ],
)
def test_a_rule_alone_has_the_same_verdicts(whole: Whole, rule: str) -> None:
    """What a rule looks up was not read: keys in use looked unused, and machines and logs were inconclusive."""
    result = verdicts(whole.live("--only", rule))
    assert {key: each for key, each in result.items() if key[0] == "check"} == {
        key: each for key, each in whole.verdicts.items() if key[0] == "check" and key[-1] == rule
    }
