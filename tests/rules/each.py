"""Checks of every example and of every rule, as one test a file of examples or a service.

As tests of their own they were 18,000, which each process of the suite collected again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import pytest

from scanner.model.rule import Rule
from tests.rules import examples
from tests.rules.examples import Case


class Named(Protocol):
    """What has an id that people know it by."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Named)


def all_hold(each: Iterable[T], check: Callable[[T], None]) -> None:
    """Run a check on everything, and fail with all that failed, by id."""
    failed = {}
    for one in each:
        try:
            check(one)
        except AssertionError as error:
            failed[one.id] = str(error)
        except Exception as error:
            error.add_note(f"{check.__name__} of {one.id}")
            raise
    if failed:
        pytest.fail("\n\n".join(f"{id}: {text}" for id, text in failed.items()), pytrace=False)


def each_case(check: Callable[[Case], None]) -> Callable[..., None]:
    """Make a test of each file of examples from a check of one example, which it keeps as `check`."""
    files = sorted(examples.CASES.glob("*.toml"))
    return each_in({path.stem: examples.read(path.name).cases for path in files}, check)


def each_rule(check: Callable[[Rule], None]) -> Callable[..., None]:
    """Make a test of each service (the first word of an id) from a check of one rule."""
    services: dict[str, list[Rule]] = defaultdict(list)
    for rule in examples.all_rules():
        services[rule.key.partition("-")[0]].append(rule)
    return each_in(services, check)


def each_in(groups: Mapping[str, Sequence[T]], check: Callable[[T], None]) -> Callable[..., None]:
    """Make a test of each group from a check of one of its members."""

    def test(group: Sequence[T]) -> None:
        all_hold(group, check)

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    test.check = check  # type: ignore[attr-defined]
    made: Callable[..., None] = pytest.mark.parametrize("group", groups.values(), ids=groups.keys())(test)
    return made
