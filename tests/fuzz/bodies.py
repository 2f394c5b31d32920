"""Targets whose input is decisions about ARM bodies, rows of Resource Graph and security rules."""

import asyncio
import ssl
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast

from msgspec import field

from scanner.azure import graph
from scanner.azure.answers import ListMeter
from scanner.azure.arm import ArmClient
from scanner.azure.clouds import CLOUDS
from scanner.azure.errors import ReadError
from scanner.azure.transport import HttpSession
from scanner.config.limits import Limits
from scanner.evaluate.run import Evaluation
from scanner.model.resource import Bundle, Resource
from scanner.reach.rules.nsg import security_rules_of
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.store.spool import Spool
from tests.fuzz.choices import Choices
from tests.reach.bodies import ABOVE, labels, nsg, one_group, rule
from tests.rules import examples
from tests.rules.examples import Case
from tests.rules.hostile import JsonPath, errors, paths_of, replaced, with_body
from tests.rules.verdicts import every, statuses

WRONG: tuple[Any, ...] = ({"x": 1}, [7], [[]], -7.5)
"""Values of a type that no setting has, which has text, a switch or a whole number."""


@lru_cache
def _cases() -> tuple[Case, ...]:
    return tuple(examples.cases())


@lru_cache(maxsize=512)
def _prepared(position: int) -> tuple[Evaluation, Bundle]:
    case = _cases()[position]
    return examples.evaluation(case), examples.bundle(case)


def evaluated(data: bytes) -> None:
    """Evaluate an example with changed bodies: no exposure function and no rule crashes."""
    choices = Choices(data)
    run, bundle = _prepared(choices.number(len(_cases())))
    for each in list(bundle.resources.values()):
        if choices.number(2) or len(bundle.resources) == 1:
            body = choices.changed(each.body)
            bundle = with_body(bundle, each.key, {**body, "id": each.body["id"]})
        if not choices.left:
            break
    assert errors(run, bundle) == []


def wrong_types(data: bytes) -> None:
    """Give one value a type that it cannot have: no rule passes that fails, or is inconclusive, without the value."""
    choices = Choices(data)
    run, bundle = _prepared(choices.number(len(_cases())))
    resource = choices.one(list(bundle.resources.values()))
    matches = [at for at in paths_of(resource.body) if is_setting(resource.body, at)]
    if not matches:
        return
    at, value = choices.one(matches), choices.one(WRONG)
    rules = passed_by_wrong_type(run, bundle, resource, at, value)
    assert not rules, f"{', '.join(rules)} pass with {'.'.join(map(str, at))} = {value!r} in {resource.id}"


def is_setting(body: Any, at: JsonPath) -> bool:
    """Return whether the place is a property with a text, a switch or a number, outside of lists."""
    for each in at:
        body = body[each]
    in_list = not all(isinstance(each, str) for each in at)
    return at[0] == "properties" and not in_list and isinstance(body, str | bool | int | float)


def passed_by_wrong_type(run: Evaluation, bundle: Bundle, resource: Resource, at: JsonPath, value: Any) -> list[str]:
    """Return the rules that pass with the value, and fail or are inconclusive without one.

    Those that are inconclusive about the example itself may have had a value of a wrong type before.
    """

    def checks(body: Any) -> set[tuple[str, str, str]]:
        result = with_body(bundle, resource.key, body)
        return {(id.lower(), rule, status) for id, rule, status in statuses(every(result), result, run.index)}

    passed = {(id, rule) for id, rule, status in checks(replaced(resource.body, at, value)) if status == "pass"}
    if not passed:
        return []
    without = checks(_absent(resource.body, at))
    wrong = {rule for id, rule, status in without if status in ("fail", "unknown") and (id, rule) in passed}
    undecided = {rule for _, rule, status in checks(resource.body) if status == "unknown"} if wrong else set()
    return sorted(wrong - undecided)


def _absent(body: Any, at: JsonPath) -> Any:
    made = dict(body)
    if len(at) == 1:
        made.pop(at[0])
    else:
        made[at[0]] = _absent(body[at[0]], at[1:])
    return made


# Lists of ARM


class _Sent(ArmClient):
    """An ARM client whose requests are answered with these bytes, and after the last with an empty page."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)

    async def _send(self, *_: Any, **__: Any) -> Any:
        status, content = self.answers.pop(0) if self.answers else (200, b'{"value": []}')
        return SimpleNamespace(status_code=status, content=content, headers={})


_context = lru_cache(ssl.create_default_context)
_STATUSES = (200, 200, 200, 200, 403, 404, 429, 500)
_LIST = "/subscriptions/s/providers/Microsoft.Web/sites"


def list_answers(data: bytes) -> None:
    """Read a list of ARM: rows that are objects, or ReadError; and no request but to ARM.

    Bytes of value 0 part the answers. The first byte of each is its status.
    """
    answers = [(_STATUSES[each[0] % len(_STATUSES)], each[1:]) for each in data.split(b"\0") if each]
    assert asyncio.run(_read(answers)).isprintable()


async def _read(answers: list[tuple[int, bytes]]) -> str:
    """Return the code and the message of the error that ended a list; "" where it was read to its end."""
    none: Any = None
    http = HttpSession(_context(), proxies=False)
    arm = _Sent(CLOUDS["public"], none, none, http, none)
    arm.answers = answers
    try:
        async for page in arm.pages(_LIST, "2025-01-01"):
            assert all(isinstance(row, dict) for row in page)
    except ReadError as error:
        return f"{error.code} {error.action}"
    finally:
        await http.close()
    return ""


# Resource Graph


class _Answers:
    """An ARM client whose query is answered once with what the fuzzer made, then with a last page."""

    replay = None

    def __init__(self, answer: Any) -> None:
        self.answers = [answer]
        self.spool = Spool()
        self.limits = Limits()

    async def post_query(self, body: dict[str, Any], meter: ListMeter) -> dict[str, Any]:
        return self.answers.pop() if self.answers else {"data": [], "totalRecords": 0}


_ROW = {"id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/a", "type": "microsoft.web/sites"}
_ANSWERS: tuple[dict[str, Any], ...] = (
    {"totalRecords": 1, "count": 1, "resultTruncated": "false", "data": [_ROW]},
    {
        "totalRecords": 2,
        "count": 1,
        "resultTruncated": "false",
        "$skipToken": "next",
        "data": {"columns": [{"name": "id", "type": "string"}, {"name": "type"}], "rows": [["/a", "b"]]},
    },
)


def graph_answers(data: bytes) -> None:
    """Read a changed answer of Resource Graph: rows that are objects, or ReadError."""
    choices = Choices(data)
    arm = cast("ArmClient", _Answers(choices.changed(choices.one(_ANSWERS))))
    try:
        rows = asyncio.run(graph.query(arm, "resources", ["s"]))
    except ReadError:
        return
    assert all(isinstance(row, dict) for row in rows)


def graph_rows(data: bytes) -> None:
    """Evaluate a snapshot of network resources as Resource Graph returns them, with changed bodies."""
    choices = Choices(data)
    case = choices.one(_cases())
    store = Store(Header(taken="2026-11-25T02:00:00Z", scopes=["s"]))
    for each in examples.bundle(case).resources.values():
        body = choices.changed(each.body) if choices.left else each.body
        store.resource({**body, "id": each.body["id"]}, None, "graph")
    with_group = nsg(ABOVE, rule("a", 100, "Allow", "*", "22"))
    store.resource({**choices.changed(_body(with_group)), "id": with_group.id}, None, "graph")
    snapshot = of_store(store)
    run = Evaluation(snapshot, examples.rules())
    for bundle in list(snapshot.bundles()):
        assert errors(run, bundle) == []


def _body(resource: Any) -> dict[str, Any]:
    return dict(resource.body if isinstance(resource, Resource) else resource)


def security_rules(data: bytes) -> None:
    """Read changed security rules. A rule that cannot be read never closes what another one opens for certain."""
    choices = Choices(data)
    rules = [rule("allow", 300, "Allow", "*", "2222"), rule("deny", 200, "Deny", "*", "3000-4000", protocol="*")]
    changed = [each if isinstance(each, dict) else {} for each in (choices.changed(each) for each in rules)]
    group = nsg(ABOVE, *changed)
    security_rules_of(group).parsed  # noqa: B018
    labels(one_group(*changed))
