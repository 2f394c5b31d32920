"""Masks on recorded resources: how often each pattern matches in what is kept, and that no id or setting is masked."""

from collections import Counter

from scanner.model.ids import type_of
from scanner.rulebook.kept import kept_paths
from scanner.text.masks import patterns
from tests.real_input.counts import count
from tests.real_input.recorded import bare, documented, recorded
from tests.rules import examples


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def test_nothing_that_is_kept_of_recordings_is_masked_but_secrets() -> None:
    kept = kept_paths(examples.rules())
    bodies = [*map(bare, recorded()), *(each["body"] for each in documented())]
    for name, made in (("whole", bodies), ("kept", [kept.cut(body, type_of(body["id"])) for body in bodies])):
        result = Counter(
            pattern
            for body in made
            for text in _texts(body)
            for pattern, each in patterns().items()
            if each.search(text)
        )
        count(
            f"masks, {name}: {len(made):,} bodies; "
            + (", ".join(f"{n} {each}" for each, n in result.items()) or "none")
        )
    assert result.total() == 0, result
