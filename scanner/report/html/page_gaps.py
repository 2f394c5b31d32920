"""The part of the page about failed reads, inconclusive checks, and types that no rule covers."""

from collections.abc import Collection, Sequence
from typing import Any

from scanner.document.schema import Coverage, Document
from scanner.document.tenants import scope_labels
from scanner.model.ids import name_of
from scanner.report.language.words import Words
from scanner.report.views import gaps
from scanner.report.views.gaps import AcceptedChecks, GapGroup
from scanner.report.views.headline import endpoint_reasons
from scanner.report.views.headline import inconclusive as sentence
from scanner.report.views.summary import ReportSummary

_GROUPS, _NAMED_CHECKS = 100, 20
"""Groups that are shown whole, the rest is a folded list by permission; the most checks of an accepted group."""


def not_assessed(
    document: Document, summary: ReportSummary, t: Words, custom_actions: Collection[str] = ()
) -> dict[str, Any]:
    """Return the variables of the template about what was not assessed, and how to resolve it.

    `custom_actions`: the actions of the user's own rules that the role may hold.
    """
    assessed = gaps.group_gaps(document, t)
    complete = not (assessed.groups or assessed.unexplained or assessed.accepted) and summary.complete
    return {
        "gaps": assessed.groups[:_GROUPS],
        "gaps_rest": _by_need(assessed.groups[_GROUPS:]),
        "gaps_total": len(assessed.groups),
        "unexplained": assessed.unexplained,
        "unexplained_worst": assessed.unexplained_worst,
        "accepted": [_accepted(each, t) for each in assessed.accepted[:_GROUPS]],
        "accepted_rest": [_accepted(each, t) for each in assessed.accepted[_GROUPS:]],
        "accepted_total": len(assessed.accepted),
        "missing_permission": assessed.missing_permission,
        "other_errors": assessed.other_errors,
        "role": gaps.role_definition(assessed.missing_permission, custom_actions),
        "role_commands": gaps.role_commands(assessed.missing_permission),
        "rescan": gaps.rescan_command(assessed.other_errors),
        "all_read": complete,
        **_headings(summary, t),
        **_partial_scopes(document, t),
    }


def _by_need(gap_groups: Sequence[GapGroup]) -> list[list[GapGroup]]:
    """Return the groups that one permission, or one answer, explains in the same words, in lists: large estates have
    one for each subscription.
    """
    same: dict[tuple[object, ...], list[GapGroup]] = {}
    for each in gap_groups:
        need = (each.missing_permission, each.action, *each.errors, each.accepted_by, each.is_partial_visibility)
        same.setdefault(need, []).append(each)
    return list(same.values())


def _headings(summary: ReportSummary, t: Words) -> dict[str, Any]:
    counts = summary.counts
    inconclusive, failed = counts.statuses["unknown"], counts.gaps
    reads = t("not_assessed.reads_failed", failed) if failed else t("not_assessed.no_read_failed")
    done, every = t.number(counts.reads), t("count.reads", summary.all_reads)
    all_read = (
        t("not_assessed.all_read", done=done, all=every) if summary.all_reads else t("not_assessed.all_read_file")
    )
    lead = t("not_assessed.lead") + (
        " " + t("not_assessed.reads_done", done=done, all=every) if summary.all_reads else ""
    )
    why = [each for each in (sentence(counts, t), endpoint_reasons(counts, t)) if each]
    endpoints = t("not_assessed.endpoints", counts.not_assessed, part=t.number(counts.in_part))
    lead = " ".join([*([endpoints] if counts.not_assessed else []), lead, *(f"{each}." for each in why)])
    return {
        "endpoints_unknown": counts.not_assessed,
        "inconclusive": inconclusive,
        "reads_failed": failed,
        "gaps_headline": t("not_assessed.heading", inconclusive, reads=reads)
        if inconclusive
        else t("not_assessed.no_checks", reads=reads),
        "gaps_lead": lead if inconclusive or failed or why else all_read,
        "all_read_line": all_read,
    }


def _accepted(same: AcceptedChecks, t: Words) -> dict[str, Any]:
    """Return inconclusive checks that were accepted in the same words; the first of them by name."""
    names = [f"{rule}: {name_of(resource)}" for rule, resource in same.checks]
    by = gaps.accepted_by(same.waiver, t)
    return {"by": by, "worst": same.worst, "checks": len(names), "first": names[:_NAMED_CHECKS]}


def _partial_scopes(document: Document, t: Words) -> dict[str, Any]:
    keys = {"partial": "not_assessed.partial", "none": "not_assessed.no_view"}
    labels = scope_labels(document.coverage.scopes, document.scan)
    lines = [
        t(keys[scope.view], name=labels[scope.subscription.lower()])
        for scope in document.coverage.scopes
        if scope.view in keys
    ]
    return {"partial": lines}


def coverage(result: Coverage, t: Words) -> dict[str, Any]:
    """Return the variables of the template about types that no rule covers, rules that are off, and notes."""
    left = (each for each in result.types if not each.judged and each.complete)
    uncovered = sorted(left, key=lambda each: each.type.lower())
    resources = sum(each.resources for each in uncovered)
    types = t("not_assessed.uncovered_types", len(uncovered))
    line = t("not_assessed.uncovered", resources, resources=t("count.resources", resources), types=types)
    return {
        "uncovered": uncovered,
        "uncovered_line": line if uncovered else "",
        "rules_off": sorted(result.rules_off),
        "notes": result.notes,
    }
