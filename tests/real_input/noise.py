"""How often each rule fails and is inconclusive on the recorded resources: `make noise`.

Prints a Markdown table, one row a rule, the noisiest first: severity, recorded resources that the rule applies to, the
percentages that fail and that are inconclusive, and the most frequent reason for the latter. Where the recordings lack
a resource's properties or a read below it, the verdict says nothing about the rule: a column of its own.

The recordings come from the tests of tools, so that few of them are hardened: a percentage shows what a rule says of a
resource with the defaults of its day. What is inconclusive at an older version than the one that a scan reads, or in a
region that only Microsoft uses, says nothing about a rule either.

Rules of medium severity or above with ten resources or more that fail on more than 80 %, or are inconclusive on more
than 20 %, need a reason in `noisy.toml`: `test_noise.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scanner.evaluate.run import Evaluation
from scanner.model.resource import Bundle
from scanner.model.severity import Severity
from scanner.model.verdict import NOT_LISTED
from scanner.snapshot.bundles import of_store
from tests.real_input.recorded import bare, recorded, stored
from tests.rules import examples

NOT_RECORDED = (
    NOT_LISTED,
    "only parts of it were collected",
    "returned no properties",
    "properties: Azure did not",
    # Lists that Azure never returns empty for a running app, and that no recording has.
    "basicPublishingCredentialsPolicies/",
    "returned an empty list",
    # Regions that only Microsoft uses.
    "euap'",
    "stage'",
)
ENOUGH = 10
MOST_FAILING = 80.0
"""Percent of the resources that a rule applies to."""
MOST_UNKNOWN = 20.0
"""Percent."""


@dataclass(slots=True)
class Noise:
    """The verdicts of one rule. `unread`: inconclusive because no recording has the read."""

    rule: str
    severity: str
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def applicable(self) -> int:
        """The resources with a verdict, without those of which the recordings lack a read."""
        return self.counts["pass"] + self.counts["fail"] + self.counts["unknown"]

    def share(self, status: str) -> float:
        return 100 * self.counts[status] / self.applicable if self.applicable else 0.0

    def row(self) -> str:
        cells = [self.rule, self.severity, str(self.applicable), f"{self.share('fail'):.0f}"]
        cells += [f"{self.share('unknown'):.0f}", str(self.counts["unread"])]
        reason = self.reasons.most_common(1)[0][0] if self.reasons else ""
        return f"| {' | '.join([*cells, reason.replace('|', '/')[:110]])} |"


def noise() -> list[Noise]:
    """The verdicts of every rule, for all its types, over the recorded resources, worst first."""
    rows = [(bare(each), each["api_version"], "get" if each["origin"] == "get" else "list") for each in recorded()]
    store = stored(rows, read=True)
    snapshot = of_store(store)
    run = Evaluation(snapshot, examples.rules())
    result: dict[str, Noise] = {}
    for rule in run.rules.enabled.values():
        severity = Severity.info if rule.retired_on else rule.severity
        result.setdefault(rule.id, Noise(rule.id, severity.name if severity is not None else "lock"))
    for bundle in snapshot.bundles():
        if bundle.top is not None and not bundle.top.has_no_properties:
            _add(result, run, bundle)
    return sorted(result.values(), key=lambda each: (-each.share("fail") - each.share("unknown"), each.rule))


def _add(matches: dict[str, Noise], run: Evaluation, bundle: Bundle) -> None:
    result = run.evaluate(bundle)
    is_older = _is_older(bundle)
    for rules in result.passed.values():
        for rule in rules:
            matches[rule].counts["pass"] += 1
    for row in result.findings:
        unread = row.status == "unknown" and (is_older or any(each in row.message for each in NOT_RECORDED))
        matches[row.rule].counts["unread" if unread else row.status] += 1
        if row.status == "unknown" and not unread:
            matches[row.rule].reasons[row.message] += 1


def _is_older(bundle: Bundle) -> bool:
    """Return whether a resource was recorded at an older version than a scan reads."""
    assert bundle.top is not None
    pinned = [kind.api for kind in examples.kinds_of(bundle.top.type)]
    return bool(pinned) and (bundle.top.api or "")[:10] < min(pinned)[:10]


def noisy(noises: Iterable[Noise]) -> list[str]:
    """Return the rules that need a reason."""
    return [
        each.rule
        for each in noises
        if each.severity in ("medium", "high", "critical")
        and each.applicable >= ENOUGH
        and (each.share("fail") > MOST_FAILING or each.share("unknown") > MOST_UNKNOWN)
    ]


def table(noises: Iterable[Noise]) -> Iterator[str]:
    """The lines of the table; rules that apply to nothing recorded stand in the last line."""
    yield "| rule | severity | applicable | fail % | unknown % | not recorded | most frequent reason of unknown |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    none: dict[bool, list[str]] = defaultdict(list)
    for each in noises:
        none[each.applicable > 0].append(each.row() if each.applicable else each.rule)
    yield from none[True]
    yield f"\nRules that apply to no recorded resource ({len(none[False])}): {', '.join(none[False])}"


if __name__ == "__main__":
    print("\n".join(table(noise())))
