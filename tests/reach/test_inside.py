"""Questions from inside: what was not read is never a yes or a no."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reach import inside


@pytest.mark.parametrize("case", inside.cases(), ids=[each["name"] for each in inside.cases()])
def test_the_answer_of_the_case(case: dict[str, Any]) -> None:
    reach_answers = inside.answers_of(case)
    assert [each.verdict for each in reach_answers] == [case["expect"]], reach_answers
    text = " | ".join(
        (
            reach_answers[0].sentence,
            *(f"{each.name} {each.detail}" for each in reach_answers[0].hops),
            reach_answers[0].next_step,
        )
    )
    assert case.get("said", "") in text
    assert list(reach_answers[0].also_published) == case.get("also", list(reach_answers[0].also_published))
    if reach_answers[0].verdict == "not known":
        assert any(each.allows is None for each in reach_answers[0].hops), reach_answers
