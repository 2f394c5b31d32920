"""Questions from inside: what was not read is never a yes or a no."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reach import inside


@pytest.mark.parametrize("case", inside.cases(), ids=[each["name"] for each in inside.cases()])
def test_the_answer_of_the_case(case: dict[str, Any]) -> None:
    found = inside.answers_of(case)
    assert [each.verdict for each in found] == [case["expect"]], found
    text = " | ".join(
        (found[0].sentence, *(f"{each.name} {each.detail}" for each in found[0].hops), found[0].next_step)
    )
    assert case.get("said", "") in text
    assert list(found[0].also_published) == case.get("also", list(found[0].also_published))
    if found[0].verdict == "not known":
        assert any(each.allows is None for each in found[0].hops), found
