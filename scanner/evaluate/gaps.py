"""The gaps of an evaluation: the rules that each makes inconclusive, who accepted it, and what stays unresolved."""

from collections.abc import Iterable

import msgspec

from scanner.document.schema import GapRow, WaiverRow
from scanner.evaluate.policy import Waivers
from scanner.model.resource import Gap
from scanner.model.rule import Rule
from scanner.model.verdict import Unknown, Unread
from scanner.snapshot.selection import Selection


def ends(waiver: WaiverRow) -> str:
    """Return the date as text that sorts. What the settings intend has no end and sorts last."""
    return waiver.expires or "9999"


class GapLedger:
    """Collects the gaps of a snapshot by URL. `accepted_by_rule`: the inconclusive checks that an entry accepts by
    their rule; the other accepted ones have accepted gaps alone.
    """

    def __init__(self, waivers: Waivers) -> None:
        self.accepted_by_rule = 0
        self._waivers = waivers
        self._gaps: dict[str, tuple[Gap, set[str]]] = {}
        self._outside: set[str] = set()
        """The URLs of gaps outside of what is evaluated: each counts where it leaves something unresolved."""
        self._accepted: dict[str, WaiverRow | None] = {}
        self._unresolved: set[str] = set()

    def add(self, gaps: Iterable[Gap], selection: Selection | None = None) -> None:
        """Add gaps; of one URL the first stays. `selection`: what is evaluated."""
        for gap in gaps:
            if gap.url not in self._gaps:
                self._gaps[gap.url] = (gap, set())
                if selection is not None and not selection.has_place(gap.url):
                    self._outside.add(gap.url)

    def accept(self, rule: Rule, resource: str, verdict: Unknown) -> WaiverRow | None:
        """Record an inconclusive check. Return who accepted it, None where a reason of it is not accepted.

        Each of its gaps must be accepted and, where it has other reasons, the rule on that resource. Of several
        entries the first to expire is returned.
        """
        self._waivers.inconclusive(rule, resource)
        self._attribute(rule, verdict.gaps)
        has_other_reasons = verdict.has_other_reasons or not verdict.gaps
        found = [waiver for url in verdict.gaps if (waiver := self._waiver(url)) is not None]
        if len(found) == len(verdict.gaps):
            entry = self._waivers.accepted_check(rule, resource)
            if has_other_reasons and entry is not None:
                found.append(entry)
            if not has_other_reasons or entry is not None:
                self.accepted_by_rule += has_other_reasons
                return min(found, key=ends)
        self.leave_unresolved([*verdict.gaps, *([""] if has_other_reasons else [])])
        return None

    def add_partial(self, rule: Rule, missing: Iterable[Unread]) -> None:
        """Record the parts that a failed check could not read."""
        for each in missing:
            self._unresolved.add(each.gap or "")
            if each.gap:
                self._attribute(rule, (each.gap,))

    def leave_unresolved(self, urls: Iterable[str]) -> None:
        """Record gaps that leave a check or an endpoint unresolved; "" for a reason that is no gap."""
        self._unresolved.update(urls)

    def close(self) -> None:
        """Forget the gaps outside of what was evaluated on which no result depends. After the last bundle."""
        for url in self._outside - self._unresolved:
            if not self._gaps[url][1]:
                del self._gaps[url]

    def rows(self) -> list[GapRow]:
        """Return the gaps with the rules that each makes inconclusive, by URL."""
        found = sorted(self._gaps.values(), key=lambda each: each[0].url.lower())
        return [self._row(gap, rules) for gap, rules in found]

    def all_accepted(self, rows: Iterable[GapRow]) -> bool:
        """Return whether every gap is accepted and nothing else leaves a check unresolved."""
        accepted = {row.url for row in rows if row.accepted}
        return accepted.issuperset(self._gaps) and accepted.issuperset(self._unresolved)

    def _row(self, gap: Gap, rules: set[str]) -> GapRow:
        waiver = self._waiver(gap.url)
        return GapRow(
            url=gap.url,
            status=gap.status,
            code=gap.code,
            action=gap.action,
            rules=sorted(rules),
            accepted=waiver is not None,
            waiver=waiver or msgspec.UNSET,
            resources=gap.resources or msgspec.UNSET,
        )

    def _waiver(self, url: str) -> WaiverRow | None:
        """Return who accepted the gap of this URL. What is no gap of the snapshot is not accepted."""
        if url not in self._accepted and url in self._gaps:
            self._accepted[url] = self._waivers.accepted_gap(self._gaps[url][0])
        return self._accepted.get(url)

    def _attribute(self, rule: Rule, urls: Iterable[str]) -> None:
        for url in urls:
            if url in self._gaps:
                self._gaps[url][1].add(rule.id)
