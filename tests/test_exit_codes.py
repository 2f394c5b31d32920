"""Exit codes: the first that fits of 2, 1, 70, 3, 0, and the sentence that says why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from scanner.evaluate.counts import Counts
from scanner.evaluate.results import Crash, EvaluationResult
from scanner.exit_codes import DEFECT, FINDINGS_EXIT, FINE, INCOMPLETE, WRONG, counted, decide
from scanner.history.items import Change, ChangeKind, Changes, Item
from scanner.rulebook.loader import Broken

CRASH = Crash("mine", "/subscriptions/s", "KeyError", 7)
NONE: Mapping[str, int] = {}
BROKEN = Broken("mine.py", 3, "SyntaxError")


def result(
    *,
    open: Mapping[str, int] = NONE,
    states: Mapping[str, int] = NONE,
    others: Mapping[str, int] = NONE,
    crashes: Sequence[Crash] = (),
    complete: bool = True,
    unknown: int = 0,
    accepted: int = 0,
    gaps: int = 0,
) -> EvaluationResult:
    """A result: failures by severity, inconclusive checks and those of them that are accepted, gaps."""
    counts = Counts(
        open=Counter(open),
        states=Counter(states),
        other_failures=Counter(others),
        statuses=Counter(unknown=unknown),
        accepted_inconclusive=accepted,
        gaps=gaps,
    )
    return EvaluationResult(counts, crashes=list(crashes), complete=complete)


def change(kind: str, severity: str, *, of: Any = "exposure", **more: str) -> Change:
    fingerprint = f"{kind} {severity} {of} {more}"
    return Change(
        ChangeKind(kind),
        Item(kind=of, fingerprint=fingerprint, resource="/s", severity=severity, **more),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("made", "more", "code", "why"),
    [
        (result(), {}, FINE, "nothing at high or above"),
        (result(open={"medium": 4}, others={"low": 6}), {}, FINE, "nothing at high or above; 4 medium, 6 low"),
        (result(open={"high": 1}), {}, FINDINGS_EXIT, "1 endpoint at high or above"),
        (result(open={"critical": 2}), {}, FINDINGS_EXIT, "2 endpoints at high or above"),
        (result(others={"high": 1}), {}, FINDINGS_EXIT, "1 finding at high or above"),
        (
            result(open={"high": 1}, others={"high": 2, "critical": 1}),
            {},
            FINDINGS_EXIT,
            "1 endpoint and 3 other findings at high or above",
        ),
        (result(crashes=[CRASH]), {}, FINDINGS_EXIT, "1 rule crashed"),
        (
            result(crashes=[CRASH, CRASH], open={"high": 1}),
            {},
            FINDINGS_EXIT,
            "1 endpoint at high or above; 1 rule crashed",
        ),
        (result(complete=False), {}, INCOMPLETE, "incomplete: part of the scope could not be assessed"),
        (result(complete=False, unknown=2), {}, INCOMPLETE, "incomplete, 2 checks inconclusive"),
        (result(complete=False, unknown=2, gaps=1), {}, INCOMPLETE, "incomplete (1 gap)"),
        (
            result(complete=False, unknown=2, accepted=2),
            {},
            INCOMPLETE,
            "incomplete: part of the scope could not be assessed",
        ),
        (
            result(complete=False, open={"high": 1}, gaps=2),
            {},
            FINDINGS_EXIT,
            "1 endpoint at high or above; also incomplete (2 gaps)",
        ),
        (result(open={"high": 1}), {"broken": [BROKEN]}, WRONG, "1 rule file was not loaded"),
        (result(), {"broken": [BROKEN, BROKEN]}, WRONG, "2 rule files were not loaded"),
        (result(open={"high": 1}), {"unwritten": ["a.json"]}, WRONG, "a.json was not written"),
        (
            result(complete=False, gaps=1),
            {"broken": [BROKEN], "unwritten": ["a.json", "b.html"], "defects": 2},
            WRONG,
            "1 rule file was not loaded; a.json, b.html were not written; Azure disagrees in 2 places: a defect of"
            " Twolocks; also incomplete (1 gap)",
        ),
        (result(), {"defects": 1}, DEFECT, "Azure disagrees in 1 place: a defect of Twolocks"),
        (
            result(complete=False, gaps=1),
            {"defects": 1},
            DEFECT,
            "Azure disagrees in 1 place: a defect of Twolocks; also incomplete (1 gap)",
        ),
        (
            result(others={"high": 1}),
            {"defects": 1},
            FINDINGS_EXIT,
            "1 finding at high or above; Azure disagrees in 1 place: a defect of Twolocks",
        ),
    ],
)
def test_the_first_that_fits(made: EvaluationResult, more: dict[str, Any], code: int, why: str) -> None:
    ended = decide(made, "high", **more)
    assert (ended.code, ended.why) == (code, why)


def test_the_log_of_an_incomplete_scan_names_checks_and_gaps() -> None:
    ended = decide(result(complete=False, unknown=1200, gaps=1), "high", note="; see coverage")
    assert ended.why == "incomplete (1 gap); see coverage"
    assert ended.log == "incomplete, 1,200 checks inconclusive (1 gap)"


@pytest.mark.parametrize(
    ("fail_on", "code", "why"),
    [
        ("never", FINE, "--fail-on never; 1 critical, 1 medium"),
        ("critical", FINDINGS_EXIT, "1 endpoint at critical"),
        ("medium", FINDINGS_EXIT, "1 endpoint and 1 other finding at medium or above"),
        ("new:medium", FINDINGS_EXIT, "1 endpoint and 1 other finding new at medium or above (--fail-on new:medium)"),
    ],
)
def test_what_fails_a_scan(fail_on: str, code: int, why: str) -> None:
    ended = decide(result(open={"critical": 1}, others={"medium": 1}), fail_on)
    assert (ended.code, ended.why) == (code, why)


def test_never_is_fine_but_a_crash_and_a_gap_are_reported() -> None:
    assert decide(result(), "never").why == "nothing found"
    assert decide(result(crashes=[CRASH]), "never").code == FINDINGS_EXIT
    assert decide(result(complete=False), "never").code == INCOMPLETE


@pytest.mark.parametrize("news", ["new", "reopened", "worse"])
def test_with_a_history_only_what_is_new_fails(news: str) -> None:
    stands = result(open={"critical": 9}, others={"critical": 9})
    assert decide(stands, "new:high", changes=Changes()).code == FINE
    changes = Changes([change(news, "high"), change(news, "high", of="finding"), change(news, "medium")])
    assert counted(stands.counts, "new:high", changes) == (1, 1)
    assert decide(stands, "new:high", changes=changes).code == FINDINGS_EXIT
    assert counted(stands.counts, "high", changes) == (9, 9)
    assert counted(stands.counts, "never", changes) == (0, 0)


@pytest.mark.parametrize(
    ("news", "text"),
    [
        (["worse"], "1 endpoint raised"),
        (["reopened", "new"], "2 endpoints new or reopened"),
        (["worse", "reopened", "new"], "3 endpoints new, reopened or raised"),
    ],
)
def test_changes_have_their_own_words(news: list[str], text: str) -> None:
    changes = Changes([*(change(each, "high") for each in news), change("new", "low")])
    ended = decide(result(open={"high": 3}), "new:high", changes=changes)
    assert ended.why == f"{text} at high or above (--fail-on new:high)"


def test_what_is_old_mended_or_shown_by_an_exposure_fails_nothing_new() -> None:
    quiet: list[str] = ["first-looked", "better", "accepted", "again", "fixed", "unseen"]
    changes = Changes([*(change(each, "critical") for each in quiet)])
    changes.changed.append(change("new", "critical", of="finding", category="network", endpoint="blob"))
    changes.unchanged.append(change("new", "critical", endpoint="blob").item)
    assert counted(result().counts, "new:info", changes) == (0, 0)
    ended = decide(result(open={"critical": 3}), "new:critical", changes=changes)
    assert (ended.code, ended.why) == (FINE, "nothing new at critical; 3 critical")


def test_a_new_lock_finding_without_an_endpoint_fails() -> None:
    changes = Changes([change("new", "medium", of="finding", category="network")])
    assert counted(result().counts, "new:medium", changes) == (0, 1)


@pytest.mark.parametrize("kind", ["new", "worse", "reopened"])
def test_a_finding_above_its_endpoints_fails(kind: str) -> None:
    """The settings raised the severity of its rule: no endpoint stands for it."""
    changes = Changes([change(kind, "critical", of="finding", category="network", endpoint="blob, dfs")])
    changes.unchanged += [change("new", "high", endpoint="blob").item, change("new", "critical", endpoint="queue").item]
    assert counted(result().counts, "new:critical", changes) == (0, 1)
    assert counted(result().counts, "new:high", changes) == (0, 1)


def test_a_crash_alone_is_reported_without_words_of_what_is_new() -> None:
    ended = decide(result(crashes=[CRASH]), "new:high", changes=Changes())
    assert (ended.code, ended.why) == (FINDINGS_EXIT, "1 rule crashed")


def test_the_log_of_a_scan_that_misses_reads_alone_names_no_checks() -> None:
    assert decide(result(complete=False, gaps=2), "high").log == "incomplete (2 gaps)"


def test_without_a_history_new_counts_all_that_stands() -> None:
    assert counted(result(open={"high": 2, "low": 1}, others={"high": 3}).counts, "new:high") == (2, 3)


def test_a_new_thing_does_not_hide_that_a_scan_is_incomplete() -> None:
    assert decide(result(complete=False), "new:high", changes=Changes()).code == INCOMPLETE
    ended = decide(result(complete=False, gaps=1), "new:high", changes=Changes([change("new", "high")]))
    assert ended.why == "1 endpoint new at high or above (--fail-on new:high); also incomplete (1 gap)"
