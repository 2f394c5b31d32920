"""Pseudonyms for the names of an estate: the same key gives the same pseudonym for a name."""

import hashlib
import hmac
from collections.abc import Container, Iterator

from scanner.output.vocabulary import Vocabulary

WITHHELD = "withheld"
"""What stands in a redacted document for a text that may name something."""
_DIGITS = 16
"""Hex digits of a pseudonym: two of 100,000 names are equal in one of 4 billion documents."""


def one_of(known: Container[str], word: str, other: str = "unknown") -> str:
    """Return a word that is one of ours, else another word: a document may be anything."""
    return word if word in known else other


class Pseudonyms:
    """Replaces names. `key`: the key of the HMAC, without which no one can find the name of a pseudonym."""

    def __init__(self, key: bytes, known: Vocabulary) -> None:
        self._secret, self._known = key, known
        self._ids: dict[str, str] = {}

    def digest(self, kind: str, name: str) -> str:
        text = f"{kind}\0{name.lower()}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()

    def word(self, kind: str, name: str) -> str:
        """Return `kind-DIGITS` for a name, "" for none."""
        return f"{kind}-{self.digest(kind, name)[:_DIGITS]}" if name else ""

    def uuid(self, kind: str, name: str) -> str:
        """Return a pseudonym that looks like the id of a subscription or tenant, "" for none."""
        digest = self.digest(kind, name)
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])) if name else ""

    def segment(self, segment: str) -> str:
        """Return a segment of a type as the rules spell it, else a pseudonym."""
        return self._known.types.get(segment.lower()) or self.word("type", segment)

    def type(self, type: str) -> str:
        return "/".join(map(self.segment, type.split("/"))) if type else ""

    def id(self, id: str) -> str:
        """Return the id of a resource, or the path of a read, with pseudonyms for its names."""
        result = self._ids.get(id)
        if result is None:
            result = self._ids[id] = "/".join(("", *self._segments(id))) if id else ""
        return result

    def _segments(self, id: str) -> Iterator[str]:
        """Yield the segments. Names hold the whole path before them, so equal names of two resources stay two names."""
        segments = [segment for segment in id.split("/") if segment]
        is_name, kind = False, ""
        for at, segment in enumerate(segments):
            lower = segment.lower()
            if is_name and kind in ("subscriptions", "tenants"):
                yield self.uuid(kind.removesuffix("s"), segment)
                is_name = False
            elif is_name:
                path = "/".join(segments[: at + 1])
                yield self.word("rg" if kind == "resourcegroups" else "name", path)
                is_name = False
            elif lower == "tenants" and at == 0:
                yield lower
                is_name, kind = True, lower
            elif lower in ("subscriptions", "resourcegroups") and kind != "providers":
                yield "subscriptions" if lower == "subscriptions" else "resourceGroups"
                is_name, kind = True, lower
            elif lower == "providers":
                yield "providers"
                kind = "providers"
            elif kind == "providers":
                yield self.segment(segment)
                kind = "type"
            else:
                yield self.segment(segment)
                is_name = True
