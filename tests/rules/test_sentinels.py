"""No row shows a value of the code in place of one of Azure: MISSING, None of Python, or a name in braces."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from scanner.evaluate.results import BundleResult
from scanner.model.json_paths import MISSING
from scanner.model.message import message_text
from scanner.model.resource import Bundle
from scanner.model.verdict import Evidence
from tests.rules import examples
from tests.rules.each import each_case
from tests.rules.examples import Case
from tests.rules.hostile import paths_of, replaced, with_body, without
from tests.sampled import some

TOGETHER = examples.TOGETHER
SENTINEL = re.compile(
    r"\b(MISSING|REMOVE|UNSET)\b|<\w+ object|\{(cause|entry|path|place|id|name|group|subscription|top|top_id)\}"
)
NONE = re.compile(r"\bNone\b")
MOST = 1
"""How many places of each example are taken away, and set to null: all examples of a rule together have each place."""


def test_evidence_has_a_word_for_what_is_missing() -> None:
    assert Evidence("x", MISSING).value == "absent"
    assert Evidence("x", ["a", MISSING, None]).value == ["a", "absent", None]
    assert str(MISSING) == repr(MISSING) == "absent"


@each_case
def test_no_row_shows_a_sentinel(case: Case) -> None:
    run, bundle = examples.evaluation(case), examples.bundle(case)
    wrong = _shown(case, bundle, examples.result(case))
    for key, body in _changed(bundle.resources):
        changed = with_body(bundle, key, body)
        wrong += _shown(case, changed, run.evaluate(changed))
    assert wrong == []


def _shown(case: Case, bundle: Bundle, bundle_result: BundleResult) -> list[tuple[str, str]]:
    """Return the texts of a result that show a value of the code, with their rules."""
    wrong = []
    for row in bundle_result.findings:
        if SENTINEL.search(together := "\n".join(texts(row))):
            wrong.append((row.rule, together))
        if NONE.search(together := "\n".join(_values(row))):
            known = json.dumps([[one.body for one in bundle.resources.values()], case.also], default=str)
            wrong += [] if NONE.search(known) else [(row.rule, together)]
    return wrong


def _changed(resources: Any) -> Iterator[tuple[str, Any]]:
    """Yield bodies of an example without a leaf, or with null in its place."""
    every = [
        (key, at) for key, resource in resources.items() for at in paths_of(resource.body) if at[0] == "properties"
    ]
    for key, at in some(every, MOST):
        yield key, without(resources[key].body, at)
        yield key, replaced(resources[key].body, at, None)


def texts(row: Any) -> Iterator[str]:
    """Yield what people read of a row: its values, and the commands of its fix."""
    yield from _values(row)
    if row.fix is not None:
        yield from (*row.fix.commands, row.fix.check_first)


def _values(row: Any) -> Iterator[str]:
    """Yield the message of a row and the values of its evidence."""
    yield row.message
    for each in row.evidence:
        yield json.dumps(msgspec.to_builtins(each.value, enc_hook=message_text), default=str)
