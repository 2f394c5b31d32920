"""The last screen of a scan: reads, evaluation, worst endpoints, gaps, result, files, exit code; also as a log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scanner.document import schema as rows
from scanner.evaluate.counts import SEVERITIES, Counts
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import Exit
from scanner.model.ids import type_of
from scanner.model.verdict import Severity
from scanner.report.text import split_fix
from scanner.rulebook.loader import RuleSet
from scanner.scan.change_lines import ChangeLines
from scanner.terminal.lines import Line, rows_of
from scanner.terminal.text import many, named, odd, span

WORST, GAPS, INFO, INFO_RULES = 5, 3, 5, 3
INDENT = 2


@dataclass(frozen=True, slots=True)
class LastScreen:
    """The last screen of a scan. `took`: seconds of reading, None if nothing was read from Azure. `wrote`: names of
    files. `role`: the command that makes a role with the missing permissions.
    """

    evaluation: EvaluationResult
    rules: RuleSet
    took: float | None
    wrote: Sequence[str]
    end: Exit
    fail_on: str
    role: str = "twolocks access role > role.json"
    news: ChangeLines | None = None

    @property
    def counts(self) -> Counts:
        return self.evaluation.counts

    @property
    def failed(self) -> int:
        return self.counts.gaps

    def names(self) -> dict[str, str]:
        return {scope.subscription.lower(): scope.name for scope in self.evaluation.scopes}

    # The screen

    def body(self, height: int, width: int) -> list[Line]:
        """Return the lines above the result. The lines from the gaps to the exit code take at most `height` rows."""
        room = height - rows_of(self.tail(), width)
        gaps = next((count for count in range(GAPS, 1, -1) if rows_of(self.not_assessed(count), width) <= room), 1)
        return [
            Line(self.read(), "Read"),
            Line(self.evaluated(), "Evaluated"),
            *self.worst(WORST),
            *self.info(INFO),
            *(self.news.lines() if self.news is not None else ()),
            *self.not_assessed(gaps),
        ]

    def tail(self) -> list[Line]:
        """Return result, files and exit."""
        return [Line(), *self.result(), *self.files(), Line(self.end.why, f"Exit {self.end.code}")]

    def read(self) -> str:
        counts = self.counts
        resources = many(counts.resources, "resource")
        if self.took is None:
            done = f"{resources} from a file, with {many(counts.reads, 'read')}"
        else:
            done = (
                f"{resources} with {counts.reads:,} of {many(counts.reads + self.failed, 'read')} in {span(self.took)}"
            )
        return done + (f"; {many(self.failed, 'read')} failed" if self.failed else "")

    def read_log(self) -> str:
        counts = self.counts
        if self.took is None:
            return self.read()
        every = counts.reads + self.failed
        failed = f"; {self.failed:,} failed" if self.failed else ""
        read = f"{many(counts.resources, 'resource')}, {counts.reads:,} of {every:,} reads{failed}"
        return f"finished in {span(self.took)}: {read}"

    def evaluated(self) -> str:
        rest, resources = self.counts.uncovered, sum(each.resources for each in self.counts.uncovered)
        known = ((self.counts.endpoints, "endpoint"), (self.counts.checks, "check"), (len(self.rules.enabled), "rule"))
        said = ", ".join(many(count, word) for count, word in known)
        if rest:
            are = "is" if resources == 1 else "are"
            said += f"; {many(resources, 'resource')} of {many(len(rest), 'type')} {are} not covered by any rule"
        return said

    def worst(self, count: int) -> Iterator[Line]:
        groups = self.counts.fix_groups()
        shown = groups[:count]
        if not shown:
            return
        yield Line()
        listed = sum(len(group.endpoints) for group in shown)
        yield Line(f"Worst {listed:,} of {many(self.counts.endpoints, 'endpoint')}", column=0)
        for group in shown:
            yield Line(group.sentence(), group.severity, 10, group.severity)
            yield from closing(group.fix)

    def info(self, count: int) -> Iterator[Line]:
        """Yield the findings of severity info, one line a type."""
        groups = self.counts.info_groups()
        if not groups:
            return
        yield Line()
        total = sum(group.rules.total() for group in groups)
        alone = "" if self.fail_on.endswith("info") else "; only --fail-on info counts them"
        yield Line(f"{many(total, 'finding')} of severity info{alone}", column=0)
        for group in groups[:count]:
            names, others = group.names(INFO_RULES)
            more = f" and {many(others, 'more rule')}" if others else ""
            yield Line(f"{group.type}: {group.count()}, {', '.join(names)}{more}", "info", 10)
        if len(groups) > count:
            yield Line(f"and {many(len(groups) - count, 'more type')}", column=10)

    def not_assessed(self, count: int) -> Iterator[Line]:
        gaps = self.gap_lines()
        inconclusive = self.counts.inconclusive
        accepted = self.accepted()
        if gaps or inconclusive or accepted:
            yield Line()
        if gaps or inconclusive:
            said = self._inconclusive(len(gaps), inconclusive)
            yield Line(f"Not assessed: {said}; none of them counts as passed", column=0)
        for gap in gaps[:count]:
            yield Line(gap.sentence(), gap.label, 10, "not assessed")
            if gap.action:
                yield Line(f"missing {gap.action}", column=INDENT, whole=True)
        yield from self._more(len(gaps) - count, gaps)
        if accepted:
            yield Line(accepted, column=0)

    def accepted(self) -> str:
        """Return the sentence on accepted gaps and inconclusive checks, "" without any."""
        count, checks = self.counts.accepted_gaps, self.evaluation.accepted_by_rule
        none = "none of them counts as passed"
        if not count:
            one = "it does not count as passed" if checks == 1 else none
            return f"Accepted: {many(checks, 'inconclusive check')}; {one}" if checks else ""
        them, others = "it" if count == 1 else "them", self.counts.accepted_inconclusive - checks
        by_gap = f"{many(others, 'check')} inconclusive because of {them} alone"
        other = f", {checks:,} more for other reasons;" if checks else ","
        return f"Accepted: {many(count, 'gap')}; {by_gap}{other} {none}"

    def _inconclusive(self, gaps: int, checks: int) -> str:
        """Return how many checks are inconclusive because of gaps, and how many for another reason."""
        other = self.counts.inconclusive_by_gap[""] if gaps else 0
        if not gaps:
            return f"{many(checks, 'check')} inconclusive"
        said = f"{many(gaps, 'gap')} {'leaves' if gaps == 1 else 'leave'} {many(checks - other, 'check')} inconclusive"
        return f"{said}, {other:,} more for other reasons" if other else said

    def _more(self, more: int, gaps: Sequence["ShownGap"]) -> Iterator[Line]:
        cured = sum(bool(gap.action) for gap in gaps)
        which = "it" if len(gaps) == 1 else "all" if cured == len(gaps) else f"{cured:,} of the {len(gaps):,}"
        role = f"To create a role that resolves {which}: {self.role}" if cured else ""
        if more > 0:
            yield Line(f"and {many(more, 'more gap')}{f'. {role}' if role else ''}", column=0)
        elif role:
            yield Line(role, column=0)

    def gap_lines(self) -> list["ShownGap"]:
        """Return the gaps that were not accepted, the worst first."""
        counts, names = self.counts, self.names()
        found = [
            ShownGap(
                named(gap.url, names),
                gap,
                counts.inconclusive_by_gap.get(gap.url, 0),
                counts.worst_by_gap.get(gap.url),
                is_scope=not type_of(gap.url),
            )
            for gap in self.evaluation.gaps
            if not gap.accepted
        ]
        return sorted(found, key=lambda gap: (-(gap.worst if gap.worst is not None else -1), -gap.checks, gap.what))

    def result(self) -> Iterator[Line]:
        first, *more = self.result_sentences()
        yield Line(first, "Result")
        for each in more:
            yield Line(each)

    def result_sentences(self) -> list[str]:
        counts, evaluation = self.counts, self.evaluation
        if not counts.endpoints and not counts.statuses:
            where = ", ".join(scope.name for scope in evaluation.scopes[:3]) or "the input"
            return [f"No resource of a supported type was found in {where}"]
        if counts.without_authentication or counts.shared_key_only:
            return [*self._exposed(), *self._may()]
        if not evaluation.complete:
            failed = f": {many(counts.unaccepted_gaps, 'read')} failed" if counts.unaccepted_gaps else ""
            checks = counts.inconclusive
            are = "is" if checks == 1 else "are"
            if not checks and not counts.unaccepted_gaps:
                return ["No exposed endpoint found, but not everything could be assessed"]
            return [
                "No exposed endpoint found, but not everything could be assessed",
                f"{many(checks, 'check')} {are} inconclusive{failed}. None of them counts as passed",
            ]
        first = (
            "No endpoint is publicly accessible without authentication; "
            "none is protected only by a shared key or password"
        )
        if self.accepted():
            what = "inconclusive checks" if counts.unaccepted_gaps == counts.gaps else "gaps"
            return [first, f"The {what} are accepted, not resolved"]
        if self.took is None:
            return [first]
        return [first, f"Everything in scope was read: {counts.reads:,} of {many(counts.reads, 'read')}"]

    def _exposed(self) -> list[str]:
        public, shared = self.counts.without_authentication, self.counts.shared_key_only
        protected = f"{'is' if shared == 1 else 'are'} protected only by a shared key or password"
        if not public:
            return [f"No endpoint is publicly accessible without authentication; {shared:,} {protected}"]
        are = "is" if public == 1 else "are"
        more = f"; {shared:,} more {protected}" if shared else ""
        return [f"{many(public, 'endpoint')} {are} publicly accessible without authentication{more}"]

    def _may(self) -> list[str]:
        count = self.counts.not_assessed
        return [f"{many(count, 'endpoint')} could not be assessed and may be exposed"] if count else []

    def files(self) -> list[Line]:
        return [Line(_listed(self.wrote), "Wrote", whole=True)] if self.wrote else []

    # The log

    def found(self) -> str:
        """Return the endpoints by severity and state: `5 critical, 14 high, 1 not assessed, 26 closed`."""
        counts = self.counts
        said = [f"{counts.open[name]:,} {name}" for name in SEVERITIES if counts.open[name]]
        said += [f"{self.counts.not_assessed:,} not assessed"] if self.counts.not_assessed else []
        said += [f"{counts.states[name]:,} {name}" for name in ("waived", "intended", "closed") if counts.states[name]]
        said += [f"{many(counts.accepted_gaps, 'gap')} accepted"] if counts.accepted_gaps else []
        by_rule = self.evaluation.accepted_by_rule
        said += [f"{many(by_rule, 'inconclusive check')} accepted"] if by_rule else []
        return ", ".join(said) or "no endpoint"

    def found_lines(self) -> list[str]:
        """Return the exposed endpoints at or above `--fail-on` (never: high), the worst first."""
        least = Severity["high" if self.fail_on == "never" else self.fail_on.removeprefix("new:")]
        return [
            f"{group.severity} {' '.join((group.name, group.endpoints[0]))}"
            f"{f' and {len(group.endpoints) - 1} more' if len(group.endpoints) > 1 else ''} {group.fingerprint}"
            for group in self.counts.fix_groups()
            if Severity[group.severity] >= least
        ]

    def quiet(self) -> str:
        """Return the one line of `--quiet`, "" on exit 0."""
        if not self.end.code:
            return ""
        see = f"; see {self.wrote[0]}" if self.wrote else ""
        return f"twolocks: exit {self.end.code}: {self.why()}{see}"

    def why(self) -> str:
        """Return the reason for the exit code in one line, with the number of new findings from the history."""
        news = self.news.quiet() if self.news is not None and "new" not in self.end.why else ""
        return f"{self.end.log or self.end.why}{f'; {news}' if news else ''}"


@dataclass(frozen=True, slots=True)
class ShownGap:
    """A gap on the last screen. `what`: the name of the failed read. `checks`: the number of checks that it leaves
    inconclusive. `worst`: their highest severity. `is_scope`: it is a whole subscription.
    """

    what: str
    gap: rows.GapRow
    checks: int
    worst: Severity | None
    is_scope: bool

    @property
    def label(self) -> str:
        return f"up to {self.worst.name}" if self.worst is not None else "not assessed"

    @property
    def action(self) -> str:
        return self.gap.action if self.gap.status in (401, 403) else ""

    def _scope(self) -> str:
        """Return why a subscription was not assessed, or only in part."""
        if self.gap.status == 403:
            return "has partial visibility; this identity cannot read everything in it"
        if self.gap.code.startswith("Subscription"):
            return f"is {self.gap.code.removeprefix('Subscription').lower()}; it was not evaluated"
        return f"was not read, {self.gap.code}"

    def sentence(self) -> str:
        checks = f"{many(self.checks, 'check')}: " if self.checks else ""
        if self.is_scope:
            return f"{checks}{self.what} {self._scope()}"
        answer = " ".join(str(part) for part in (self.gap.status, self.gap.code) if part)
        cure = "" if self.action else "; no role resolves this"
        return f"{checks}{self.what}, {answer}{cure}"


def closing(fix: str) -> Iterator[Line]:
    """Yield the command that fixes an endpoint, on a line of its own; none if a name in it has hidden characters."""
    sentence, command = split_fix(fix)
    if command and (char := odd(command)):
        yield Line(f"No command is shown because the name contains {char}. Use the portal.", column=INDENT)
    elif command:
        yield Line(command, column=INDENT, whole=True)
    elif sentence:
        yield Line(sentence, column=INDENT)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {', '.join(names[1:])})"
