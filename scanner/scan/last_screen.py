"""The last screen of a scan: reads, evaluation, worst endpoints, gaps, result, files, exit code; also as a log."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from scanner.document.states import STATES, state_word
from scanner.evaluate.counts import Counts
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import Exit
from scanner.model.severity import SEVERITIES
from scanner.report.language.text import uncovered_types
from scanner.report.language.words import Words
from scanner.report.views.headline import headline, inconclusive, left_out
from scanner.rulebook.costs import cost_off
from scanner.rulebook.loader import RuleSet
from scanner.scan.answer_lines import first_lines, is_shown, named, next_lines, severity_lines
from scanner.scan.change_lines import ChangeLines
from scanner.scan.not_assessed import NotAssessedLines
from scanner.terminal.lines import Line, rows_of
from scanner.terminal.text import many, span

WORST, INFO, INFO_RULES = 10, 5, 3
GAPS, LEAST_GAPS = 10, 3
COMMANDS, TALL = 3, 60
"""How many of the worst entries have their commands; on a terminal of `TALL` rows, all have."""


class LastScreen(Struct, frozen=True):
    """The last screen of a scan."""

    evaluation: EvaluationResult
    rules: RuleSet
    took: float | None
    """Seconds of reading, None if nothing was read from Azure."""
    wrote: Sequence[str]
    """Names of files."""
    end: Exit
    fail_on: str
    role: str = "twolocks access role > role.json"
    """The command that makes a role with the missing permissions."""
    news: ChangeLines | None = None
    again: Sequence[str] = ("twolocks", "scan")
    """The words of the same scan."""
    shown: str = ""
    """The least severity that is listed (`--severity`), "" for all."""
    resume: str = ""
    """The command that reads what was not read, "" where that would change nothing."""

    @property
    def counts(self) -> Counts:
        return self.evaluation.counts

    @property
    def failed(self) -> int:
        return self.counts.gaps

    @property
    def not_assessed(self) -> NotAssessedLines:
        return NotAssessedLines(self.evaluation, self.role)

    # The screen

    def body(self, height: int, width: int) -> list[Line]:
        """Return the lines above the numbers. The lines from the gaps to the exit code take at most `height` rows,
        unless these are the first `LEAST_GAPS`.
        """
        room = height - rows_of(self.tail(), width)
        left = self.not_assessed
        fitting = (count for count in range(GAPS, LEAST_GAPS, -1) if rows_of(left.lines(count), width) <= room)
        gaps = next(fitting, LEAST_GAPS)
        return [
            Line(self.read(), "Read"),
            Line(self.evaluated(), "Evaluated"),
            *([Line(off, "Off")] if (off := self.off()) else []),
            *first_lines(self.counts, WORST, WORST if height >= TALL else COMMANDS, self.shown),
            *(self.info(INFO) if is_shown("info", self.shown) else ()),
            *(self.news.lines() if self.news is not None else ()),
            *left.lines(gaps),
        ]

    def tail(self) -> list[Line]:
        """Return the numbers by severity, result, files, the next command and exit."""
        return [
            *severity_lines(self.counts),
            Line(),
            *self.result(),
            *self.files(),
            *([Line("to read what was not read:", "Resume"), Line(self.resume, command=True)] if self.resume else []),
            *next_lines(self.counts, self.wrote, self.again),
            Line(self.end.why, f"Exit {self.end.code}"),
        ]

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
        known = (
            (self.counts.endpoints, "endpoint"),
            (self.counts.checks, "check"),
            (len(self.rules.enabled_questions()), "rule"),
        )
        text = ", ".join(many(count, word) for count, word in known)
        if rest:
            are = "is" if resources == 1 else "are"
            text += f"; {many(resources, 'resource')} of {many(len(rest), 'type')} {are} not covered by any rule: "
            text += uncovered_types(rest, Words())
        return text

    def off(self) -> str:
        """Return which rules are off because of their cost, what they would read here, and how one is enabled; "" where
        nothing was read from Azure, or where no such rule has a resource here.
        """
        cost = cost_off(self.rules, self.evaluation.by_type)
        if self.took is None or not cost.rules:
            return ""
        are = "is" if cost.rules == 1 else "are"
        more = f", which would make about {many(cost.reads, 'more read')}" if cost.reads else ""
        every = "" if "--only" in self.again else "--only '*' "
        enable = f"{every}--only RULE enables one, twolocks rules list names them"
        return f"{many(cost.rules, 'rule')}{more}, {are} off by default: {enable}"

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

    def result(self) -> Iterator[Line]:
        first, *more = self.result_sentences()
        yield Line(first, "Result")
        for each in more:
            yield Line(each)

    def result_sentences(self) -> list[str]:
        counts, evaluation = self.counts, self.evaluation
        outside = left_out(evaluation, Words())
        if not counts.endpoints and not counts.statuses and evaluation.complete:
            where = ", ".join(scope.name for scope in evaluation.scopes[:3]) or "the input"
            return [f"No resource of a supported type was found in {where}", *outside]
        result = headline(counts, evaluation.scopes, Words(), complete=evaluation.complete)
        texts = [result.explained, result.result] if result.missing else [str(result)]
        texts += outside
        if checks := inconclusive(counts, Words()):
            failed = f"; {many(counts.gaps, 'read')} failed" if counts.gaps else ""
            texts.append(f"{checks}{failed}. None of them counts as passed")
        if evaluation.complete and self.not_assessed.accepted():
            what = "inconclusive checks" if counts.unaccepted_gaps == counts.gaps else "gaps"
            texts.append(f"The {what} are accepted, not resolved")
        elif evaluation.complete and not result.missing and self.took is not None:
            what = f"Everything that --until {self.rules.until} asks for" if self.rules.until else "Everything in scope"
            texts.append(f"{what} was read: {counts.reads:,} of {many(counts.reads, 'read')}")
        return texts

    def files(self) -> list[Line]:
        return [Line(_listed(self.wrote), "Wrote", whole=True)] if self.wrote else []

    # The log

    def found(self) -> str:
        """Return the endpoints by severity and state, then the other findings by severity: `5 critical, 14 high,
        1 not assessed, 26 closed; other findings: 2 medium`. Each endpoint is counted once.
        """
        counts = self.counts
        texts = [f"{counts.open[name]:,} {name}" for name in SEVERITIES if counts.open[name]]
        rest = [state for state in STATES if state != "open" and counts.states[state]]
        texts += [f"{counts.states[name]:,} {state_word(name)}" for name in rest]
        more = [f"{counts.in_part:,} open or accepted may be more severe"] if counts.in_part else []
        others = [f"{counts.other_failures[name]:,} {name}" for name in SEVERITIES if counts.other_failures[name]]
        more += [f"other findings: {', '.join(others)}"] if others else []
        more += [f"{many(counts.accepted_gaps, 'gap')} accepted"] if counts.accepted_gaps else []
        accepted = counts.accepted_inconclusive
        more += [f"{many(accepted, 'inconclusive check')} accepted"] if accepted else []
        return "; ".join([", ".join(texts) or "no endpoint", *more])

    def found_lines(self, most: int) -> list[str]:
        """Return what is open at or above `--fail-on` (never: high), that first which the first changes answer: at most
        so many lines, and how many endpoints and findings are not in them.
        """
        counts = self.counts
        least = "high" if self.fail_on == "never" else self.fail_on.removeprefix("new:")
        if not is_shown(least, self.shown):
            least = self.shown
        groups = [group for group in counts.fix_groups() if is_shown(group.severity, least)]
        lines = [f"{group.severity} {named(group, ' ')} {group.fingerprint}" for group in groups[:most]]
        total = sum(number for name, number in counts.by_severity.items() if is_shown(name, least))
        if more := total - sum(each.at_least(least) for each in groups[:most]):
            lines.append(f"and {more:,} more open {'endpoint or finding' if more == 1 else 'endpoints and findings'}")
        return lines

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


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {', '.join(names[1:])})"
