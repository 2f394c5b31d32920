"""What is kept of recorded resources is enough: verdicts, messages and evidence are those of the whole bodies."""

from collections.abc import Callable
from typing import Any

import pytest

from scanner.rulebook.kept import kept_paths
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from tests.real_input.counts import count
from tests.real_input.recorded import bare, documented, evaluated, recorded, stored
from tests.rules import examples

ROWS: dict[str, Callable[[], list[Any]]] = {
    "recorded": lambda: [(bare(each), each["api_version"], "list") for each in recorded()],
    "specification": lambda: [(each["body"], each["api_version"], "get") for each in documented()],
    "specification, graph": lambda: [(each["body"], each["api_version"], "graph") for each in documented()],
}
SECTIONS = ("exposures", "findings", "passed", "not_applicable")


def rows(name: str) -> list[Any]:
    """Return one row of each id: which of two counts depends on how they sort."""
    return list({each[0]["id"].lower().rstrip("/"): each for each in ROWS[name]()}.values())


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("read", [True, False], ids=["children read", "nothing read below"])
def test_kept_bodies_come_to_what_whole_bodies_come_to(name: str, read: bool) -> None:
    kept = kept_paths(examples.rules())
    head = Header(taken="2026-11-25T00:00:00Z", kept=kept.listed())
    whole, partial = stored(rows(name), read=read), stored(rows(name), read=read, header=head)
    count(f"bytes, {name}: {sum(map(len, whole.lines())):,} whole, {sum(map(len, partial.lines())):,} kept")
    one, other = evaluated(of_store(whole)).document, evaluated(of_store(partial)).document
    pairs = [pair for partial in ("findings", "exposures") for pair in zip(one[partial], other[partial], strict=True)]
    for whole_row, kept_row in pairs:
        # The Bicep of a list needs all members of its entries, and is left out where some were not kept.
        if kept_row.get("fix") and whole_row.get("fix") and not kept_row["fix"].get("bicep"):
            whole_row["fix"].pop("bicep", None)
            kept_row["fix"].pop("bicep", None)
        # An undo saves what was not kept before the fix.
        for row in (whole_row, kept_row):
            for members in (row.get("fix") or {}, row.get("texts") or {}):
                for name in [each for each in members if each == "undo" or each.startswith("fix.undo.")]:
                    del members[name]
            if row.get("texts") == {}:
                del row["texts"]
    for section in SECTIONS:
        assert other[section] == one[section]
