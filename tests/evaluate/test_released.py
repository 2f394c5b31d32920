"""A bundle is freed after its evaluation, without the collector of cycles."""

import gc
from contextlib import closing

import pytest

from scanner.cycle_collector import without_cycle_collector
from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.unread import Unread
from scanner.snapshot.bundles import of_store
from tests.benchmarks.evaluate import bundles, estate
from tests.rules import examples

FAMILIES = ("storage", "defender", "appservice")
"""Their examples have unread children, which are raised and kept."""


def test_no_bundle_outlives_its_evaluation() -> None:
    matches = [each for name in FAMILIES for each in bundles(name)]
    names = {f"{each.id}{number:06d}" for number, each in enumerate(matches)}
    store = estate(iter(matches), len(matches))
    snapshot = of_store(store)
    with closing(store), closing(Writer()) as writer, without_cycle_collector():
        run = Evaluation(snapshot, examples.rules())
        names -= {each.id for each in snapshot.index}
        run.run(writer)
        left = [each.id for each in gc.get_objects() if isinstance(each, Bundle) and each.id in names]
    assert len(names) > 200
    assert len(left) <= 5, "what an evaluation leaves waits for the collector of cycles"


@pytest.mark.usefixtures("new_objects_only")
def test_bundles_of_the_index_let_go_of_their_resources_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bundles", "stored"):
        monkeypatch.setattr(f"scanner.snapshot.{module}.IN_MEMORY", 2)
    matches = [each for name in ("keyvault", "network") for each in bundles(name)]
    with closing(estate(iter(matches), len(matches))) as store, without_cycle_collector():
        gc.collect()
        before = {id(each) for each in gc.get_objects() if type(each) is Resource}
        index = of_store(store).index
        made = [each for each in gc.get_objects() if type(each) is Resource and id(each) not in before]
    assert len(index) > 50
    assert len(made) <= 4 + sum(len(each.resources) for each in index[:2])


def test_what_is_kept_is_raised_as_a_new_exception() -> None:
    kept = Unread("blobServices/default", Message("403 AuthorizationFailed"), "/subscriptions/s")
    again = kept.again()
    assert again is not kept
    assert (again.what, again.why, again.gap) == (kept.what, kept.why, kept.gap)
