"""Writes `azurerm.toml`: what the Terraform provider's own schema has of the resources and arguments that rules write.

    .venv/bin/python -m tests.rules.azurerm_schema SCHEMA VERSION

SCHEMA is `.release/provider-schema.json` of a checkout of hashicorp/terraform-provider-azurerm, VERSION the release
that it is of (the first heading of its CHANGELOG.md). An argument that the schema does not have is left out, so that
`test_fixes.py` fails on the rule that writes it.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rules import examples
from tests.rules.terraform import NAMED, arguments, resource

FILE = Path(__file__).parent / "azurerm.toml"
KINDS = {
    "TypeBool": "boolean",
    "TypeInt": "number",
    "TypeFloat": "number",
    "TypeString": "string",
    "TypeList": "strings",
    "TypeSet": "strings",
}
HEAD = """\
# What the provider's schema says of the resources and arguments that rules write; nothing of it is written by hand.
# Written by `python -m tests.rules.azurerm_schema`. "replaces": a change replaces the resource; "replaces with BLOCK":
# adding the block does. "computed": it cannot be set. "deprecated": the next major version removes it. A resource
# without arguments is only named in words.
"""


def known(schema: dict[str, Any], path: str) -> str:
    """Return kind and flags of an argument; "" where the schema has no such argument."""
    level, flags, kind = schema, set[str](), ""
    steps = path.split(".")
    for depth, step in enumerate(steps):
        entry = level.get(step)
        if entry is None:
            return ""
        element = entry.get("elem")
        is_block = isinstance(element, dict) and "schema" in element
        level = element["schema"] if is_block else {}
        kind = "block" if is_block else KINDS.get(entry["type"], "map")
        if entry.get("forceNew"):
            flags.add("replaces" if depth == len(steps) - 1 else f"replaces with {'.'.join(steps[: depth + 1])}")
        flags |= {"deprecated"} if entry.get("deprecated") else set()
        flags |= set() if entry.get("optional") or entry.get("required") else {"computed"}
    return ", ".join((kind, *sorted(flags)))


def lines(resources: dict[str, Any], provider: str) -> Iterator[str]:
    """Yield the lines of the file."""
    written: dict[str, set[str]] = {}
    for rule in examples.all_rules():
        if rule.fix.terraform:
            type, body = resource(rule)
            written.setdefault(type, set()).update(name for name, _ in arguments(body))
        for type in NAMED.findall(f"{rule.fix.terraform} {rule.fix.text}"):
            written.setdefault(type, set())
    reasons = tomllib.loads((FILE.parent / "terraform.toml").read_text("utf-8"))["none"]
    for type in NAMED.findall(" ".join(reasons.values())):
        written.setdefault(type, set())
    yield f'{HEAD}provider = "{provider}"\n'
    for type, names in sorted(written.items()):
        if type in resources:
            result = {name: known(resources[type]["schema"], name) for name in sorted(names)}
            yield f"\n[{type}]\n"
            yield from (f'"{name}" = "{what}"\n' for name, what in result.items() if what)


def main(schema: str, version: str) -> int:
    resources = json.loads(Path(schema).read_text("utf-8"))["providerSchema"]["resources"]
    FILE.write_text("".join(lines(resources, f"azurerm {version}, .release/provider-schema.json")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
