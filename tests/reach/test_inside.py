"""Questions from inside: what was not read is never a yes or a no."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.reach import inside

CASES: list[dict[str, Any]] = tomllib.loads((inside.CASES / "inside.toml").read_text("utf-8"))["case"]


@pytest.mark.parametrize("case", CASES, ids=[each["name"] for each in CASES])
def test_the_answer_of_the_case(case: dict[str, Any]) -> None:
    whole = inside.base() | case.get("add", {})
    target, source, port = case["ask"]
    found = inside.asked(inside.changed(inside.base(), case), whole, target, source, port, case.get("unread", ()))
    assert [each.verdict for each in found] == [case["expect"]], found
    text = " | ".join(
        (found[0].sentence, *(f"{each.name} {each.detail}" for each in found[0].hops), found[0].next_step)
    )
    assert case.get("said", "") in text
    if found[0].verdict == "not known":
        assert any(each.allows is None for each in found[0].hops), found
