"""Say a sentence about an endpoint in another language, from its parts.

Rules make these sentences in English when they are evaluated. A sentence is translated as a whole, or it stays English.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from scanner.report.facts import addresses, facts
from scanner.report.words import Words, source

_NAMES = {
    "name": r"[^\s;:,]+",
    "words": r"[A-Za-z0-9 .-]{1,40}",
    "source": ".+?",
    "lock": "(?:allows?|accepts?|requires?) .+",
}
_TABLES = {
    "what": "endpoint_what",
    "source": "endpoint_source",
    "lock": "endpoint_lock",
    "clause": "endpoint_clause",
    "why": "endpoint_off",
}
_VERB = re.compile("(allow|accept|require) ")
_NAMES_LISTED = re.compile(r"([^\s;:,]+(?:, [^\s;:,]+)*) and ([^\s;:,]+)")
_NAMES_AND_MORE = re.compile(r"([^\s;:,]+(?:, [^\s;:,]+)*) and (\d+) more")
_SENTENCES = (
    "unreachable",
    "private_only",
    "many",
    "many_clause",
    "reachable",
    "reachable_clause",
    "off",
    "stopped",
    "unknown",
    "unknown_clause",
)


def endpoint_sentence(sentence: str, words: Words) -> str:
    """Return a sentence about an endpoint in the language of the words, unchanged where a part of it is not known."""
    patterns = _patterns("endpoint")
    for name in _SENTENCES:
        found = patterns[name].fullmatch(sentence)
        if not found:
            continue
        parts = {part: _part(part, text, words) for part, text in found.groupdict().items()}
        if all(parts.values()):
            return words(f"endpoint.{name}", None, **parts)
    return sentence


def _part(part: str, text: str, words: Words) -> str:
    """Return a part of a sentence in the language of the words, "" where it is not known."""
    if part == "lock":
        text = _VERB.sub(r"\1s ", text, count=1) if _VERB.match(text) else text
    said = _phrase(_TABLES[part], text, words)
    if not said and part == "what":
        names = _NAMES_LISTED.fullmatch(text)
        if names:
            return words("endpoint.and_last", None, list=names[1], last=names[2])
        if more := _NAMES_AND_MORE.fullmatch(text):
            return words("endpoint.and_more", int(more[2]), list=more[1])
        # Within a sentence the English begins in lower case: "Network access to the vault".
        said = _phrase(_TABLES[part], text[:1].upper() + text[1:], words)
        said = said or _known(text, words) or _known(text[:1].upper() + text[1:], words)
    return said or (_fact(text, words) if part in ("source", "why") else "")


def _known(text: str, words: Words) -> str:
    """Return the translation of a text without names, "" where there is none."""
    found = facts(words.language).exactly(text)
    return "" if found == text else found


def _fact(text: str, words: Words) -> str:
    """Return a source, or why an endpoint is off, that the tables of `templates/endpoint` do not have."""
    found = facts(words.language).said(text)
    return addresses(text, words) or ("" if found == text else found)


def _phrase(table: str, text: str, words: Words) -> str:
    for key, pattern in _patterns(table).items():
        if found := pattern.fullmatch(text):
            return words(f"{table}.{key}", None, **found.groupdict())
    return ""


@lru_cache
def _patterns(table: str) -> Mapping[str, re.Pattern[str]]:
    """Return the English texts of a table as patterns, those without names first."""
    texts: dict[str, str] = source("endpoint")[table]
    ordered = sorted(texts.items(), key=lambda each: "{" in each[1])
    return {key: re.compile(_pattern(text)) for key, text in ordered}


def _pattern(text: str) -> str:
    pieces = re.split(r"\{(\w+)\}", text)
    made = [
        re.escape(each) if at % 2 == 0 else f"(?P<{each}>{_NAMES.get(each, '.+')})" for at, each in enumerate(pieces)
    ]
    return "".join(made)
