"""The data block gives back what went in, whatever the names are."""

import base64
import gzip
import json
import re
from array import array
from itertools import accumulate, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.content import content
from scanner.report.html.data_block import _OF_TEMPLATES, DataBlock
from scanner.report.html.packing import Packer
from scanner.report.language.words import Words
from scanner.report.views.summary import ordered_exposures, ordered_findings
from tests.report import sample


class Opened:
    """The block as `data_block.js` reads it."""

    def __init__(self, block: dict[str, Any]) -> None:
        self.block, self.resources, self.strings = block, block["resources"], block["strings"]

    def id(self, at: int) -> str:
        return str(self.resources["prefixes"][self.resources["prefix"][at]] + self.resources["last"][at])

    def expand(self, index: int, at: int) -> str:
        pieces = self.strings[index].split("\x01")
        parent = self.resources["parent"][at]
        letters = {
            "i": self.id(at),
            "n": self.resources["last"][at],
            "g": self.resources["groups"][self.resources["group"][at]],
            "s": self.resources["subs"][self.resources["sub"][at]][0],
            "x": "\x01",
        }
        if parent >= 0:
            letters |= {"q": self.id(parent), "p": self.resources["last"][parent]}
        return str(pieces[0]) + "".join(letters[piece[0]] + piece[1:] for piece in pieces[1:])

    def column(self, table: str, name: str, at: int) -> Any:
        column = self.block[table][name]
        return column[at] if isinstance(column, list) else column


def unpacked(text: bytes) -> Any:
    """Return the block with its columns in their places."""
    head, _, numbers = gzip.decompress(base64.b64decode(text)).partition(b"\n")

    def column(span: dict[str, int]) -> list[int]:
        made = array({1: "b", 2: "h", 4: "i"}[span["bytes"]])
        made.frombytes(numbers[span["at"] : span["at"] + span["length"] * span["bytes"]])
        return list(accumulate(made)) if "differences" in span else made.tolist()

    def stored(document: dict[str, Any]) -> Any:
        if document.keys() == {"at", "length", "ends"}:
            text = numbers[document["at"] : document["at"] + document["length"]].decode().encode("utf-16-le")
            ends = [0, *accumulate(2 * each for each in document["ends"])]
            return [text[start:end].decode("utf-16-le") for start, end in pairwise(ends)]
        return column(document) if document.keys() - {"differences"} == {"at", "length", "bytes"} else document

    return json.loads(head, object_hook=stored)


def opened(document: dict[str, Any]) -> tuple[Opened, list[Any], list[Any]]:
    made = sample.typed(document)
    exposures, findings = ordered_exposures(made.exposures), ordered_findings(made.findings)
    text = b"".join(Packer(DataBlock(made, exposures, findings).export(Words())).pack())
    opened = Opened(unpacked(text))
    return opened, msgspec.to_builtins(list(exposures)), msgspec.to_builtins(list(findings))


def check(document: dict[str, Any]) -> None:
    block, exposures, findings = opened(document)
    for table, items, texts, data in (
        ("exposures", exposures, ("title", "address"), ("hops", "admits", "fix")),
        ("findings", findings, ("message",), ("evidence", "endpoints", "fix")),
    ):
        for at, item in enumerate(items):
            column = block.column(table, "resource", at)
            assert block.id(column).lower() == item["resource"].lower()
            for name in texts:
                assert block.expand(block.column(table, name, at), column) == (item.get(name) or "")
            for name in data:
                text = block.expand(block.column(table, name, at), column)
                assert (json.loads(text) if text else []) == msgspec.to_builtins(item.get(name) or [])


def test_every_text_comes_back() -> None:
    check(sample.document(300))


@pytest.mark.parametrize("name", ["path", "value", '","', "null", "\x01i", "\x01", "a", "\\", "Internet", "\ud800"])
def test_a_name_that_also_stands_elsewhere_comes_back(name: str) -> None:
    check(named(name))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda name: "/" not in name))
def test_any_name_comes_back(name: str) -> None:
    check(named(name))


def named(name: str) -> dict[str, Any]:
    text = json.dumps(sample.document(12, hostile=False))
    return dict(json.loads(text.replace("skjema000", json.dumps(name)[1:-1])))


def test_a_child_finds_its_parent() -> None:
    document = sample.document(12, hostile=False)
    parent = document["findings"][0]["resource"]
    child = parent + "/blobServices/default/containers/vedlegg"
    document["resources"][child] = document["resources"][parent] | {"name": "vedlegg", "parent": parent.upper()}
    document["findings"][0] |= {
        "resource": child,
        "fix": {"commands": [f"az x --account-name {parent.rpartition('/')[2]} --ids {parent}"]},
    }
    check(document)


def test_passed_and_not_applicable_are_lists_of_indexes() -> None:
    document = sample.document(300)
    block, _, _ = opened(document)
    passed = {
        (block.id(at), block.block["rules"][rule]["id"])
        for rule, positions in block.block["passed"]
        for at in positions
    }
    assert passed == {(id, rule) for id, rules in document["passed"].items() for rule in rules}
    reasons = {
        (block.id(at), block.block["rules"][rule]["id"], block.expand(why, at))
        for rule, positions, whys in block.block["notApplicable"]
        for at, why in zip(positions, whys, strict=True)
    }
    assert reasons == {
        (id, rule, why) for id, rules in document["not_applicable"].items() for rule, why in rules.items()
    }


def test_dates_come_from_the_scan() -> None:
    block, _, _ = opened(sample.document(12))
    assert (block.block["waiverExpires"], block.block["expiringBefore"]) == ("2027-02-23", "2026-12-25")


def test_the_block_has_every_text_that_a_script_names() -> None:
    scripts = "".join(path.read_text("utf-8") for path in (content("templates") / "report").glob("*.js"))
    named = set(re.findall(r"[\"'`](\w+)\.", scripts)) & Words().catalogue.keys()
    assert {"endpoints", "card", "status"} <= named
    assert named.isdisjoint(_OF_TEMPLATES)
