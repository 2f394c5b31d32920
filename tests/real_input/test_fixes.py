"""Fixes of recorded resources: each that can be applied is, and closes its finding and what it claims."""

from scanner.evaluate.run import Evaluation
from scanner.evaluate.trials import can_try
from tests.real_input.recorded import bare, live, recorded
from tests.rules import examples
from tests.rules.simulate import closed_between, overlaid, status_of

CLOSED = ("pass", "not-applicable", "gone")


def test_each_fix_that_can_be_applied_closes_what_it_claims() -> None:
    rows = [(bare(each), each.get("api_version") or "pinned", "get") for each in recorded()]
    snapshot = live([each for each in rows if isinstance(each[0].get("id"), str)], read=True)
    evaluation = Evaluation(snapshot, examples.rules())
    wrong, applied = {}, 0
    for bundle in (*snapshot.index, *snapshot.remaining):
        before = evaluation.evaluate(bundle)
        for row in before.findings:
            changes = before.fixes[row.fingerprint].changes if row.status == "fail" else ()
            if bundle.top is None or row.fix is None or not can_try(bundle.top, changes, evaluation.index):
                continue
            applied += 1
            after = evaluation.evaluate(overlaid(bundle, changes))
            status, closed = status_of(after, row), closed_between(before, after)
            claimed = {*row.fix.closes, *(endpoint.endpoint for endpoint in row.fix.also_closes)}
            # What a recording lacks may be unknown still.
            if status not in (*CLOSED, "unknown") or not claimed <= closed:
                wrong[row.rule, row.resource] = (status, sorted(claimed - closed), row.fix.commands)
    assert wrong == {}
    assert applied > 1000
