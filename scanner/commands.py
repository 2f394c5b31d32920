"""Every `az` command that the project prints, for `make commands` to have judged by the real Azure CLI.

`python -m scanner.commands` runs from the root of a working copy and writes JSON lines `{"where", "command"}`: each
rule's fix and first step with a sample's words filled in, what the report offers to grant, code in the pages for
people, and commands with options that code and templates quote in backticks.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scanner.rule import Rule

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "deploy/*.md")
CODE = ("scanner/**/*.py", "templates/**/*")
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`(az [a-z][^`\n]*)`")
OPTION = re.compile(r" -")
LINE = re.compile(r"^(?:\$ )?(az (?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def printed(root: Path, rules: list[Rule]) -> Iterator[tuple[str, str]]:
    """(where it stands, the command) of all of them."""
    for rule in rules:
        yield from of_rule(rule)
    for number, command in enumerate(of_report(), 1):
        yield f"report: what to grant, line {number}", command
    for pattern in PAGES:
        for path in sorted(root.glob(pattern)):
            for command in in_page(path.read_text("utf-8")):
                yield path.relative_to(root).as_posix(), command
    for pattern in CODE:
        for path in sorted(path for path in root.glob(pattern) if path.is_file() and path.suffix != ".pyc"):
            for command in filter(OPTION.search, QUOTED.findall(path.read_text("utf-8"))):
                yield path.relative_to(root).as_posix(), command


def of_rule(rule: Rule) -> Iterator[tuple[str, str]]:
    """The commands of a rule's fix. A rule that has none says so by an empty `az`."""
    for type in rule.types:
        words = sample(type)
        for field in ("az", "first_step"):
            template: str = getattr(rule.fix, field)
            if re.search(r"\baz [a-z]", template):
                yield f"{rule.id}, {field}", template.format(**words)


def sample(type: str) -> dict[str, str]:
    """What a fix's placeholders stand for, on a made-up resource of a type."""
    namespace, top, *below = type.split("/")
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-sample"
    top_id = f"{group}/providers/{namespace}/{top}/sample"
    return {
        "id": top_id + "".join(f"/{each}/sample" for each in below),
        "name": "sample",
        "top": "sample",
        "top_id": top_id,
        "group": "rg-sample",
        "subscription": SUBSCRIPTION,
        "location": "norwayeast",
        "sku": "Standard",
    }


def of_report() -> list[str]:
    """What the report offers to grant the reads that were refused."""
    from scanner.report.notread import Entry, grant

    return grant([Entry(action="Microsoft.Sql/servers/read", subscription=SUBSCRIPTION)], "twolocks-nightly")


def in_page(text: str) -> Iterator[str]:
    """The commands in a Markdown page: lines of its shell blocks, and code in a sentence."""
    for block in FENCE.findall(text):
        yield from LINE.findall(block)
    yield from QUOTED.findall(FENCE.sub("", text))


def main(root: Path = Path()) -> None:
    from scanner.loader import built_in

    for where, command in printed(root, built_in()):
        print(json.dumps({"where": where, "command": command}, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
