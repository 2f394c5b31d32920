"""Reads the HCL of rules: the resource, and each argument with its kind."""

import re
from collections.abc import Iterator
from typing import Any

import hcl2

from scanner.model.rule import Rule

KINDS = {bool: "boolean", int: "number", str: "string", list: "strings"}
NAMED = re.compile(r"\bazurerm_\w+")


def resource(rule: Rule) -> tuple[str, dict[str, Any]]:
    """The type and the body of the only resource of a rule's HCL."""
    ((type, named),) = hcl2.loads(rule.fix.terraform + "\n")["resource"][0].items()
    (body,) = (body for name, body in named.items() if name.strip('"') == "example")
    return type.strip('"'), body


def arguments(body: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each argument of a body with its kind; nested ones joined by dots, a block without any by itself."""
    for name, value in body.items():
        if name.startswith("__"):
            continue
        blocks = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
        for block in blocks:
            yield from list(arguments(block, f"{above}{name}.")) or [(f"{above}{name}", "block")]
        if not blocks:
            yield f"{above}{name}", KINDS[type(value)]
