"""Bodies with one value replaced by something that it should not be."""

import copy
from collections.abc import Iterator
from typing import Any

from scanner.evaluate.run import Evaluation
from scanner.model.resource import Bundle, Resource

STRANGE: tuple[Any, ...] = (
    None,
    "",
    "text",
    "<img src=x onerror=alert(1)>\u202e\x00",
    "0.0.0.0/0",
    0,
    -7,
    2**70,
    1.5,
    True,
    False,
    [],
    [None],
    [7],
    ["text"],
    [[]],
    [{}],
    [{"id": 7, "name": None, "properties": []}],
    {},
    {"id": ["x"]},
    {"properties": None},
)
JsonPath = tuple[str | int, ...]


def paths_of(body: Any, at: JsonPath = ()) -> Iterator[JsonPath]:
    """Every place in a body but its id, objects and lists included."""
    if at and at != ("id",):
        yield at
    if isinstance(body, dict):
        for key, value in body.items():
            yield from paths_of(value, (*at, key))
    elif isinstance(body, list):
        for position, value in enumerate(body):
            yield from paths_of(value, (*at, position))


def replaced(body: Any, at: JsonPath, value: Any) -> Any:
    """A copy with another value at that place."""
    if not at:
        return value
    made = copy.copy(body)
    made[at[0]] = replaced(body[at[0]], at[1:], value)
    return made


def written(body: Any, path: str, value: Any) -> Any:
    """A copy with a value at a dotted path; objects that are missing on the way are made."""
    first, _, rest = path.partition(".")
    inner = body.get(first) if isinstance(body, dict) else None
    made = dict(body) if isinstance(body, dict) else {}
    made[first] = written(inner, rest, value) if rest else copy.deepcopy(value)
    return made


def with_body(bundle: Bundle, key: str, body: dict[str, Any]) -> Bundle:
    """The same bundle with another body for one of its resources."""
    made = Bundle(bundle.id, reads=bundle.reads, skips=bundle.skips, gaps=bundle.gaps)
    for each in bundle.resources.values():
        made.add(Resource(body if each.key == key else each.body, api=each.api, by=each.by, bundle=made))
    return made


def errors(run: Evaluation, bundle: Bundle) -> list[str]:
    """What crashed while the bundle was judged."""
    return [f"{row.rule}: {row.message}" for row in run.evaluate(bundle).findings if row.status == "error"]


def without(body: Any, at: JsonPath) -> Any:
    """A copy without the member or element at that place."""
    made = copy.copy(body)
    if len(at) == 1:
        made.pop(at[0])
    else:
        made[at[0]] = without(body[at[0]], at[1:])
    return made
