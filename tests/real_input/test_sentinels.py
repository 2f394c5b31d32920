"""No row of a recorded resource shows MISSING in place of a value."""

from scanner.evaluate.run import Evaluation
from scanner.snapshot.bundles import of_store
from tests.real_input.counts import count
from tests.real_input.recorded import bare, recorded, stored
from tests.rules import examples
from tests.rules.test_sentinels import SENTINEL, texts


def test_recorded_resources_show_no_sentinel() -> None:
    rows = [(bare(each), each["api_version"], "get" if each["origin"] == "get" else "list") for each in recorded()]
    wrong, read = set(), 0
    for by in (True, False):
        snapshot = of_store(stored(rows, read=by))
        run = Evaluation(snapshot, examples.rules())
        for bundle in snapshot.bundles():
            for row in run.evaluate(bundle).findings:
                read += 1
                wrong |= {(row.rule, text) for text in texts(row) if SENTINEL.search(text)}
    count(f"findings without a sentinel: {read:,}")
    assert wrong == set()
