"""What people call resource types."""

import re
from collections.abc import Mapping

_WORDS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_PLURALS = (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("us", "us"), ("s", ""))


def type_name(type: str, products: Mapping[str, str]) -> str:
    """Return a resource type in a few words: that of `products`, or `Load balancer` for `.../loadBalancers`."""
    known = products.get(type.lower())
    if known:
        return known
    words = _WORDS.findall(type.rpartition("/")[2])
    if not words:
        return type
    first, *others = (word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    text = " ".join([first, *others])
    ending = next((each for each in _PLURALS if text.endswith(each[0])), ("", ""))
    text = text.removesuffix(ending[0]) + ending[1] if ending[0] else text
    return text[:1].upper() + text[1:]
