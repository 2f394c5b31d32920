"""The gaps of an evaluation: the rules that each makes inconclusive, who accepted it, and what stays unresolved."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

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


class GapsFragment(msgspec.Struct, array_like=True):
    """The gaps of a part of an evaluation, and what was recorded of them and of those that were known before it.

    `outside`, `unresolved`: URLs. `rules`: the rules that are inconclusive, by URL.
    """

    gaps: list[Gap]
    outside: list[str]
    rules: dict[str, list[str]]
    unresolved: list[str]
    accepted_by_rule: int


class GapLedger:
    """Collects the gaps of a snapshot by URL. `accepted_by_rule`: the inconclusive checks that an entry accepts by
    their rule; the other accepted ones have accepted gaps alone.

    `before`: of the ledger of a part, the gaps that are known before it.
    """

    def __init__(self, waivers: Waivers, before: Mapping[str, Gap] | None = None) -> None:
        self.accepted_by_rule = 0
        self._waivers = waivers
        self._before = before or {}
        self._gaps: dict[str, Gap] = {}
        self._rules: defaultdict[str, set[str]] = defaultdict(set)
        self._outside: set[str] = set()
        """The URLs of gaps that count where they leave something unresolved: those outside of what is evaluated."""
        self._accepted: dict[str, WaiverRow | None] = {}
        self._unresolved: set[str] = set()

    def add(self, gaps: Iterable[Gap], selection: Selection | None = None) -> None:
        """Add gaps; of one URL the first stays. `selection`: what is evaluated."""
        for gap in gaps:
            if self._known(gap.url) is None:
                self._gaps[gap.url] = gap
                if selection is not None and not selection.covers(gap.url):
                    self._outside.add(gap.url)

    def add_if_needed(self, gap: Gap) -> None:
        """Add a gap that counts only where a result depends on it."""
        self._gaps[gap.url] = gap
        self._outside.add(gap.url)

    def fork(self, waivers: Waivers) -> "GapLedger":
        """Return a ledger for a part of the evaluation. It knows the gaps so far."""
        return GapLedger(waivers, self._gaps)

    def fragment(self) -> GapsFragment:
        """Return what the ledger of a part has collected."""
        rules = {url: sorted(matches) for url, matches in self._rules.items()}
        return GapsFragment(
            list(self._gaps.values()), list(self._outside), rules, list(self._unresolved), self.accepted_by_rule
        )

    def join(self, fragment: GapsFragment) -> None:
        """Add what a part has collected."""
        fresh = [gap for gap in fragment.gaps if self._known(gap.url) is None]
        self._outside.update({gap.url for gap in fresh}.intersection(fragment.outside))
        self.add(fresh)
        for url, rules in fragment.rules.items():
            self._rules[url].update(rules)
        self._unresolved.update(fragment.unresolved)
        self.accepted_by_rule += fragment.accepted_by_rule

    def _known(self, url: str) -> Gap | None:
        return self._gaps.get(url) or self._before.get(url)

    def accept(self, rule: Rule, resource: str, verdict: Unknown) -> WaiverRow | None:
        """Record an inconclusive check. Return who accepted it, None where a reason of it is not accepted.

        Each of its gaps must be accepted and, where it has other reasons, the rule on that resource. Of several
        entries the first to expire is returned.
        """
        self._waivers.inconclusive(rule, resource)
        self._attribute(rule, verdict.gaps)
        has_other_reasons = verdict.has_other_reasons or not verdict.gaps
        waiver_rows = [waiver for url in verdict.gaps if (waiver := self._waiver(url)) is not None]
        if len(waiver_rows) == len(verdict.gaps):
            entry = self._waivers.accepted_check(rule, resource)
            if has_other_reasons and entry is not None:
                waiver_rows.append(entry)
            if not has_other_reasons or entry is not None:
                self.accepted_by_rule += has_other_reasons
                return min(waiver_rows, key=ends)
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
            if not self._rules.get(url):
                del self._gaps[url]

    def rows(self) -> list[GapRow]:
        """Return the gaps with the rules that each makes inconclusive, by URL."""
        return [self._row(gap) for gap in sorted(self._gaps.values(), key=lambda each: each.url.lower())]

    def all_accepted(self, rows: Iterable[GapRow]) -> bool:
        """Return whether every gap is accepted and nothing else leaves a check unresolved."""
        accepted = {row.url for row in rows if row.accepted}
        return accepted.issuperset(self._gaps) and accepted.issuperset(self._unresolved)

    def _row(self, gap: Gap) -> GapRow:
        waiver = self._waiver(gap.url)
        return GapRow(
            url=gap.url,
            status=gap.status,
            code=gap.code,
            action=gap.action,
            rules=sorted(self._rules.get(gap.url, ())),
            accepted=waiver is not None,
            waiver=waiver or msgspec.UNSET,
            resources=gap.resources or msgspec.UNSET,
        )

    def _waiver(self, url: str) -> WaiverRow | None:
        """Return who accepted the gap of this URL. What is no gap of the snapshot is not accepted."""
        if url not in self._accepted and (gap := self._known(url)) is not None:
            self._accepted[url] = self._waivers.accepted_gap(gap)
        return self._accepted.get(url)

    def _attribute(self, rule: Rule, urls: Iterable[str]) -> None:
        for url in urls:
            if self._known(url) is not None:
                self._rules[url].add(rule.id)
