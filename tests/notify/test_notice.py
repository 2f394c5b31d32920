"""Who is told what: news, a baseline, waivers about to expire, a series that is incomplete; else nothing at all."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from scanner.config.waivers import ExpiringEntry
from scanner.history.items import ChangeKind
from scanner.model.severity import Severity
from scanner.notify.compose import notice
from scanner.notify.layout import sections
from scanner.notify.notice import Notice, ScanResult
from tests.notify.sample import (
    ENDS,
    GAP,
    JOURNAL,
    NEWS,
    OWNERS,
    SERVER,
    TODAY,
    VAULT,
    change,
    facts,
    news,
    reported,
    target,
)

YESTERDAY = reported(TODAY - timedelta(days=1))


def told(made: Notice | None) -> set[str]:
    assert made is not None
    return {f"{each.news} {each.resource.rsplit('/', 1)[-1]}: {each.endpoint or each.rule}" for each in made.items}


def test_new_reopened_and_worse_are_reported() -> None:
    assert told(notice(target(), facts(), YESTERDAY)) == {
        "new stjournal: blob/eksport",
        "reopened stjournal: blob/scans",
        "worse sqlfag: tds",
        "new kv-skjema: keyvault-no-purge-protection",
    }


@pytest.mark.parametrize("word", ["fixed", "unseen", "better", "accepted", "again", "first-looked"])
def test_whatever_else_changed_pages_no_one(word: str) -> None:
    changes = [replace(each, kind=ChangeKind(word)) for each in NEWS]
    assert notice(target(), facts(changes), YESTERDAY) is None


def test_a_scan_without_changes_sends_nothing() -> None:
    assert notice(target(), facts([]), YESTERDAY) is None
    assert notice(target(), facts([], notes=["the clock went back"]), YESTERDAY) is None


def test_a_lock_finding_beside_its_exposure_is_not_reported_twice() -> None:
    lock = change("new", JOURNAL, rule="storage-anonymous-blob-access", category="anonymous-access", endpoint="blob")
    assert notice(target(), facts([lock]), YESTERDAY) is None


@pytest.mark.parametrize(("least", "count"), [("critical", 2), ("high", 4), ("info", 5)])
def test_the_least_severity(least: str, count: int) -> None:
    changes = [*NEWS, change("new", SERVER, "low-one", "low")]
    made = notice(target(least=Severity[least]), facts(changes), YESTERDAY)
    assert made is not None
    assert len(made.items) == count
    assert notice(target(), facts([changes[-1]]), YESTERDAY) is None


def test_an_owner_gets_what_carries_the_tag() -> None:
    assert told(notice(target(owner="KARI"), facts(), YESTERDAY)) == {
        "new stjournal: blob/eksport",
        "reopened stjournal: blob/scans",
    }
    assert notice(target(owner="nobody"), facts(), YESTERDAY) is None


def test_a_child_is_the_owners_of_its_parent_unless_it_says_otherwise() -> None:
    child = f"{SERVER}/databases/kunder"
    changes = [change("new", child, severity="high", rule="sql-x")]
    assert [each.owner for each in news(changes).items] == ["team-a"]
    assert [each.owner for each in news(changes, owners={**OWNERS, child.lower(): "ola"}).items] == ["ola"]


# The baseline


def test_a_baseline_gives_counts_only() -> None:
    changes = [replace(each, kind=ChangeKind.first_evaluated) for each in NEWS]
    made = notice(target(), facts(changes, baseline=True, expiring=ENDS, complete=False, gaps=[GAP]), reported())
    assert made is not None
    assert (made.kind, made.items, made.waivers) == ("baseline", [], [])
    assert made.title == "First scan, the baseline: 17 open (2 critical, 2 high, 9 medium, 4 low)"
    assert made.remarks[0] == (
        "The scan is incomplete: 1 read failed, 6 checks are inconclusive. What was not assessed may be open too"
    )
    assert "1 waiver expires within 14 days" in made.remarks


# What could not be read


def test_a_series_that_turned_incomplete_is_reported_once() -> None:
    scan_result = facts([], complete=False, gaps=[GAP])
    made = notice(target(), scan_result, YESTERDAY)
    assert made is not None
    assert made.title == "The scan is incomplete, the previous one was complete"
    assert made.remarks[0].endswith("What was not assessed may be open too. The previous scan was complete")
    assert made.gaps[0].action == GAP.action
    assert notice(target(), scan_result, reported(TODAY - timedelta(days=1), complete=False)) is None


def test_no_notice_of_an_incomplete_scan_reads_as_if_all_were_known() -> None:
    made = notice(target(), facts(complete=False, gaps=[GAP]), reported(TODAY - timedelta(days=1), complete=False))
    assert made is not None
    assert made.remarks[0].startswith("The scan is incomplete: 1 read failed")
    assert made.scan is not None
    assert not made.scan.complete


def test_an_accepted_gap_is_not_reported() -> None:
    made = news(gaps=[type(GAP)(**{name: getattr(GAP, name) for name in GAP.__struct_fields__ if name != "accepted"},
                                accepted=True)])  # fmt: skip
    assert made.gaps == []


def test_a_history_that_could_not_be_read_is_reported_each_scan() -> None:
    made = notice(target(), facts(known=False, lost=["another process has locked the history for 30 s"]), YESTERDAY)
    assert made is not None
    assert (made.kind, made.items) == ("unknown", [])
    assert made.title.startswith("Changes are unknown because the read of the history failed: 17 open")
    assert made.remarks == [
        "The history was not written: another process has locked the history for 30 s. "
        "The same items may be reported again"
    ]


def test_a_history_that_could_not_be_written_is_said() -> None:
    assert news(lost=["no space is left"]).remarks == [
        "The history was not written: no space is left. The same items may be reported again"
    ]


# Waivers


def ends(days: int, used: int = 1, owner: str = "kari") -> ExpiringEntry:
    return ExpiringEntry("storage-* on stjournal", owner, TODAY + timedelta(days=days), "waivers.toml:3", used)


def expiring(days: int, before: int | None = 1, used: int = 1) -> Notice | None:
    earlier = reported(TODAY - timedelta(days=before) if before is not None else None)
    return notice(target(), facts([], expiring=[ends(days, used)]), earlier)


@pytest.mark.parametrize(
    ("days", "before", "is_told"),
    [(15, 1, False), (14, 1, True), (13, 1, False), (13, 2, True), (4, 1, False), (3, 1, True), (2, 1, False),
     (0, 1, False), (2, None, True), (14, 0, False), (3, 30, True)],
)  # fmt: skip
def test_a_waiver_is_reported_fourteen_and_three_days_before_it_expires(days: int, before: int, is_told: bool) -> None:
    made = expiring(days, before)
    assert (made is not None) == is_told
    if made is not None:
        assert made.title == "1 waiver is about to expire"


def test_all_scans_of_a_waiver_together_report_it_twice() -> None:
    count = 0
    for scheduled_run in range(60):
        today = TODAY + timedelta(days=scheduled_run)
        scan_result = replace(facts([], expiring=[ends(30)] if scheduled_run >= 16 else []), today=today)
        count += notice(target(), scan_result, reported(today - timedelta(days=1))) is not None and scheduled_run <= 30
    assert count == 2


def test_a_waiver_that_covers_nothing_or_is_anothers_is_not_reported() -> None:
    assert expiring(14, used=0) is None
    scan_result = facts([], expiring=[ends(14, owner="ola")])
    assert notice(target(owner="kari"), scan_result, YESTERDAY) is None
    assert notice(target(owner="OLA"), scan_result, YESTERDAY) is not None


# What was not told before


def test_what_was_not_reported_is_reported_late_and_only_once() -> None:
    late = change("new", VAULT, "vault")
    made = notice(target(), facts(), replace(YESTERDAY, missed=(late, NEWS[0])))
    assert made is not None
    assert [each.endpoint for each in made.items if each.late] == ["vault"]
    assert len(made.items) == len(NEWS) + 1


def test_late_changes_alone_are_reported_but_not_below_the_least_severity() -> None:
    assert notice(target(), facts([]), replace(YESTERDAY, missed=(NEWS[0],))) is not None
    assert notice(target(), facts([]), replace(YESTERDAY, missed=(change("new", VAULT, "vault", "low"),))) is None


# Grouped


def shape(made: Notice) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    return [
        (owner.heading, [(each.name, [item.endpoint or item.rule for item in each.items]) for each in owner.resources])
        for owner in sections(made.items, "en")
    ]


def test_grouped_by_owner_and_parent_the_worst_first() -> None:
    assert shape(news()) == [
        ("Owner: kari", [("stjournal", ["blob/eksport", "blob/scans"])]),
        ("No owner", [("kv-skjema", ["keyvault-no-purge-protection"])]),
        ("Owner: team-a", [("sqlfag", ["tds"])]),
    ]


def test_children_stand_below_their_top_level_resource() -> None:
    changes = [
        change("new", f"{SERVER}/databases/kunder", severity="high", rule="sql-a"),
        change("new", SERVER.upper().replace("MICROSOFT.SQL/SERVERS", "Microsoft.Sql/servers"), "tds", "high"),
        change("new", f"/subscriptions/{SERVER.split('/')[2]}", severity="high", rule="defender-off"),
    ]
    listed = [each for owner in sections(news(changes, owners={}).items, "en") for each in owner.resources]
    assert sorted((section.name.lower(), len(section.items)) for section in listed) == [
        (SERVER.split("/")[2], 1), ("sqlfag", 2),
    ]  # fmt: skip


def test_the_order_of_the_changes_does_not_matter() -> None:
    def made(matches: Sequence[object]) -> ScanResult:
        return facts(list(matches))  # type: ignore[arg-type]

    assert notice(target(), made(NEWS), YESTERDAY) == notice(target(), made(NEWS[::-1]), YESTERDAY)


def test_of_a_day_that_is_not_known_everything_is_due() -> None:
    assert notice(target(), facts([], expiring=ENDS), reported()) is not None
    assert date(2026, 12, 9) - TODAY == timedelta(days=14)
