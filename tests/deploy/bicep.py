"""Bicep as plain data: enough of it to see which resources a file makes, and with which properties.

Objects and arrays become dicts and lists; a loop becomes a list of its one item, `a ? b : c` the first of its objects
or lists that is not empty; every other expression stays as its text, a plain string without its quotes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

LANGUAGE = Language(tree_sitter_bicep.language())


@dataclass(frozen=True, slots=True)
class Made:
    """A resource: its symbol, its type with those of its parents, its api-version (or its parent's), its body."""

    symbol: str
    type: str
    api: str
    body: dict[str, Any]


def parse(path: Path) -> Node:
    """The syntax tree; an error in it fails."""
    root = Parser(LANGUAGE).parse(path.read_bytes()).root_node
    wrong = [node for node in walk(root) if node.type == "ERROR" or node.is_missing]
    assert not wrong, [f"{path.name}:{node.start_point.row + 1}: {text(node)[:60]}" for node in wrong]
    return root


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def declared(root: Node, kind: str) -> dict[str, Node]:
    """Declarations by name: `parameter_declaration`, `variable_declaration`, `output_declaration`."""
    nodes = [node for node in walk(root) if node.type == kind]
    return {text(next(child for child in node.children if child.type == "identifier")): node for node in nodes}


def resources(node: Node, above: str = "", api: str = "") -> Iterator[Made]:
    """Every resource, those within others too."""
    for child in node.children:
        if child.type != "resource_declaration":
            yield from resources(child, above, api)
            continue
        symbol = text(next(each for each in child.children if each.type == "identifier"))
        name = text(next(each for each in child.children if each.type == "string")).strip("'")
        type, _, own = name.partition("@")
        body = value(child.children[-1])
        made = Made(
            symbol, f"{above}/{type}" if above else type, own or api, body[0] if isinstance(body, list) else body
        )
        yield made
        yield from resources(child.children[-1], made.type, made.api)


def value(node: Node) -> Any:
    """A value as data."""
    inner = [child for child in node.named_children if child.type not in ("comment", "diagnostic_comment")]
    if node.type == "object":
        pairs = [child for child in inner if child.named_children[0].type != "resource_declaration"]
        return {text(pair.named_children[0]).strip("'"): value(pair.named_children[-1]) for pair in pairs}
    if node.type == "array":
        return [value(child) for child in inner]
    if node.type == "for_statement":
        return [value(inner[-1])]
    if node.type == "ternary_expression":
        shapes = [made for made in map(value, inner[1:]) if isinstance(made, dict | list) and made]
        return shapes[0] if shapes else text(node)
    if node.type == "string":
        return text(node)[1:-1]
    return text(node)
