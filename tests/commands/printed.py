"""Every `az` command that the project prints, for `make commands` to run through the real Azure CLI.

`python -m scanner.commands [FINDINGS.json]...` runs from the root of a working copy and writes JSON lines
`{"where", "command"}`: each rule's fix and first step with a sample's words filled in, what the report offers to grant,
code in the pages for people, commands with options that code and templates quote in backticks, and the fixes of real
findings (one of each shape).
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from scanner.fix.sample_commands import AZ, SUBSCRIPTION, commands_of, with_fields
from scanner.model.rule import Rule
from scanner.rulebook.loader import load

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "deploy/*.md")
CODE = ("scanner/**/*.py", "templates/**/*")
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`(az [a-z][^`\n]*)`")
OPTION = re.compile(r" -")
LINE = re.compile(r"^(?:\$ )?(az (?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def printed(root: Path, rules: list[Rule]) -> Iterator[tuple[str, str]]:
    """(where it stands, the command) of all of them."""
    for rule in rules:
        yield from commands_of(rule)
    for number, command in enumerate(of_report(), 1):
        yield f"report: what to grant, line {number}", command
    for pattern in PAGES:
        for path in sorted(root.glob(pattern)):
            for command in in_page(path.read_text("utf-8")):
                yield path.relative_to(root).as_posix(), command
    for pattern in CODE:
        for path in sorted(path for path in root.glob(pattern) if path.is_file() and "__pycache__" not in path.parts):
            for command in filter(OPTION.search, QUOTED.findall(path.read_text("utf-8"))):
                yield path.relative_to(root).as_posix(), command


def of_findings(file: Path) -> Iterator[tuple[str, str]]:
    """The fixes of a findings document, one of each shape (rule, command and options)."""
    document = msgspec.json.decode(file.read_bytes())
    seen = set()
    for row in (*document["exposures"], *document["findings"]):
        fix = row.get("fix") or {}
        undo = fix.get("undo") or {}
        commands = (
            *fix.get("commands", ()),
            fix.get("check_first", ""),
            *undo.get("save", ()),
            *undo.get("commands", ()),
        )
        for command in filter(None, commands):
            shape = (row.get("rule") or row["endpoint"], *re.findall(r" -[-\w]+", command))
            if AZ.search(command) and shape not in seen:
                seen.add(shape)
                yield f"{file.name}: {shape[0]}", with_fields(command)


def of_report() -> list[str]:
    """What the report offers to grant the reads that were refused."""
    from scanner.report.views.gaps import GapGroup, role_commands

    matches = role_commands([GapGroup(action="Microsoft.Sql/servers/read", subscription=SUBSCRIPTION)])
    return [with_fields(each) for each in matches]


def in_page(text: str) -> Iterator[str]:
    """The commands in a Markdown page: lines of its shell blocks, and code in a sentence."""
    for block in FENCE.findall(text):
        yield from LINE.findall(block)
    yield from QUOTED.findall(FENCE.sub("", text))


def main(files: list[str]) -> int:
    rules = load(packages=False)
    for broken in rules.broken:
        print(f"{broken.file}:{broken.line}: {broken.error}", file=sys.stderr)
    commands = list(printed(Path(), list(rules.rules.values())))
    for file in files:
        commands += of_findings(Path(file))
    for where, command in commands:
        print(json.dumps({"where": where, "command": command}, ensure_ascii=False))
    return 1 if rules.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
