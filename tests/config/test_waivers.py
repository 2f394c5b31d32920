"""Waivers: what they cover, what they do not, and what is wrong in a file."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from scanner.config.toml import Faults
from scanner.config.waiver_reader import load as waivers
from scanner.config.waivers import WaiverFile, expiring, parse_cell
from scanner.document.schema import WaiverRow
from scanner.errors import InputError
from scanner.evaluate.policy import Failure, NoWaivers
from scanner.model.exposure import Reach
from scanner.model.message import NOTHING
from scanner.model.resource import LOST, Gap
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, rule
from scanner.model.rule_row import MergedRow
from scanner.model.severity import Severity
from scanner.model.verdict import Pass
from scanner.rulebook.loader import RuleSet, load
from tests.work import calls

TODAY = date(2026, 11, 25)
ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stjournal"
FIX = FixTemplate(az="az version", impact=NOTHING)
OF_STORAGE = sum(id.startswith("storage-") for id in load(packages=False).rules)
"""How many rules `storage-*` matches."""


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load(packages=False)


def file(text: str, tmp_path: Path, rules: RuleSet, *, allow_tag: bool = False) -> WaiverFile:
    path = tmp_path / "waivers.toml"
    path.write_text(text)
    return waivers(path, rules, today=TODAY, allow_tag=allow_tag)


def entry(**more: str) -> str:
    fields = {
        "rule": '"storage-plain-http"',
        "resource": f'"{ID}"',
        "reason": '"Closed in March"',
        "owner": '"kari"',
        "expires": "2026-12-31",
        **more,
    }
    return "[[waiver]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items() if value)


def accepts(**more: str) -> str:
    """A check that may stay undecided."""
    fields = {
        "rule": '"storage-plain-http"',
        "resource": f'"{ID}"',
        "reason": '"r"',
        "owner": '"ola"',
        "expires": "2026-12-31",
        **more,
    }
    return "[[gap]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


PROPERTY = Failure(severity=Severity.high)


def covered(
    waiver_file: WaiverFile,
    rules: RuleSet,
    *spots: Failure,
    rule: str = "storage-plain-http",
    resource: str = ID,
    tags: Mapping[str, str] | None = None,
) -> bool:
    return all(waiver_file.waived(rules.rules[rule], resource, tags or {}, each) for each in spots or (PROPERTY,))


def spot(endpoint: str, cell: str, address: str = "", severity: Severity = Severity.high) -> Failure:
    return Failure(endpoint, address, cell, severity)


def test_a_waiver_covers_its_rule_on_its_resource_whatever_the_case(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(), tmp_path, rules)
    assert covered(waiver_file, rules)
    assert covered(waiver_file, rules, resource=ID.upper())
    assert not covered(waiver_file, rules, resource=f"{ID}2")
    assert not covered(
        waiver_file,
        rules,
        rule="storage-weak-tls" if "storage-weak-tls" in rules.rules else "storage-shared-key-enabled",
    )


def test_a_waiver_carries_reason_owner_expiry_and_ticket(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(ticket='"OPS-7"'), tmp_path, rules)
    waived = waiver_file.waived(rules.rules["storage-plain-http"], ID, {}, PROPERTY)
    assert waived is not None
    assert (waived.reason, waived.owner, waived.expires, waived.ticket) == (
        "Closed in March",
        "kari",
        "2026-12-31",
        "OPS-7",
    )


def test_patterns_of_rules_and_resources(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(rule='"category:transport"', resource='"*/rg/*"'), tmp_path, rules)
    assert covered(waiver_file, rules)
    assert not covered(waiver_file, rules, resource=ID.replace("/rg/", "/rg2/"))


def test_an_alias_of_a_rule_still_names_it(tmp_path: Path) -> None:
    kind = ResourceType("Microsoft.Storage/storageAccounts", api="1")
    named = rule(
        kind, "new-name", title="T", category="transport", severity="low", why="w", fix=FIX, aliases=("old-name",)
    )
    rules = RuleSet(rules={"new-name": named(lambda resource, index: Pass())})
    waiver_file = file(entry(rule='"old-name"'), tmp_path, rules)
    assert covered(waiver_file, rules, rule="new-name")


@pytest.mark.parametrize(
    ("expires", "covers"), [("2026-11-25", True), ("2026-11-24", False), ("2027-11-25", True), ('"2026-11-26"', True)]
)
def test_the_last_day_counts_and_an_expired_waiver_covers_nothing(
    expires: str, covers: bool, tmp_path: Path, rules: RuleSet
) -> None:
    waiver_file = file(entry(expires=expires), tmp_path, rules)
    assert covered(waiver_file, rules) is covers
    assert waiver_file.expired == (not covers)


def test_an_endpoint_that_is_not_listed_keeps_the_finding(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(rule='"storage-*"', endpoints='["blob", "blob/*"]'), tmp_path, rules)
    blob, container = spot("blob", "data/shared/internet"), spot("blob/x", "data/anonymous/internet")
    assert covered(waiver_file, rules, blob, container, rule="storage-shared-key-enabled")
    assert not covered(
        waiver_file, rules, blob, spot("file", "data/shared/internet"), rule="storage-shared-key-enabled"
    )
    assert not covered(waiver_file, rules), "a property is no endpoint"


@pytest.mark.parametrize(
    ("cell", "covers"),
    [
        ("data/shared/wide", True),
        ("data/identity/azure", True),
        ("data/shared/azure", True),
        ("app/shared/azure", True),
        ("data/shared/internet", False),
        ("data/anonymous/selected", False),
        ("data/unknown/azure", False),
    ],
)
def test_an_endpoint_that_is_worse_than_the_cell_keeps_the_finding(
    cell: str, covers: bool, tmp_path: Path, rules: RuleSet
) -> None:
    waiver_file = file(entry(rule='"storage-*"', cell='"admin/shared/azure"'), tmp_path, rules)
    assert covered(waiver_file, rules, spot("blob", cell), rule="storage-shared-key-enabled") is covers


def test_an_accepted_app_accepts_no_data(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(rule='"storage-*"', cell='"app/anonymous/internet"'), tmp_path, rules)
    assert covered(waiver_file, rules, spot("web", "app/anonymous/internet"), rule="storage-shared-key-enabled")
    assert not covered(waiver_file, rules, spot("blob", "data/identity/selected"), rule="storage-shared-key-enabled")


def test_accepted_gaps(tmp_path: Path, rules: RuleSet) -> None:
    text = '[[gap]]\nurl = "*/blobServices/default"\nreason = "r"\nowner = "o"\nexpires = 2026-12-31\n'
    waiver_file = file(text, tmp_path, rules)
    assert waiver_file.accepted_gap(Gap(f"{ID}/blobServices/Default", 403, "AuthorizationFailed"))
    assert not waiver_file.accepted_gap(Gap(f"{ID}/blobServices/default/containers", 403, "AuthorizationFailed"))
    assert not file(text.replace("2026-12", "2026-10"), tmp_path, rules).accepted_gap(
        Gap(f"{ID}/blobServices/default", 403, "x")
    )


@pytest.mark.parametrize(
    ("rule", "resource", "id", "covers"),
    [
        ("storage-plain-http", ID, ID.upper(), True),
        ("storage-*", ID, ID, True),
        ("category:transport", "*/storageAccounts/*", ID, True),
        ("storage-plain-http", "*", ID, True),
        ("storage-plain-http", ID, f"{ID}2", False),
        ("storage-plain-http", ID, f"{ID}/blobServices/default", False),
        ("storage-shared-key-enabled", ID, ID, False),
        ("storage-plain-http", "/subscriptions/s1", "/subscriptions/S1", True),
        ("storage-plain-http", "/subscriptions/*", "/subscriptions/s1", False),
        ("storage-plain-http", "*", "/subscriptions/s1", False),
    ],
)
def test_accepted_checks(rule: str, resource: str, id: str, covers: bool, tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(accepts(rule=f'"{rule}"', resource=f'"{resource}"'), tmp_path, rules)
    row = waiver_file.accepted_check(rules.rules["storage-plain-http"], id)
    assert row == (WaiverRow("r", "ola", "2026-12-31") if covers else None)
    assert not waiver_file.accepted_gap(Gap(id, 403, "")), "a rule is no read"
    assert not covered(waiver_file, rules, resource=id), "what fails is not covered"


def test_no_entry_accepts_that_a_subscription_is_gone(tmp_path: Path, rules: RuleSet) -> None:
    text = '[[gap]]\nurl = "/subscriptions/s1"\nreason = "r"\nowner = "o"\nexpires = 2026-12-31\n'
    waiver_file = file(text, tmp_path, rules)
    assert waiver_file.accepted_gap(Gap("/subscriptions/s1", 403, "AuthorizationFailed")) is not None
    assert waiver_file.accepted_gap(Gap("/subscriptions/s1", 0, LOST)) is None


def test_an_expired_check_is_not_met_by_a_gap(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(accepts(resource='"*"', expires="2026-11-01"), tmp_path, rules)
    assert waiver_file.accepted_gap(Gap(f"{ID}/blobServices/default", 403, "x")) is None
    assert not waiver_file.met


def test_a_waiver_accepts_no_unknown(tmp_path: Path, rules: RuleSet) -> None:
    for expires in ("2026-12-31", "2026-11-01"):
        waiver_file = file(entry(expires=expires), tmp_path, rules)
        assert waiver_file.accepted_check(rules.rules["storage-plain-http"], ID) is None
        assert not waiver_file.used


def test_a_rule_that_is_left_out_is_one_fault(tmp_path: Path, rules: RuleSet) -> None:
    with pytest.raises(Faults) as raised:
        file(accepts(rule='""'), tmp_path, rules)
    assert [each.what for each in raised.value.all] == ["a gap requires rule"]


def test_of_several_accepted_checks_the_last_to_end_counts(tmp_path: Path, rules: RuleSet) -> None:
    text = accepts(expires="2026-12-01") + accepts(expires="2026-12-24") + accepts(expires="2026-11-01")
    row = file(text, tmp_path, rules).accepted_check(rules.rules["storage-plain-http"], ID)
    assert row is not None
    assert row.expires == "2026-12-24"


def test_brackets_in_a_pattern_are_brackets(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(resource=f'"{ID}[1]"'), tmp_path, rules)
    assert covered(waiver_file, rules, resource=f"{ID}[1]")
    assert not covered(waiver_file, rules, resource=f"{ID}1")


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        (entry(reason=""), "a waiver requires reason", 1),
        (entry(owner='"  "'), "a waiver requires owner", 5),
        (entry(expires=""), "a waiver requires expires", 1),
        (entry(rule=""), "a waiver requires rule", 1),
        (entry(resource=""), "a waiver requires resource", 1),
        (entry(rule='"storage-plane-http"'), 'waiver of "storage-plane-http" matches no rule', 2),
        (entry(expires="2027-11-27"), "2027-11-27 is more than 365 days ahead", 6),
        (entry(expires="7"), '"7" is not a date', 6),
        (entry(endpoints='"blob"'), "endpoints must be a list of names", 7),
        (entry(cell='"admin/shared"'), '"admin/shared" is not a cell', 7),
        (entry(cell='"door/shared/internet"'), '"door/shared/internet" is not a cell', 7),
        (entry(owner="7"), "owner must be text", 5),
        (entry(endpoints="[]"), "endpoints must be a list of names", 7),
        (entry(severity='"hihg"'), 'unknown severity "hihg"', 7),
        (entry(tag='"a=b"'), "the settings do not allow waivers by tag", 7),
        (
            entry(rule='"storage-*"', resource='"*"'),
            f"this waiver is too broad: it accepts {OF_STORAGE} rules on every resource, including future findings",
            3,
        ),
        (
            "[[gap]]\nurl = '/subscriptions/*'\nreason = 'r'\nowner = 'o'\nexpires = 2026-12-31\n",
            '"/subscriptions/*" accepts every failed read',
            2,
        ),
        ("[waiver]\nrule = 'x'\n", "waiver must be a list of tables", 1),
        ("[[waivers]]\n", 'unknown table "waivers" in a waiver file', 1),
        (
            "[[gap]]\nurl = '*/a'\nreason = 'r'\nowner = 'o'\nexpires = 2026-12-31\nrule = 'x'\n",
            "a gap requires a url, or a rule and a resource, not both",
            2,
        ),
        (accepts(rule='""'), "a gap requires rule", 2),
        (accepts(resource='""'), "a gap requires resource", 3),
        (accepts(rule='"storage-plane-http"'), 'gap of "storage-plane-http" matches no rule', 2),
        (
            accepts(rule='"storage-*"', resource='"/subscriptions/*"'),
            f"this gap is too broad: it accepts {OF_STORAGE} rules on every resource, including future findings",
            3,
        ),
        (accepts(endpoints='["blob"]'), 'a gap has no key "endpoints"', 7),
        (accepts(owner='""'), "a gap requires owner", 5),
        (accepts(expires="2027-11-27"), "2027-11-27 is more than 365 days ahead", 6),
    ],
)
def test_what_is_wrong_is_reported_with_its_line(
    text: str, what: str, line: int, tmp_path: Path, rules: RuleSet
) -> None:
    with pytest.raises(Faults) as raised:
        file(text, tmp_path, rules)
    first = raised.value.all[0]
    assert (first.what, first.at.rpartition(":")[2]) == (what, str(line))


def test_a_file_that_is_not_there(tmp_path: Path, rules: RuleSet) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        waivers(tmp_path / "none.toml", rules)


# By tag


def test_a_tag_names_resources_only_if_the_settings_allow_it(tmp_path: Path, rules: RuleSet) -> None:
    text = entry(resource="", tag='"Waived=yes"')
    waiver_file = file(text, tmp_path, rules, allow_tag=True)
    assert covered(waiver_file, rules, tags={"waived": "yes"})
    assert covered(waiver_file, rules, tags={"owner": "x", "WAIVED": "yes"}, resource="/any")
    assert not covered(waiver_file, rules, tags={"waived": "Yes"})
    assert not covered(waiver_file, rules, tags={"waived": "yes, please"})
    assert not covered(waiver_file, rules)
    with pytest.raises(Faults) as raised:
        file(text, tmp_path, rules)
    assert raised.value.all[0].do.endswith("writers of tags can then waive")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (entry(tag='"a=b"'), "a waiver requires a resource or a tag, not both"),
        (entry(resource="", tag='"a"'), '"a" is not a tag'),
        (entry(resource="", tag='"a="'), '"a=" is not a tag'),
        (entry(resource="", tag='"=b"'), '"=b" is not a tag'),
        (entry(resource=""), "a waiver requires resource"),
    ],
)
def test_what_is_wrong_with_a_tag(text: str, what: str, tmp_path: Path, rules: RuleSet) -> None:
    with pytest.raises(Faults) as raised:
        file(text, tmp_path, rules, allow_tag=True)
    assert [each.what for each in raised.value.all] == [what]


# What got worse, what is another endpoint


def test_what_is_worse_than_its_severity_is_not_covered(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(severity='"medium"'), tmp_path, rules)
    assert covered(waiver_file, rules, Failure(severity=Severity.medium))
    assert not covered(waiver_file, rules, Failure(severity=Severity.high))
    machine = file(entry(rule='"machine-*"', cell='"admin/shared/internet"', severity='"medium"'), tmp_path, rules)
    rule = next(id for id in rules.rules if id.startswith("machine-"))
    stopped = spot("tcp/22", "admin/shared/internet", severity=Severity.medium)
    assert covered(machine, rules, stopped, rule=rule)
    assert not covered(machine, rules, replace(stopped, severity=Severity.high), rule=rule)


def test_a_port_may_be_accepted_on_one_address(tmp_path: Path, rules: RuleSet) -> None:
    rule = next(id for id in rules.rules if id.startswith("machine-"))
    cell = "admin/shared/internet"
    one = file(entry(rule='"machine-*"', endpoints='["tcp/22@192.0.2.1"]'), tmp_path, rules)
    assert covered(one, rules, spot("tcp/22", cell, "192.0.2.1"), rule=rule)
    assert not covered(one, rules, spot("tcp/22", cell, "192.0.2.10"), rule=rule)
    assert not covered(one, rules, spot("tcp/22", cell), rule=rule)
    every = file(entry(rule='"machine-*"', endpoints='["tcp/22"]'), tmp_path, rules)
    assert covered(every, rules, spot("tcp/22", cell, "192.0.2.10"), spot("tcp/22", cell), rule=rule)


@pytest.mark.parametrize(
    ("pattern", "endpoint", "covers"),
    [
        ("*/*", "tcp/22", True),
        ("[*]/[*]", "*/*", True),
        ("[*]/[*]", "tcp/22", False),
        ("udp/[*]", "udp/*", True),
        ("blob/a?", "blob/ab", False),
        ("BLOB/A", "blob/a", True),
    ],
)
def test_a_star_in_brackets_is_a_star(
    pattern: str, endpoint: str, covers: bool, tmp_path: Path, rules: RuleSet
) -> None:
    waiver_file = file(entry(endpoints=f'["{pattern}"]'), tmp_path, rules)
    assert covered(waiver_file, rules, spot(endpoint, "data/shared/internet")) is covers


def test_a_login_that_could_not_be_read_is_no_weak_one(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(cell='"data/unknown/azure"'), tmp_path, rules)
    assert covered(waiver_file, rules, spot("blob", "data/unknown/azure"))
    assert not covered(waiver_file, rules, spot("blob", "data/shared/azure"))
    assert not covered(waiver_file, rules, spot("blob", "data/unknown/internet"))
    assert not covered(waiver_file, rules, spot("blob", "data/unknown/unknown"))


def test_one_rule_may_be_accepted_everywhere(tmp_path: Path, rules: RuleSet) -> None:
    assert covered(file(entry(resource='"*"'), tmp_path, rules), rules, resource="/any")


def test_of_several_waivers_the_last_to_expire_counts(tmp_path: Path, rules: RuleSet) -> None:
    texts = [entry(expires=f"2026-{month}-28", owner=f'"o{month}"') for month in ("10", "12", "11")]
    waiver_file = file("".join(texts), tmp_path, rules)
    waived = waiver_file.waived(rules.rules["storage-plain-http"], ID, {}, PROPERTY)
    assert waived is not None
    assert waived.owner == "o12"
    past = waiver_file.past(rules.rules["storage-plain-http"], ID, {}, PROPERTY)
    assert past is not None
    assert past.owner == "o10"


# What is told


def reported(waiver_file: WaiverFile, rules: RuleSet, *subscriptions: str, whole: bool = True) -> list[str]:
    return waiver_file.notes(rules.rules.values(), set(subscriptions or ("s",)), whole=whole)


def test_what_matches_nothing_is_reported_by_line(tmp_path: Path, rules: RuleSet) -> None:
    gap = '[[gap]]\nurl = "*/x/y"\nreason = "r"\nowner = "o"\nexpires = 2026-12-31\n'
    waiver_file = file(entry() + "\n" + entry(resource='"*/other"') + gap, tmp_path, rules)
    assert covered(waiver_file, rules)
    assert reported(waiver_file, rules) == [
        "waivers.toml:8: storage-plain-http on other matches nothing; delete it if this is fixed",
        "waivers.toml:14: the gap */x/y matches nothing; delete it if this is fixed",
    ]
    assert reported(waiver_file, rules, whole=False) == []
    waiver_file.begin()
    assert reported(waiver_file, rules, whole=False) == [
        "waivers.toml:1: storage-plain-http on stjournal matches nothing; delete it if this is fixed"
    ]
    assert reported(waiver_file, rules, "another", whole=False) == []
    assert waiver_file.notes([], {"s"}, whole=True) == [
        "waivers.toml:14: the gap */x/y matches nothing; delete it if this is fixed"
    ]


def test_a_waiver_of_a_part_names_the_rule_that_it_became_a_part_of(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(), tmp_path, rules)
    assert covered(waiver_file, rules)
    waiver_file.used.clear()
    first, plain = rules.rules["storage-anonymous-blob-access"], rules.rules["storage-plain-http"]
    rows = (MergedRow(("storage-plain-http",)), MergedRow(("storage-weak-tls",)))
    merged = replace(plain, id="storage-transport", merged=rows)
    assert waiver_file.notes([first, merged], {"s"}, whole=True) == [
        "waivers.toml:1: storage-plain-http on stjournal is not covered: that rule is now a part of storage-transport;"
        " name storage-transport"
    ]


def test_what_is_undecided_here_or_above_is_not_called_needless(tmp_path: Path, rules: RuleSet) -> None:
    container = f"{ID}/blobServices/default/containers/a"
    rule = rules.rules["storage-anonymous-blob-access"]
    for above in (container, ID, "/subscriptions/s"):
        waiver_file = file(entry(rule=f'"{rule.id}"', resource=f'"{container}"'), tmp_path, rules)
        waiver_file.inconclusive(rule, above)
        assert "matches nothing" not in reported(waiver_file, rules)[0]
    waiver_file.begin()
    waiver_file.inconclusive(rule, f"{ID}2")
    assert "matches nothing" in reported(waiver_file, rules)[0]


def test_what_expired_says_whether_something_counts_again(tmp_path: Path, rules: RuleSet) -> None:
    gap = '[[gap]]\nurl = "*/x/y"\nreason = "r"\nowner = "ola"\nexpires = 2026-01-01\n'
    waiver_file = file(entry(expires="2026-11-24") + gap, tmp_path, rules)
    assert waiver_file.past(rules.rules["storage-plain-http"], ID, {}, PROPERTY)
    assert not waiver_file.accepted_gap(Gap("/subscriptions/s/providers/x/y", 403, ""))
    assert reported(waiver_file, rules) == [
        "waivers.toml:1: the waiver of kari for storage-plain-http on stjournal expired on 2026-11-24; "
        "what it covered (1) counts again",
        "waivers.toml:7: the waiver of ola for the gap */x/y expired on 2026-01-01; the gap counts again",
    ]
    waiver_file.begin()
    assert [note.rpartition("; ")[2] for note in reported(waiver_file, rules)] == [
        "it covered nothing",
        "this gap no longer exists",
    ]


def test_not_more_than_twenty_are_reported(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file("".join(entry(resource=f'"*/st{number}"') for number in range(25)), tmp_path, rules)
    assert len(reported(waiver_file, rules)) == 21
    assert reported(waiver_file, rules)[-1] == "and 5 more notes on waivers"


def test_what_is_about_to_expire(tmp_path: Path, rules: RuleSet) -> None:
    texts = [entry(expires=day) for day in ("2026-12-09", "2026-12-10", "2026-11-24", "2026-11-25")]
    gap = '[[gap]]\nurl = "*/x/y"\nreason = "r"\nowner = "o"\nexpires = 2026-12-01\n'
    waiver_file = file("".join(texts) + gap, tmp_path, rules)
    assert covered(waiver_file, rules)
    assert [(each.at, each.expires.day, each.used) for each in expiring(waiver_file, TODAY)] == [
        ("waivers.toml:19", 25, 1),
        ("waivers.toml:25", 1, 0),
        ("waivers.toml:1", 9, 1),
    ]
    assert expiring(NoWaivers(), TODAY) == []


def test_a_subscription_is_accepted_only_by_its_whole_path(tmp_path: Path, rules: RuleSet) -> None:
    for url, accepts in (("/subscriptions/s1", True), ("/subscriptions/s*", False), ("*1", False)):
        text = f'[[gap]]\nurl = "{url}"\nreason = "r"\nowner = "o"\nexpires = 2026-12-31\n'
        assert bool(file(text, tmp_path, rules).accepted_gap(Gap("/subscriptions/S1", 403, ""))) is accepts


def test_a_tag_counts_by_its_own_name_alone(tmp_path: Path, rules: RuleSet) -> None:
    text = entry(resource="", tag='"env=dev"')
    waiver_file = file(text, tmp_path, rules, allow_tag=True)
    assert covered(waiver_file, rules, tags={"ENV": "dev"})
    assert not covered(waiver_file, rules, tags={"other": "dev"})
    assert not covered(waiver_file, rules, tags={"env": "prod"})


def test_a_severity_that_is_not_known_is_no_reason_to_refuse(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(severity='"low"'), tmp_path, rules)
    assert covered(waiver_file, rules, Failure())
    assert not covered(waiver_file, rules, PROPERTY)


def test_a_login_that_is_no_word_is_no_cell() -> None:
    assert parse_cell("data/unknown/internet") == ("data", None, Reach.internet)
    for text in ("data/weak/internet", "data/shared/far", "door/shared/internet", "data/shared", ""):
        assert parse_cell(text) is None


def test_without_an_address_a_pattern_with_one_is_not_meant(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(endpoints='["ssh@*"]'), tmp_path, rules)
    assert covered(waiver_file, rules, spot("ssh", "", "10.0.0.4"))
    assert not covered(waiver_file, rules, spot("ssh", ""))


def test_an_accepted_gap_is_used_and_an_expired_one_is_named_only_where_it_is_there(
    tmp_path: Path, rules: RuleSet
) -> None:
    gap = '[[gap]]\nurl = "*/x/y"\nreason = "r"\nowner = "ola"\nexpires = {}\n'
    waiver_file = file(gap.format("2026-12-31"), tmp_path, rules)
    assert waiver_file.accepted_gap(Gap("/subscriptions/s/providers/x/y", 403, ""))
    assert not waiver_file.accepted_gap(Gap("/subscriptions/s/providers/x/z", 403, ""))
    assert reported(waiver_file, rules) == []
    assert waiver_file.used.total() == 1
    waiver_file = file(gap.format("2026-01-01") + entry(expires="2026-01-01"), tmp_path, rules)
    assert not waiver_file.accepted_gap(Gap("/subscriptions/s/providers/x/z", 403, ""))
    assert reported(waiver_file, rules)[0].endswith("this gap no longer exists")


def test_an_expired_waiver_is_reported_where_it_was_asked_for_or_covered_something(
    tmp_path: Path, rules: RuleSet
) -> None:
    waiver_file = file(entry(expires="2026-11-24"), tmp_path, rules)
    assert reported(waiver_file, rules, "another", whole=False) == []
    assert waiver_file.past(rules.rules["storage-plain-http"], ID, {}, PROPERTY)
    assert len(reported(waiver_file, rules, "another", whole=False)) == 1


def test_a_waiver_that_was_met_and_did_not_cover_is_called_so(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(severity='"low"'), tmp_path, rules)
    assert not covered(waiver_file, rules)
    assert reported(waiver_file, rules) == [
        "waivers.toml:1: storage-plain-http on stjournal is not covered: "
        "inconclusive, above the accepted severity, or at other endpoints"
    ]


def test_twenty_notes_are_all_reported(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file("".join(entry(resource=f'"*/st{number}"') for number in range(20)), tmp_path, rules)
    assert len(reported(waiver_file, rules)) == 20
    assert reported(waiver_file, rules)[-1].endswith("if this is fixed")


def test_a_pattern_of_subscriptions_is_needless_only_after_a_scan_of_all(tmp_path: Path, rules: RuleSet) -> None:
    waiver_file = file(entry(resource='"/subscriptions/s*/x"'), tmp_path, rules)
    assert reported(waiver_file, rules, whole=False) == []
    assert len(reported(waiver_file, rules, whole=True)) == 1


def test_a_pattern_that_means_some_reads_or_resources_is_not_too_wide(tmp_path: Path, rules: RuleSet) -> None:
    gap = '[[gap]]\nurl = "*/servers/*"\nreason = "r"\nowner = "o"\nexpires = 2026-12-31\n'
    waiver_file = file(entry(rule='"storage-*"', resource='"*/microsoft.sql/*"') + gap, tmp_path, rules)
    assert (len(waiver_file.waivers), len(waiver_file.gaps)) == (1, 1)


def test_a_thousand_waivers_are_looked_up_and_not_searched(tmp_path: Path, rules: RuleSet) -> None:
    """Looking up one of a thousand is no more work than looking up one of ten."""

    def work(size: int) -> int:
        waiver_file = file("".join(entry(resource=f'"{ID}{number}"') for number in range(size)), tmp_path, rules)
        assert all(covered(waiver_file, rules, resource=f"{ID}{number}") for number in range(size))
        return calls(lambda: covered(waiver_file, rules, resource=f"{ID}{size - 1}"))

    assert work(1000) == work(10)


def test_each_table_that_is_unknown_is_reported(tmp_path: Path, rules: RuleSet) -> None:
    with pytest.raises(Faults, match="unknown table"):
        file(entry() + '[[wavier]]\nrule = "x"\n', tmp_path, rules)
