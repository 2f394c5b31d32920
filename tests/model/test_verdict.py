"""The one place for the texts of what is not known."""

from collections.abc import Callable

import pytest

from scanner.model import verdict
from scanner.model.verdict import Unread


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: verdict.not_returned("sku"), "sku: Azure did not return it"),
        (lambda: verdict.not_returned("rules", "them"), "rules: Azure did not return them"),
        (lambda: verdict.malformed("rules"), "rules: Azure returned it in an undocumented form"),
        (lambda: verdict.unknown_value("sku"), "sku: unrecognized value"),
        (lambda: verdict.unknown_value("sku", None), "sku: unrecognized value null"),
        (lambda: verdict.unknown_value("sku", "New"), "sku: unrecognized value 'New'"),
        (
            lambda: verdict.not_returned_or_unknown("sku"),
            "sku: Azure did not return it, or returned an unrecognized value",
        ),
        (
            lambda: verdict.absent_at_unknown_version("sku"),
            "sku: missing from a record of unknown API version",
        ),
        (lambda: verdict.not_a_list("rules"), "rules: not a list"),
        (lambda: verdict.not_listed("/x"), "/x: not collected"),
        (lambda: verdict.not_read("/x"), "/x: not collected"),
    ],
)
def test_what_is_not_known_has_one_text(made: Callable[[], Unread], text: str) -> None:
    unread = made()
    assert (str(unread), unread.gap) == (text, None)
    assert verdict.unknown(unread).why == text
