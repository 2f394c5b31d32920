"""Every type that the facts name is evaluated, or the page of services says why not."""

import re

import pytest

from docs.services_page import not_evaluated
from scanner.rulebook.loader import load
from tests.real_input.recorded import FOLDER

TYPES = FOLDER.parent / "facts" / "types.md"


@pytest.mark.skipif(not TYPES.exists(), reason="no facts beside the recordings")
def test_every_type_has_a_rule_or_a_reason() -> None:
    named = re.findall(r"^\| ([A-Z]\w+\.[\w.]+/[\w/]+) \(", TYPES.read_text("utf-8"), re.MULTILINE)
    rules = load(packages=False)
    known = {type.lower() for kind in rules.kinds for type in kind.types}
    known |= {type.lower() for rule in rules.rules.values() for type in rule.types} | {
        each.lower() for each in not_evaluated()
    }
    known |= {type.lower() for kind in rules.kinds for read in kind.children for type in read.types}
    known |= {f"{kind.type}/{name}".lower() for kind in rules.kinds for name in kind.unread}
    assert len(named) > 140
    assert sorted(each for each in named if each.lower() not in known) == []
