"""The page of reads, and that its reasons are true."""

import re
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import azure.mgmt

from docs.reads_page import reads
from scanner.model.ids import SUBSCRIPTION
from scanner.model.resource_type import Read, ResourceType
from scanner.rulebook.loader import load
from scanner.sandbox.graph import CHILDREN, MORE_TABLES
from scanner.scan.explain import ALONE, instead, reads_by_name, why_alone

RULES = load(packages=False)
URL = re.compile(r'"(/?subscriptions/\{[^"\n]*)"((?:\s*"[^"\n]*")*)')
IN_GRAPH = {*CHILDREN, *(type for types in MORE_TABLES.values() for type in types)}


def of_subscription(read: Read) -> bool:
    return isinstance(read.parent, ResourceType) and read.parent.type == SUBSCRIPTION


@lru_cache
def listed() -> dict[str, set[str]]:
    """Return what the operations of the management SDKs list above resources: the rest of each path, by provider."""
    result: dict[str, set[str]] = defaultdict(set)
    for file in (file for root in azure.mgmt.__path__ for file in Path(root).rglob("operations/_*operations.py")):
        for match in URL.finditer(file.read_text("utf-8")) if "aio" not in file.parts else ():
            path = (match[1] + "".join(re.findall(r'"([^"]*)"', match[2]))).lower()
            if below := re.match(
                r"/?subscriptions/\{[^}]*\}(?:/resourcegroups/\{[^}]*\})?/providers/([^/]+)/(.+)", path
            ):
                result[below[1]].add(below[2])
    return result


def is_listed_above(read: Read) -> bool:
    """Return whether an operation lists the type of a read in a subscription, or in a region."""
    provider, *_, last = read.type.lower().split("/")
    region = re.compile(rf"locations/\{{[^}}]*\}}/{re.escape(last)}")
    top = f"{provider}/{last}" in {type.lower() for kind in RULES.kinds for type in kind.types}
    return any((each == last and not top) or region.fullmatch(each) for each in listed()[provider])


def test_each_read_has_a_row_and_says_how_it_is_saved_or_why_not() -> None:
    page = reads(RULES)
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert {row[0].strip("`") for row in rows} == reads_by_name(RULES).keys()
    assert all(instead(read) or why_alone(read) for read in reads_by_name(RULES).values())
    assert all(not read.alone.endswith(".") and "|" not in read.alone for read in reads_by_name(RULES).values())


def test_a_read_without_a_reason_of_its_own_has_no_list_above_its_parent() -> None:
    plain = [read for read in reads_by_name(RULES).values() if why_alone(read) == ALONE and not instead(read)]
    assert sorted({read.type for read in plain if is_listed_above(read)}) == []
    assert len(listed()) > 40


def test_what_resource_graph_has_is_read_from_it_or_says_why_not() -> None:
    matches = [read for read in reads_by_name(RULES).values() if IN_GRAPH & {each.lower() for each in read.types}]
    assert [read.type for read in matches if read.graph is None and why_alone(read) == ALONE] == []
    assert len(matches) > 20


def test_what_stands_for_a_list_in_resource_graph_is_in_that_of_the_sandbox() -> None:
    """A tracked type that the sandbox lacks there looks as if no parent had any: image versions had no verdict."""
    matches = [
        read for read in reads_by_name(RULES).values() if read.graph is not None and read.graph.table == "resources"
    ]
    assert sorted({each.lower() for read in matches for each in read.types} - IN_GRAPH) == []


def test_no_read_has_both() -> None:
    both = [read for read in reads_by_name(RULES).values() if instead(read) and read.alone]
    assert both == []
