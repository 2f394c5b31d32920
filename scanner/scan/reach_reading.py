"""Reads from Azure what a reach query is about: the resource, the caller and the networks."""

import re
from collections.abc import Iterator, Sequence

from scanner.config.settings import Settings
from scanner.document.schema import now
from scanner.errors import InputError, UserError
from scanner.evaluate.hosts import host_of
from scanner.evaluate.reach_targets import (
    MACHINE,
    SCALE_SET,
    ReachQuestion,
    ambiguous,
    is_address,
    not_covered,
    unknown_resource,
)
from scanner.model.ids import name_of, root_of, subscription_of, type_of
from scanner.model.resource_type import Read, ResourceType
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import RuleSet
from scanner.scan.sources import show_logins
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

_NAME = re.compile(r"[\w.() -]+", re.ASCII)


def collected(question: ReachQuestion, rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> Store:
    """Return what Azure says of the resources of a question and of the networks. Raises what a collection raises."""
    kept = kept_paths(rules).listed()
    store = Store(Header(taken=now(), cloud=settings["cloud"], kept=kept, kept_tags=[]))
    screen.begin("Reading")
    try:
        stop.run(_read(question, rules, settings, screen, store))
    finally:
        screen.finish()
    return store


async def _read(question: ReachQuestion, rules: RuleSet, settings: Settings, screen: Screen, store: Store) -> None:
    from scanner.azure.clients import ConnectionOptions, connect
    from scanner.collect.collector import Plan, Scope, collect

    way = ConnectionOptions.of(settings)
    kinds = [kind for kind in rules.kinds if kind.endpoint_function is not None]
    evaluated = {type.lower() for kind in kinds for type in kind.types}
    async with connect(way, on_wait=screen.wait, prompt=screen.tell, on_request=screen.note_response) as reader:
        store.header.cloud, store.header.principal = reader.cloud, reader.account.name
        store.header.tenants = dict(reader.labels)
        show_logins(reader.labels, reader.notes, screen)
        finder = _IdFinder(reader, settings["subscription"])
        target = await finder.id(question.resource, evaluated, "RESOURCE")
        ids, beside = [target], []
        source = question.source
        if source and source.lower() not in ("internet", "*") and not is_address(source):
            other = await finder.id(source, set(), f"--source {source}")
            beside.append(subscription_of(other))
            if type_of(root_of(other)).lower() in (MACHINE, SCALE_SET):
                ids.append(other)
        scope = Scope(
            resources=tuple(dict.fromkeys(ids)), index_subscriptions=tuple(dict.fromkeys(beside)), admin_rules=True
        )
        plan = Plan([*kinds, *_fronts(rules)], [*_reads(kinds), *rules.looked_up()])
        await collect(reader, scope, plan, store, screen)


def _fronts(rules: RuleSet) -> list[ResourceType]:
    """Return the resource types of which a child is looked up for others: Front Doors, API Management."""
    return [
        kind for kind in rules.kinds if kind.endpoint_function is None and any(each.always for each in kind.children)
    ]


def _reads(kinds: Sequence[ResourceType]) -> Iterator[Read]:
    """Yield what exposures read, parents first."""
    seen: set[Read] = set()
    for kind in kinds:
        for child in kind.endpoint_reads:
            line = [child]
            while isinstance(line[-1].parent, Read):
                line.append(line[-1].parent)
            for each in reversed(line):
                if each not in seen:
                    seen.add(each)
                    yield each


class _IdFinder:
    """Finds ids by name with one query of Resource Graph."""

    def __init__(self, reader: object, wanted: Sequence[str]) -> None:
        self.reader = reader
        self.wanted = wanted

    async def id(self, word: str, evaluated: set[str], at: str) -> str:
        """Return the id that a word names. Raise InputError."""
        if word.startswith("/"):
            return word
        if not _NAME.fullmatch(word):
            raise InputError(f'"{word}" is not a resource name', at=at, do="give its id")
        named = await self._query(f"resources | where name =~ '{word}' | project id | order by id asc")
        rows = [each for each in named if not evaluated or type_of(each).lower() in evaluated]
        if not rows and (label := host_of(word).partition(".")[0].removesuffix("-secondary")):
            # Most hosts begin with the name of their resource. Whether it has the host is known once it is read.
            ids = await self._query(f"resources | where name =~ '{label}' | project id | order by id asc")
            rows = [each for each in ids if type_of(each).lower() in evaluated]
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise ambiguous(word, rows, at)
        every = await self._query("resources | project id | order by id asc")
        names = {name_of(each) for each in every if not evaluated or type_of(each).lower() in evaluated}
        if named:
            raise not_covered(word, {type_of(each).lower(): type_of(each) for each in named}.values())
        raise unknown_resource(word, names)

    async def _query(self, kql: str) -> list[str]:
        from scanner.azure.errors import ReadError
        from scanner.azure.limits import ALONE
        from scanner.azure.reader import AzureReader

        reader = self.reader
        assert isinstance(reader, AzureReader)
        known = await reader.named(self.wanted) if self.wanted else await reader.subscriptions()
        ALONE.set(True)
        try:
            rows = await reader.query(kql, [each.id for each in known if each.readable])
        except ReadError as error:
            raise UserError(
                f"Resource Graph cannot look up the name: {error.status} {error.code}",
                do="give the id of the resource",
                code=4,
            ) from error
        return [row["id"] for row in rows if isinstance(row.get("id"), str)]
