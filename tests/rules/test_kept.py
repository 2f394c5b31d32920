"""What a scan keeps of each resource: the list is current, and what it keeps is enough."""

from functools import lru_cache

import pytest

from scanner.model.kept import KeptPaths
from scanner.rulebook.kept import kept_paths
from tests.rules import examples, kept
from tests.rules.examples import Case

CASES = list(examples.cases())


@lru_cache
def paths() -> KeptPaths:
    return kept_paths(examples.rules())


def test_the_list_is_current() -> None:
    assert kept.KEPT.read_text("utf-8") == kept.written(), "run `make paths`"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_kept_is_enough(case: Case) -> None:
    whole = examples.bundle(case)
    part = kept.kept_bundle(whole, paths())
    one, other = (kept.rows(case, bundle, paths() if bundle is part else None) for bundle in (whole, part))
    assert other == one
