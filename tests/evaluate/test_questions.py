"""What a bundle asked of the index is all that its rows depend on, beside its own resources."""

import random
import re
from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from scanner.evaluate.missing import index_of
from scanner.evaluate.policy import Policy
from scanner.evaluate.questions import GROWING, Questions, Recorder
from scanner.evaluate.results import BundleResult
from scanner.evaluate.run import Evaluation
from scanner.model.ids import bundle_of, root_of
from scanner.model.index import Index
from scanner.model.message import message_text
from scanner.model.resource import Resource
from scanner.rulebook.loader import load
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header, SnapshotLine, decoder, encoder, url_of
from scanner.snapshot.store import Store
from tests.sampled import some

Rows = dict[str, bytes]
"""The rows of each bundle, encoded, by its id."""
STRANGE = (None, "strange", "Enabled", "Disabled", "*", "0.0.0.0/0")
_encode = msgspec.json.Encoder(enc_hook=message_text).encode


class Estate(NamedTuple):
    """The lines of a snapshot."""

    header: Header
    lines: list[SnapshotLine]

    @property
    def places(self) -> list[int]:
        """Return the places of the resources that are in a bundle."""
        return [at for at, each in enumerate(self.lines) if each.resource is not None and root_of(url_of(each))]

    def resource(self, at: int) -> Resource:
        return Resource(_copied(self.lines[at].resource))


class Change(NamedTuple):
    """Another snapshot, and the resources that differ, as they are before and after."""

    lines: list[SnapshotLine]
    before: list[Resource]
    after: list[Resource]

    def touches(self, questions: Questions) -> bool:
        return any(map(questions.see, (*self.before, *self.after)))

    @property
    def own(self) -> set[str]:
        return {bundle_of(each.id) for each in (*self.before, *self.after)}


def _copied(body: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(body))


def rows_of(result: BundleResult) -> bytes:
    passed = sorted((id, sorted(rules)) for id, rules in result.passed.items())
    reasons = sorted((id, sorted(each.items())) for id, each in result.not_applicable.items())
    keys = [each.row for each in result.keys]
    return _encode([result.exposures, result.findings, result.places, passed, reasons, keys])


def evaluated(estate: Estate) -> tuple[Rows, dict[str, Questions], Rows]:
    """Return the rows of each bundle, what each asked, and the rows with nothing recorded."""
    recorded, asked = _evaluated(estate, is_recorded=True)
    plain, _ = _evaluated(estate, is_recorded=False)
    return recorded, asked, plain


def _evaluated(estate: Estate, *, is_recorded: bool) -> tuple[Rows, dict[str, Questions]]:
    store = Store(estate.header)
    for each in estate.lines:
        store.add(decoder.decode(encoder.encode(each)))
    rules, snapshot = load(packages=False), of_store(store)
    snapshot.load(rules.by_type().keys())
    recorder = Recorder(index_of(snapshot, Policy()))
    index: Index = recorder.index if is_recorded else index_of(snapshot, Policy())
    evaluation = Evaluation(snapshot, rules, index=index)
    rows: Rows = {}
    asked: dict[str, Questions] = {}
    for bundle in chain(list(snapshot.index), snapshot.remaining):
        result, asked[bundle.id] = recorder.asked(partial(evaluation.evaluate, bundle))
        rows[bundle.id] = rows_of(result)
    store.close()
    return rows, asked


@cache
def estate_of(folder: Path) -> tuple[Estate, Rows, dict[str, Questions]]:
    head, *lines = map(decoder.decode, (folder / "snapshot.jsonl").read_bytes().splitlines())
    assert head.snapshot is not None
    estate = Estate(head.snapshot, [each for each in lines if each.end is None])
    for each in estate.lines:
        each.chain = ""
    rows, asked, plain = evaluated(estate)
    assert rows == plain, "a recorder changes no row"
    return estate, rows, asked


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of texts, numbers, switches and lists, but not those that name a resource."""
    members: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        members = [each for each in value.items() if path or each[0] not in ("id", "name", "type")]
    else:
        yield path
        members = enumerate(value) if isinstance(value, list) else ()
    for name, each in members:
        yield from leaves(each, (*path, name))


def _member(holder: Any, step: str | int) -> Any:
    if isinstance(holder, dict):
        return holder.get(step, {})
    return holder[step] if isinstance(holder, list) and isinstance(step, int) and step < len(holder) else {}


def edited(estate: Estate, at: int, chance: random.Random) -> Change:
    """Return the estate with other values in a resource."""
    before = estate.resource(at)
    body = _copied(before.body)
    paths = list(leaves(body))
    for path in chance.sample(paths, min(len(paths), 4)):
        holder: Any = body
        for step in path[:-1]:
            holder = _member(holder, step)
        if isinstance(holder, dict) and path[-1] in holder:
            value = holder[str(path[-1])]
            other: Any = [] if isinstance(value, list) else chance.choice(STRANGE)
            holder[str(path[-1])] = not value if isinstance(value, bool) else other
    lines = list(estate.lines)
    lines[at] = msgspec.structs.replace(lines[at], resource=body)
    return Change(lines, [before], [Resource(_copied(body))])


def deleted(estate: Estate, at: int) -> Change:
    """Return the estate without a resource and all that is below it."""
    start = url_of(estate.lines[at]).lower()
    gone = {each for each, line in enumerate(estate.lines) if f"{url_of(line).lower()}/".startswith(f"{start}/")}
    lines = [each for position, each in enumerate(estate.lines) if position not in gone]
    return Change(lines, [estate.resource(each) for each in gone if estate.lines[each].resource is not None], [])


def assert_only_touched_differ(estate: Estate, rows: Rows, asked: dict[str, Questions], change: Change) -> set[str]:
    """Assert that only bundles that may be touched differ after a change; return the others that do."""
    after, _ = _evaluated(Estate(estate.header, change.lines), is_recorded=False)
    touched = {id for id, each in asked.items() if id in change.own or change.touches(each)}
    differ = {id for id in rows if rows[id] != after.get(id)}
    assert differ <= touched, f"not touched by a change of {change.before[0].id}: {sorted(differ - touched)}"
    return differ - change.own


@pytest.mark.parametrize("seed", some(range(300), 12))
def test_what_no_question_sees_changes_no_row(seed: int, each_type_folder: Path) -> None:
    estate, rows, asked = estate_of(each_type_folder)
    chance = random.Random(seed)
    at = chance.choice(estate.places)
    change = deleted(estate, at) if seed % 5 == 0 else edited(estate, at, chance)
    assert_only_touched_differ(estate, rows, asked, change)


@pytest.mark.parametrize(
    "type",
    [
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/privateEndpoints",
        "Microsoft.KeyVault/vaults",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Web/sites",
    ],
)
def test_deletions_that_other_bundles_see(type: str, each_type_folder: Path) -> None:
    estate, rows, asked = estate_of(each_type_folder)
    places = [at for at in estate.places if estate.resource(at).type.lower() == type.lower()]
    changes = (deleted(estate, at) for at in places)
    assert any(assert_only_touched_differ(estate, rows, asked, each) for each in some(changes, 4)), "others differ"


def test_most_bundles_are_not_touched_by_a_change(each_type_folder: Path) -> None:
    estate, rows, asked = estate_of(each_type_folder)
    at = next(each for each in estate.places if estate.resource(each).type == "Microsoft.Storage/storageAccounts")
    change = deleted(estate, at)
    assert sum(map(change.touches, asked.values())) < len(rows) / 4


def test_a_recorder_forgets_what_the_bundle_before_asked() -> None:
    recorder = Recorder(Index())
    _, first = recorder.asked(lambda: recorder.index.of_type("Microsoft.KeyVault/vaults"))
    _, second = recorder.asked(lambda: recorder.index.resources.get("/subscriptions/a"))
    assert (first.types, second.types, second.ids) == ({"microsoft.keyvault/vaults"}, set(), {"/subscriptions/a"})


def test_tables_pass_on_what_they_were_made_of() -> None:
    recorder = Recorder(Index())
    index = recorder.index

    def use() -> object:
        if "table" not in index.memo:
            index.memo["table"] = index.of_type("Microsoft.KeyVault/vaults")
        return index.memo["table"]

    for _ in range(2):
        _, questions = recorder.asked(use)
        assert questions.types == {"microsoft.keyvault/vaults"}
    index.memo = index.memo.copy()
    _, questions = recorder.asked(use)
    assert questions.types == {"microsoft.keyvault/vaults"}, "a trial has a copy of the tables"


def test_tables_that_grow_are_known() -> None:
    texts = [each.read_text("utf-8") for folder in ("scanner", "rules") for each in Path(folder).rglob("*.py")]
    empty = re.compile(r'cached\([\w.]+, "([^"]+)", lambda _: \{\}\)')
    assert {name for text in texts for name in empty.findall(text)} <= GROWING
