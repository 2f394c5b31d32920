"""A bundle is freed after its evaluation, without the collector of cycles."""

import gc
from contextlib import closing

from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.model.cycle_collector import without_cycle_collector
from scanner.model.resource import Bundle
from scanner.model.unread import Unread
from scanner.snapshot.bundles import of_store
from tests.benchmarks.evaluate import bundles, estate
from tests.rules import examples

FAMILIES = ("storage", "defender", "appservice")
"""Their examples have unread children, which are raised and kept."""


def test_no_bundle_outlives_its_evaluation() -> None:
    found = [each for name in FAMILIES for each in bundles(name)]
    names = {f"{each.id}{number:06d}" for number, each in enumerate(found)}
    store = estate(iter(found), len(found))
    snapshot = of_store(store)
    with closing(store), closing(Writer()) as writer, without_cycle_collector():
        run = Evaluation(snapshot, examples.rules())
        names -= {each.id for each in snapshot.index}
        run.run(writer)
        left = [each.id for each in gc.get_objects() if isinstance(each, Bundle) and each.id in names]
    assert len(names) > 200
    assert len(left) <= 5, "what an evaluation leaves waits for the collector of cycles"


def test_what_is_kept_is_raised_as_a_new_exception() -> None:
    kept = Unread("blobServices/default", "403 AuthorizationFailed", "/subscriptions/s")
    again = kept.again()
    assert again is not kept
    assert (again.what, again.why, again.gap) == (kept.what, kept.why, kept.gap)
