"""Of bodies that may carry secrets only some paths are kept: they must be all that the rules look at."""

import copy

import pytest

from scanner.collect.collector import cut
from scanner.model.kept import NOT_KEPT
from scanner.model.resource_type import ResourceType
from tests.rules import examples
from tests.rules.examples import Case

CASES = [
    case
    for case in examples.cases()
    if any(kind.keep or any(child.keep for child in kind.children) for kind in examples.kinds_of(case.type))
]


def kept(case: Case) -> Case:
    """The example as a collection would keep it."""
    made = copy.copy(case)
    for kind in examples.kinds_of(case.type):
        made.body = cut(made.body, kind.keep)
        made.children = {path: cut(body, _keep(kind, path)) for path, body in made.children.items()}
    return made


def _keep(kind: ResourceType, path: str) -> tuple[str, ...]:
    found = [
        child.keep
        for child in kind.children
        if path == child.path or (not child.one and path.rsplit("/", 1)[0] == child.path)
    ]
    return found[0] if found else ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_kept_is_enough(case: Case) -> None:
    whole, exposures = examples.judge(case)
    part, fewer = examples.judge(kept(case))
    assert set(part) == set(whole)
    for rule, status in whole.items():
        assert part[rule] == status or (status == "unknown" and part[rule] == "fail"), rule
    assert {name: examples.shown(each) for name, each in fewer.items()} == {
        name: examples.shown(each) for name, each in exposures.items()
    }


def test_a_star_steps_into_each_member() -> None:
    files = {"a.json": {"keep": 1, "secret": 2}, "b.json": {"keep": 3}, "c": "text"}
    body = {"id": "/x", "properties": {"files": files}}
    assert cut(body, ("properties.files.*.keep",)) == {
        "id": "/x",
        "properties": {"files": {"a.json": {"keep": 1}, "b.json": {"keep": 3}, "c": NOT_KEPT}},
    }
