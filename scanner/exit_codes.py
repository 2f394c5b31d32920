"""Exit codes, and the choice between them: the first that applies of 4, 2, 141, 1, 70, 3, 0.

A scan that ends early raises 4 and 2 (`UserError.code`).
"""

from collections.abc import Sequence

from msgspec import Struct

from scanner.evaluate.counts import Counts
from scanner.evaluate.results import EvaluationResult
from scanner.history.items import ALERTS, Changes
from scanner.model.severity import Severity
from scanner.rulebook.loader import Broken
from scanner.terminal.streams import PIPE_CLOSED
from scanner.terminal.text import many

NEW = "new:"
FINE, FINDINGS_EXIT, WRONG, INCOMPLETE, NOTHING_READ, DEFECT = 0, 1, 2, 3, 4, 70


class Exit(Struct, frozen=True):
    """An exit code and its reason."""

    code: int
    why: str
    log: str = ""
    """A longer reason, for logs and `--quiet`."""


def decide(
    result: EvaluationResult,
    fail_on: str,
    *,
    broken: Sequence[Broken] = (),
    unwritten: Sequence[str] = (),
    unheard: bool = False,
    note: str = "",
    defects: int = 0,
    changes: Changes | None = None,
) -> Exit:
    """Return the exit code of a scan after its evaluation.

    `unwritten`: the files that could not be written. `unheard`: the reader of standard output left. `defects`: the
    number of places where Azure's effective rules differ from ours; they outrank codes 0 and 3, but not findings.
    `changes`: the changes against the history; without them `new:SEVERITY` counts every open failure.
    """
    also = f"; also incomplete{_incomplete(result)}" if not result.complete else ""
    wrong = f"Azure disagrees in {many(defects, 'place')}: a defect of Twolocks"
    also = f"; {wrong}{also}" if defects else also
    if broken or unwritten:
        faults = [f"{len(broken)} rule {'file was' if len(broken) == 1 else 'files were'} not loaded"] if broken else []
        faults += (
            [f"{', '.join(unwritten)} {'was' if len(unwritten) == 1 else 'were'} not written"] if unwritten else []
        )
        return Exit(WRONG, "; ".join(faults) + also)
    if unheard:
        return Exit(PIPE_CLOSED, f"standard output was closed before everything was written{also}")
    endpoints, others = counted(result.counts, fail_on, changes)
    if endpoints or others or result.crashes:
        return Exit(FINDINGS_EXIT, _counted(endpoints, others, result, fail_on, changes) + also)
    if defects:
        return Exit(DEFECT, also.removeprefix("; "))
    if not result.complete:
        return Exit(
            INCOMPLETE, f"incomplete{_incomplete(result)}{note}", f"incomplete{_incomplete(result, checks=True)}"
        )
    return Exit(FINE, clean_words(result.counts, fail_on))


def counted(counts: Counts, fail_on: str, changes: Changes | None = None) -> tuple[int, int]:
    """Return the open exposures, and the other failed findings, at or above a severity. "never" counts none.

    Findings that name endpoints are counted by these, or themselves where no endpoint is open at that severity.
    """
    if fail_on == "never":
        return 0, 0
    if fail_on.startswith(NEW) and changes is not None:
        alerts = changes.alerts(Severity[fail_on.removeprefix(NEW)])
        endpoints = sum(each.item.kind == "exposure" for each in alerts)
        return endpoints, len(alerts) - endpoints
    fail_on = fail_on.removeprefix(NEW)
    names = [each.name for each in Severity if each >= Severity[fail_on]]
    endpoints = sum(counts.open[name] for name in names)
    others = sum(counts.other_failures[name] for name in names)
    return endpoints, others if endpoints else others + sum(counts.endpoint_failures[name] for name in names)


def _counted(endpoints: int, others: int, result: EvaluationResult, fail_on: str, news: Changes | None) -> str:
    texts = []
    if endpoints:
        texts.append(many(endpoints, "endpoint"))
    if others:
        more = "other " if endpoints else ""
        texts.append(many(others, f"{more}finding"))
    least = fail_on.removeprefix(NEW)
    level = "" if least == "critical" else " or above"
    text = f"{' and '.join(texts)} at {least}{level}" if texts else ""
    if fail_on.startswith(NEW) and texts:
        text = f"{' and '.join(texts)} {_kinds(fail_on, news)} at {least}{level} (--fail-on {fail_on})"
    if result.crashes:
        rules = len({crash.rule for crash in result.crashes})
        crashed = f"{many(rules, 'rule')} crashed"
        text = f"{text}; {crashed}" if text else crashed
    return text


def _kinds(fail_on: str, news: Changes | None) -> str:
    """Return the kinds of changes for `--fail-on new:SEVERITY`: `new`, `reopened`, `new, reopened or raised`."""
    there = {each.kind for each in news.alerts(Severity[fail_on.removeprefix(NEW)])} if news else set()
    *first, last = [kind.name for kind in ALERTS if kind in there] or ["new"]
    return f"{', '.join(first)} or {last}" if first else last


def clean_words(counts: Counts, fail_on: str) -> str:
    """Return the sentence of exit 0: `nothing at high or above; 4 medium, 6 low`."""
    texts = [f"{number:,} {name}" for name, number in counts.by_severity.items() if number]
    if fail_on == "never":
        return f"--fail-on never; {', '.join(texts)}" if texts else "nothing found"
    least = fail_on.removeprefix(NEW)
    head = f"nothing {'new ' if fail_on.startswith(NEW) else ''}at {least}{'' if least == 'critical' else ' or above'}"
    return "; ".join([head, *([", ".join(texts)] if texts else [])])


def _incomplete(result: EvaluationResult, *, checks: bool = False) -> str:
    counts = result.counts
    checks_left, gaps = counts.unaccepted_checks, counts.unaccepted_gaps
    if not checks_left and not gaps:
        missing = counts.not_fully_assessed.total()
        if missing:
            return f", {many(missing, 'endpoint')} not fully assessed"
        return ": part of the scope could not be assessed"
    some = checks_left and (checks or not gaps)
    text = f", {many(checks_left, 'check')} inconclusive" if some else ""
    text += " and not accepted" if some and counts.accepted_inconclusive else ""
    left = " not accepted" if counts.accepted_gaps else ""
    return text + (f" ({many(gaps, 'gap')}{left})" if gaps else "")
