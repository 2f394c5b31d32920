"""What is read once for all subscriptions: queries of Resource Graph, the index, ARM's list of regions.

Resource Graph counts queries per identity over all subscriptions, so one process asks for all of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from scanner.collect.bulk import GraphTable
from scanner.collect.containers import ContainerReader
from scanner.collect.index_types import IndexReader
from scanner.collect.plan import Json
from scanner.collect.queue import CollectionContext, SubscriptionView
from scanner.collect.shared import SharedAnswers, SharedTable
from scanner.collect.visibility import VisibilityReader
from scanner.model.ids import subscription_of
from scanner.model.masked_values import masked_value

if TYPE_CHECKING:
    from scanner.azure.subscriptions import Subscription


class Survey(Struct):
    """What was read for all subscriptions. `targets`: the subscriptions in scope, also those that cannot be read.

    `types`, `index`, `tables`, `regions`, `excluded`: see `SharedAnswers`, here of all subscriptions. In
    `answers` is nothing but what a snapshot keeps, and nothing that looks like a secret.
    """

    targets: "Sequence[Subscription]"
    excluded: list[str] = field(default_factory=list)
    types: Iterable[Json] | None = None
    index: Mapping[tuple[str, str], int] | None = None
    tables: Mapping[str, GraphTable | None] = field(default_factory=dict)
    regions: list[Json] = field(default_factory=list)

    @property
    def readable(self) -> "list[Subscription]":
        """Return the subscriptions that are collected, each once."""
        return list({each.id.lower(): each for each in self.targets if each.readable}.values())

    def answers(self) -> "Iterator[tuple[Subscription, SharedAnswers]]":
        """Yield each subscription that can be read, with what concerns it."""
        types, counts = defaultdict[str, list[Json]](list), defaultdict[str, dict[str, int]](dict)
        for row in self.types or ():
            types[str(row.get("subscriptionId")).lower()].append(row)
        for (subscription, type), count in (self.index or {}).items():
            counts[subscription][type] = count
        lists = defaultdict[str, list[tuple[str, str]]](list)
        for name, table in self.tables.items():
            for list_path in table.rows if table is not None else ():
                lists[subscription_of(list_path)].append((name, list_path))
        for each in self.readable:
            id = each.id.lower()
            yield (
                each,
                SharedAnswers(
                    types=None if self.types is None else types[id],
                    index=None if self.index is None else counts[id],
                    tables=self._tables_of(lists[id]),
                    regions=self.regions,
                    excluded=self.excluded,
                ),
            )

    def _tables_of(self, lists: Iterable[tuple[str, str]]) -> dict[str, SharedTable | None]:
        result = {
            name: None if table is None else SharedTable(sorted(table.types)) for name, table in self.tables.items()
        }
        for name, list_path in lists:
            table, shared = self.tables[name], result[name]
            if table is not None and shared is not None:
                blocks = table.rows[list_path]
                rows = None if blocks is None else [msgspec.json.decode(each.read()) for each in blocks]
                shared.rows[list_path] = None if rows is None else [masked_value(each) for each in rows]
        return result


async def read_survey(context: CollectionContext, survey: Survey, *, graph: bool) -> None:
    """Read what concerns all subscriptions into a survey; rows of the index, and regions, into the store.

    `graph`: ask Resource Graph.
    """
    visibility, index, containers = VisibilityReader(context), IndexReader(context), ContainerReader(context)
    visibility.write_views([each for each in survey.targets if not each.readable], {})
    ids = [each.id for each in survey.readable]
    views = [SubscriptionView(id) for id in ids]
    if graph:
        survey.types = await visibility.query_types(ids)
    if survey.types is not None:
        types = index.types()
        survey.index = await index.query(types, ids) if types else {}
        _count(views, survey.types)
        context.bulk.begin(views)
        survey.tables = await context.bulk.tables()
    if context.plan.places:
        await containers.read_regions(views)
        survey.regions = containers.listed


def _count(views: Sequence[SubscriptionView], rows: Iterable[Json]) -> None:
    """Note how many resources of each type there are, as far as that says which tables are worth a query."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        count = row.get("count_")
        counts[str(row.get("subscriptionId")).lower()][str(row.get("type")).lower()] = (
            count if isinstance(count, int) else 0
        )
    for view in views:
        view.existing_types, view.known_counts = {}, dict(counts[view.id.lower()])
