"""Say a fact about an endpoint or a finding in another language: a reason, a hop of a path, a note, a step of a fix.

Rules make these texts in English when they are evaluated. The catalogue `facts` has the templates that they are made
from; a text is taken apart by its template, and its values are said in their turn. A text with a part that is not known
stays in English as a whole.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

from scanner.model.residency import WORDS as _ALLOWED
from scanner.report.translations import FACTS, translations
from scanner.report.words import Words, source

_FIELD = re.compile(r"\{(\w+)\}")
_ENDPOINT_TABLES = ("endpoint_what", "endpoint_source", "endpoint_lock", "endpoint_clause", "endpoint_off")
_NAMES = frozenset({
    "collection", "configuration", "group", "holder", "hub", "manager", "message", "name", "network", "owner", "path",
    "peer", "place", "policy", "rule", "rules", "service", "sku", "target", "value",
})  # fmt: skip
"""Fields whose value may be a name with spaces; the value of any other is of one word, or it is said too. A name of
several words in lower case leaves the text in English, because it may be a text of ours.
"""
_LISTS = frozenset({"failing", "own", "settings"})
"""Fields whose value is a list of names, never a text."""
_TEXTS = frozenset({"allowed", "change", "lacks", "several", "sources", "told", "what", "where", "why"})
"""Fields whose value is a text of ours, never a name."""
_STRONG = 10
"""The number of fixed characters from which a template is tried before a text is split at its punctuation."""
_LONGEST, _DEEPEST, _MOST_SPLITS, _MOST_PARTS = 1000, 6, 16, 500
"""Bounds of the work for one text, which may contain names from Azure: its length, how deep and in how many ways it
is split, and how many parts are tried.
"""
_ADDRESS = r"[0-9][0-9a-fA-F.:/-]*"
_LIST = re.compile(rf"({_ADDRESS}(?:, {_ADDRESS})*)(?: and (?:(\d+) more|({_ADDRESS})))?")
_PUBLIC = re.compile(r"([\d,]+) public (IPv[46]) addresses \((.+)\)")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+")
_VALUE = re.compile(
    r"\S+|\d{3} \w+|\S+ \(\d+\)|[\w/.-]+ (?:[\w-]+\.)+[\w.\[\]]+|[A-Z][\w-]*(?: [A-Z][\w-]*){1,3}"
    r"|properties\.[\w.]+\[[^\[\]:;]{1,80}\][\w.\[\]]*",
    re.ASCII,
)
"""What is the same in every language: one word, a status of HTTP, a rule with its priority, a read with a path, the
name of a product, and a property of a part with a name."""
_AROUND = re.compile(r"^([ ,;]*)(.*?)([ ,;]*\.?)$", re.DOTALL)
_QUOTED = re.compile(r"""('.*'|".*"|['"].{79}\.{3}) ([a-z].*)""")
_PARTS = re.compile("[:;] ")
_PROSE = re.compile("(?<!\\S)[a-z]+ [a-z]+(?!\\S)")
_CUT = "..."
_JOINTS = ("; ", ". ", ": ", ", ", " and ", " or ")
_SAID = {" and ": "endpoint.and", " or ": "endpoint.or"}
"""The word for a joint that is one."""


def addresses(text: str, words: Words) -> str:
    """Return a list of addresses in the language of the words, "" for another text."""
    if public := _PUBLIC.fullmatch(text):
        count, family, rest = public.groups()
        listed = addresses(rest, words)
        named = {"family": family, "list": listed}
        return words("endpoint.public", int(count.replace(",", "")), **named) if listed else ""
    found = _LIST.fullmatch(text)
    if not found:
        return ""
    listed, more, last = found.groups()
    if more:
        return words("endpoint.and_more", int(more), list=listed)
    return words("endpoint.and_last", None, list=listed, last=last) if last else str(listed)


class Facts:
    """The texts of one language. `said` returns a text in it, or the text itself where a part of it is not known."""

    def __init__(self, words: Words) -> None:
        self._words = words
        known = {text: said[0] for (_, text), said in translations(words.language, FACTS).items()}
        for table in _ENDPOINT_TABLES:
            known |= {text: words(f"{table}.{key}") for key, text in source("endpoint")[table].items() if key != "any"}
        # A sentence is known with its full stop and without it.
        known |= {text[:-1]: said[:-1] for text, said in known.items() if text.endswith(".") and said.endswith(".")}
        self._texts = {text: said for text, said in known.items() if "{" not in text}
        templates = sorted(
            (_Template(text, said) for text, said in known.items() if "{" in text), key=lambda each: -each.weight
        )
        self._strong = [each for each in templates if each.weight >= _STRONG]
        self._weak = [each for each in templates if each.weight < _STRONG]
        self._memo: dict[str, str] = {}
        self._left = 0

    def exactly(self, text: str) -> str:
        """Return the translation of a text without fields, and any other text unchanged: it may be a name."""
        return self._texts.get(text, text)

    def said(self, text: str) -> str:
        found = self._memo.get(text)
        if found is None:
            if len(self._memo) > 50_000:
                self._memo.clear()
            found = self._memo[text] = self._whole(text) or text
        return found

    def _whole(self, text: str) -> str | None:
        self._left = _MOST_PARTS
        return self._say(text, 0) if len(text) <= _LONGEST else None

    def knows(self, text: str) -> bool:
        """Return whether every part of a text has a translation, or is the same in every language."""
        return not text or self._whole(text) is not None

    def _say(self, text: str, depth: int) -> str | None:
        """Return a text in the language, None where a part of it is not known."""
        if text in self._texts:
            return self._texts[text]
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return None
        if _NUMBER.fullmatch(text):
            return self._words.number(int(text.replace(",", "")))
        if _VALUE.fullmatch(text) or text in _ALLOWED:
            return text
        return (
            addresses(text, self._words)
            or self._cut(text)
            or self._quoted(text)
            or self._by_template(self._strong, text, depth)
            or self._setting(text)
            or self._inside(text, depth)
            or self._joined(text, depth)
            or self._by_template(self._weak, text, depth)
        )

    def _setting(self, text: str) -> str | None:
        """Return a setting and its value, which is a text of ours, or a value of Azure without words between spaces."""
        name, is_one, value = text.partition(" = ")
        said = self._texts.get(name) or (name if _VALUE.fullmatch(name) else None)
        shown = self._texts.get(value) or (None if _PARTS.search(value) or _PROSE.search(value) else value)
        return f"{said} = {shown}" if is_one and said and shown else None

    def _quoted(self, text: str) -> str | None:
        """Return a quoted value and what is wrong with it."""
        found = _QUOTED.fullmatch(text)
        said = self._texts.get(found[2]) if found else None
        return found and said and f"{found[1]} {said}"

    def _cut(self, text: str) -> str | None:
        """Return a text that was cut to a length, cut too."""
        begin = text.removesuffix(_CUT)
        if begin == text:
            return None
        found = next((said for each, said in self._texts.items() if len(begin) > 12 and each.startswith(begin)), None)
        return found and found[: len(begin)].rstrip() + _CUT

    def _inside(self, text: str, depth: int) -> str | None:
        """Return a text between punctuation."""
        before, inner, after = _around(text)
        said = self._say(inner, depth + 1) if inner and inner != text else None
        return None if said is None else before + said + after

    def _by_template(self, templates: Sequence["_Template"], text: str, depth: int) -> str | None:
        for template in templates:
            if template.longest not in text:
                continue
            for values in islice(template.splits(text), _MOST_SPLITS):
                said = [self._value(name, value, depth) for name, value in values.items()]
                if all(each is not None for each in said):
                    return template.filled(dict(zip(values, map(str, said), strict=True)))
        return None

    def _value(self, name: str, value: str, depth: int) -> str | None:
        """Return a value of a field: a word as it is, so that a resource with the name `none` keeps it."""
        if not value:
            return value
        if name in _LISTS:
            return None if _PARTS.search(value) or _PROSE.search(value) else value
        if name in _TEXTS and value in self._texts:
            return self._texts[value]
        if name in _TEXTS and value.isalpha() and value.islower() and value not in self._texts:
            return None
        if _VALUE.fullmatch(value) and not _NUMBER.fullmatch(value) and value not in _OURS:
            return value
        is_name = name.rstrip("23") in _NAMES and not _PARTS.search(value) and not _PROSE.search(value)
        return self._say(value, depth + 1) or (value if is_name else None)

    def _joined(self, text: str, depth: int) -> str | None:
        """Return a text of several parts, such as reasons between semicolons."""
        for joint in _JOINTS:
            if joint not in text:
                continue
            first, rest = text.split(joint, 1)
            said, others = self._say(first, depth + 1), self._say(rest, depth + 1)
            if said is not None and others is not None:
                return said + (f" {self._words(_SAID[joint])} " if joint in _SAID else joint) + others
        return None


_OURS = frozenset(
    {
        "absent",
        "destination",
        "destinations",
        "never",
        "none",
        "subnet",
        "subnets",
        "subscription",
        "subscriptions",
        "traffic",
    }
)
"""Words of ours that are values of fields; a resource of that name is taken for the word."""


class _Template:
    """An English template and its translation. `longest`: what its texts contain; `weight`: how much is fixed."""

    def __init__(self, text: str, said: str) -> None:
        pieces = _FIELD.split(text)
        self._literals, self._names, self._said = pieces[::2], pieces[1::2], said
        self.longest = max(self._literals, key=len)
        self.weight = sum(map(len, self._literals))

    def splits(self, text: str) -> Iterator[dict[str, str]]:
        """Yield the values of the fields, for each way in which the text fits the template."""
        first, last = self._literals[0], self._literals[-1]
        if text.startswith(first) and text.endswith(last) and len(text) > self.weight:
            yield from self._split(text[len(first) : len(text) - len(last)], 0)

    def _split(self, text: str, at: int) -> Iterator[dict[str, str]]:
        """Yield the values of the fields from one on; `text`: what is between the literals before and behind them."""
        name = self._names[at]
        if at + 1 == len(self._names):
            yield {name: text}
            return
        literal, start = self._literals[at + 1], 0
        for _ in range(_MOST_SPLITS):
            found = text.find(literal, start) if literal else _next(text, start)
            if found < 0:
                return
            for rest in islice(self._split(text[found + len(literal) :], at + 1), _MOST_SPLITS):
                yield {name: text[:found], **rest}
            start = found + 1

    def filled(self, values: dict[str, str]) -> str:
        return _FIELD.sub(lambda hit: values.get(hit[1], hit[0]), self._said)


def _next(text: str, start: int) -> int:
    """Return where the second of two adjacent fields may begin: at punctuation, or at the end, where it is empty."""
    if start > len(text):
        return -1
    return next((at for at in range(start, len(text)) if text[at] in " ,;"), len(text))


def _around(text: str) -> tuple[str, str, str]:
    """Return the punctuation before a text, the text, and the punctuation behind it."""
    found = None if text.endswith(_CUT) else _AROUND.match(text)
    before, inner, after = found.groups() if found else ("", text, "")
    if inner.startswith("(") and inner.endswith(")") and inner.count("(") == 1:
        return f"{before}(", inner[1:-1], f"){after}"
    return before, inner, after


@lru_cache
def facts(language: str) -> Facts:
    """Return the facts of a language. Raises OSError where it has no catalogue."""
    return Facts(Words(language))
