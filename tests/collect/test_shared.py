"""One survey, and a collection of each subscription, give the lines of one collection of all of them."""

from collections.abc import Callable

import msgspec
import pytest

from scanner.azure.clients import AzureReader
from scanner.collect.collector import Plan, Scope, collect, collect_one, survey
from scanner.collect.shared import SharedAnswers
from scanner.model.residency import ResidencyPolicy
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import RuleSet, load
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import RecordedRequest, Sandbox, sandbox
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import RecordedProgress, box, reading
from tests.estate.parts import one_of_each_type

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
RULES = load(packages=False)


def new_store(rules: RuleSet) -> Store:
    kept = kept_paths(rules, ("owner",))
    return Store(Header(taken="2026-11-25T02:00:00Z", kept=kept.listed(), kept_tags=sorted(kept.tags)))


@pytest.mark.parametrize(
    ("made", "graph"),
    [
        (lambda: sandbox(one_of_each_type()), True),
        (lambda: box(faults=[Fault("refuse", GRAPH)]), True),
        (box, False),
    ],
    ids=["graph", "graph refuses", "no graph"],
)
def test_shards_give_the_lines_of_one_collection(made: Callable[[], Sandbox], graph: bool) -> None:
    plan = Plan(RULES.read(), RULES.reads(), places=True, quotas=ResidencyPolicy())
    whole, shared = new_store(RULES), new_store(RULES)
    running = made()
    queries: list[RecordedRequest] = []

    async def read(reader: AzureReader) -> None:
        await collect(reader, Scope(graph=graph), plan, whole, RecordedProgress())
        result = await survey(reader, Scope(graph=graph), plan, shared, RecordedProgress())
        asked = len(running.requests)
        for subscription, answers in result.answers():
            given = msgspec.json.decode(msgspec.json.encode(answers), type=SharedAnswers)
            shard = new_store(RULES)
            await collect_one(reader, subscription, given, plan, shard, RecordedProgress(), graph=graph)
            for line in shard.decoded():
                shared.add(line)
        queries.extend(each for each in running.requests[asked:] if each.path == GRAPH)

    reading(running, read)
    assert list(shared.lines()) == list(whole.lines())
    assert queries == []


def test_a_collection_in_small_pieces_gives_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """One subscription at a time, few bundles at once, and pages that wait for the bundles before them."""
    plan = Plan(RULES.read(), RULES.reads(), places=True, quotas=ResidencyPolicy())
    whole, pieces = new_store(RULES), new_store(RULES)

    async def read(reader: AzureReader) -> None:
        await collect(reader, Scope(), plan, whole, RecordedProgress())
        monkeypatch.setattr("scanner.collect.whole_subscriptions.SUBSCRIPTIONS", 1)
        monkeypatch.setattr("scanner.collect.queue.MOST", 3)
        monkeypatch.setattr("scanner.collect.queue.MOST_WAITING", 3)
        await collect(reader, Scope(), plan, pieces, RecordedProgress())

    reading(sandbox(one_of_each_type(), page_size=2), read)
    assert list(pieces.lines()) == list(whole.lines())
