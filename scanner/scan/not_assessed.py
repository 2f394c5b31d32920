"""What a scan could not assess, on its last screen: the worst gaps, inconclusive checks, and what was accepted."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from scanner.document import schema as rows
from scanner.evaluate.results import EvaluationResult
from scanner.model.ids import type_of
from scanner.model.severity import Severity
from scanner.terminal.lines import Line
from scanner.terminal.text import many, named

INDENT = 2


class ShownGap(Struct, frozen=True):
    """A gap on the last screen."""

    what: str
    """The name of the failed read."""
    gap: rows.GapRow
    checks: int
    """The number of checks that it leaves inconclusive."""
    worst: Severity | None
    """Their highest severity."""
    is_scope: bool
    """It is a whole subscription."""

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
        answer = " ".join(str(value) for value in (self.gap.status, self.gap.code) if value)
        cure = "" if self.action else "; no role resolves this"
        count = self.gap.resources
        unread = f"; {many(count, 'resource')} not read" if isinstance(count, int) and count else ""
        return f"{checks}{self.what}, {answer}{unread}{cure}"


class NotAssessedLines(Struct, frozen=True):
    """The block of the last screen."""

    evaluation: EvaluationResult
    role: str
    """The command that makes a role with the missing permissions."""

    def lines(self, count: int) -> Iterator[Line]:
        """Yield the block, with at most `count` gaps."""
        gaps = self.gaps()
        inconclusive = self.evaluation.counts.unaccepted_checks
        accepted = self.accepted()
        if gaps or inconclusive or accepted:
            yield Line()
        if gaps or inconclusive:
            text = self._inconclusive(len(gaps), inconclusive)
            yield Line(f"Not assessed: {text}; none of them counts as passed", column=0)
        for gap in gaps[:count]:
            yield Line(gap.sentence(), gap.label, 10, "not assessed")
            if gap.action:
                yield Line(f"missing {gap.action}", column=INDENT, whole=True)
        yield from self._more(len(gaps) - count, gaps)
        if accepted:
            yield Line(accepted, column=0)

    def accepted(self) -> str:
        """Return the sentence on accepted gaps and inconclusive checks, "" without any."""
        count, checks = self.evaluation.counts.accepted_gaps, self.evaluation.accepted_by_rule
        none = "none of them counts as passed"
        if not count:
            one = "it does not count as passed" if checks == 1 else none
            return f"Accepted: {many(checks, 'inconclusive check')}; {one}" if checks else ""
        them, others = "it" if count == 1 else "them", self.evaluation.counts.accepted_inconclusive - checks
        by_gap = f"{many(others, 'check')} inconclusive because of {them} alone"
        other = f", {checks:,} more for other reasons;" if checks else ","
        return f"Accepted: {many(count, 'gap')}; {by_gap}{other} {none}"

    def _inconclusive(self, gaps: int, checks: int) -> str:
        """Return how many checks are inconclusive because of gaps, and how many for another reason."""
        other = self.evaluation.counts.inconclusive_by_gap[""] if gaps else 0
        if not gaps:
            return f"{many(checks, 'check')} inconclusive"
        text = f"{many(gaps, 'gap')} {'leaves' if gaps == 1 else 'leave'} {many(checks - other, 'check')} inconclusive"
        return f"{text}, {other:,} more for other reasons" if other else text

    def _more(self, more: int, gaps: Sequence[ShownGap]) -> Iterator[Line]:
        cured = sum(bool(gap.action) for gap in gaps)
        which = "it" if len(gaps) == 1 else "all" if cured == len(gaps) else f"{cured:,} of the {len(gaps):,}"
        role = f"To create a role that resolves {which}:" if cured else ""
        if more > 0 or role:
            texts = [f"and {many(more, 'more gap')}"] if more > 0 else []
            yield Line(". ".join([*texts, role] if role else texts), column=0)
        if role:
            yield Line(self.role, column=INDENT, whole=True)

    def gaps(self) -> list[ShownGap]:
        """Return the gaps that were not accepted, the worst first."""
        counts = self.evaluation.counts
        names = {scope.subscription.lower(): scope.name for scope in self.evaluation.scopes} | self.evaluation.tenants
        shown_gaps = [
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
        return sorted(
            shown_gaps, key=lambda gap: (-(gap.worst if gap.worst is not None else -1), -gap.checks, gap.what)
        )
