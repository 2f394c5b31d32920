"""The report of the demo in Norwegian: no text of our English catalogues is left in it, but for what is meant to be."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from babel.messages.pofile import read_po

from scanner.content import content
from scanner.document.schema import Document, read_document
from scanner.model.message import message_text
from scanner.report.html.rendering import write_html
from scanner.report.language.localized import localized
from scanner.report.language.translations import MESSAGES, RULES, WORDS
from scanner.report.language.words import Words
from scanner.report.markdown import write_markdown

NORWEGIAN = Words("nb")
KEPT = re.compile(
    r"\.(commands|az|terraform|bicep|portal|templates|references|controls|source|listed|publisher|texts)\b"
    r"|^(gaps|scan|numbers)\b"
)
"""What stays: commands and templates; portal paths, because the portal translates its menus by rules of its own; who
says what is allowed, which the page says in its own words; what the page does not show of frameworks; Azure's answers.
"""
_FIELD = re.compile(r"\{\w+\}")


def english() -> list[str]:
    """Return every text of the catalogues with at least three words in a row, where the translation differs."""
    matches = set()
    for name in (WORDS, RULES, MESSAGES):
        path = content("locale") / "nb" / "LC_MESSAGES" / f"{name}.po"
        for each in read_po(BytesIO(path.read_bytes()), locale="nb"):
            for text in [each.id] if isinstance(each.id, str) else each.id:
                whole = "".join([each.string] if isinstance(each.string, str) else each.string or ())
                pieces = (piece.strip(" ,;:.()") for piece in _FIELD.split(text))
                matches |= {piece for piece in pieces if piece.count(" ") >= 2 and whole and piece not in whole}
    return sorted(matches)


@pytest.fixture(scope="module")
def demo(demo_folder: Path) -> Document:
    return read_document(demo_folder / "findings.json")


def texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each text of a value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, f"{path}.{key}" if str(key).isidentifier() else path)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, path)


class _Visible(HTMLParser):
    """Collects the text of a page, and of its labels, without scripts, styles and code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style", "code", "pre")
        self.found += [value for name, value in attrs if name in ("title", "aria-label", "placeholder") and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style", "code", "pre")

    def handle_data(self, data: str) -> None:
        self.found += [] if self._hidden else [" ".join(data.split())]


def left_in(stated: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return each text of the catalogues that is in a text, with its path; found by its first three words."""
    begins: dict[tuple[str, ...], list[str]] = {}
    for each in english():
        begins.setdefault(tuple(each.split(" ")[:3]), []).append(each)
    result = set()
    for path, text in set(stated):
        words = text.split(" ")
        for begin in zip(words, words[1:], words[2:], strict=False):
            result |= {(path, each) for each in begins.get(begin, ()) if each in text}
    return result


def test_no_english_text_of_ours_is_in_the_document(demo: Document) -> None:
    shown = localized(demo, NORWEGIAN)
    values = {
        "rules": shown.rules,
        "findings": list(shown.findings),
        "exposures": list(shown.exposures),
        "places": list(shown.places),
        "keys": list(shown.keys),
        "not_applicable": [dict(each) for each in shown.not_applicable.values()],
        "coverage": shown.coverage,
    }
    stated = texts(msgspec.to_builtins(values, enc_hook=message_text), "")
    # The portal's own labels stay as they are, also where a step is a path in it.
    ours = (pair for pair in stated if not KEPT.search(pair[0]) and " > " not in pair[1])
    assert left_in(ours) == set()


def test_no_english_text_of_ours_is_on_the_page(demo: Document) -> None:
    out, visible = BytesIO(), _Visible()
    write_html(demo, out, language="nb")
    visible.feed(out.getvalue().decode())
    assert left_in(("page", each) for each in visible.found) == set()


def test_no_english_text_of_ours_is_in_the_summary(demo: Document) -> None:
    out = BytesIO()
    write_markdown(demo, out, language="nb")
    lines = (re.sub(r"`[^`]*`", "", line) for line in out.getvalue().decode().splitlines())
    assert left_in(("summary", each) for each in lines) == set()
