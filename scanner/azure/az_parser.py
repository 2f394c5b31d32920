"""Parse `az` commands with the real Azure CLI, without running any: `make commands` and `twolocks rules test`.

Reads JSON lines `{"where": "storage-plain-http fix", "command": "az storage account update ..."}` from standard input;
a command may be several, joined by newlines, `&&`, `;` or `|`. Prints each refused one with the parser's error.
Exit 0 when all are accepted, 1 when one is refused, 2 without any.

Run as a script by the Python of the Azure CLI. Nothing is sent: the step that would call Azure is never taken.
"""

import contextlib
import io
import itertools
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

PLACEHOLDER = re.compile(r"[{<][a-zA-Z_][\w .-]*[}>]")
NESTED = re.compile(r"az$|.*(\$\(|`)az\b")
SEPARATORS = ";&|\n"


def split(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each `az` command of a text. Raise ValueError for open quotes, or az inside a line."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=SEPARATORS)
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    comment = False
    for word in [*lexer, "\n"]:
        comment = (comment or word.startswith("#")) and "\n" not in word
        if comment:
            continue
        if not word or word.strip(SEPARATORS):
            words.append(word)
            continue
        if words and words[0] == "az":
            yield words[1:]
        if any(NESTED.match(word) for word in words[1:]):
            raise ValueError("an az command inside another line of shell is not checked; write it on a line of its own")
        words = []


def parser() -> Callable[[list[str]], str]:
    """Return a function that returns the complaint of the CLI about an argument list, "" for none."""
    from azure.cli.core import get_default_cli
    from azure.cli.core.commands.events import EVENT_INVOKER_PRE_LOAD_ARGUMENTS
    from knack.events import EVENT_INVOKER_POST_CMD_TBL_CREATE

    cli = get_default_cli()
    loaded: dict[tuple[str, ...], Any] = {}

    def load(args: list[str]) -> Any:
        """Return the invocation with the parser of a command; None if there is no such command."""
        invocation = cli.invocation_cls(
            cli_ctx=cli,
            parser_cls=cli.parser_cls,
            commands_loader_cls=cli.commands_loader_cls,
            help_cls=cli.help_cls,
        )
        cli.invocation = invocation
        loader = invocation.commands_loader
        loader.load_command_table(args)
        command = invocation._rudimentary_get_command(args)
        if not command or command not in loader.command_table:
            return None
        invocation.data["command_string"] = command
        loader.command_name = command
        cli.raise_event(EVENT_INVOKER_PRE_LOAD_ARGUMENTS, commands_loader=loader)
        loader.load_arguments(command)
        cli.raise_event(EVENT_INVOKER_POST_CMD_TBL_CREATE, commands_loader=loader)
        invocation.parser.load_command_table(loader)
        return invocation

    def complaint(args: list[str]) -> str:
        name = tuple(itertools.takewhile(lambda word: not word.startswith("-"), args))
        if name not in loaded:
            loaded[name] = load(args)
        if loaded[name] is None:
            return f"there is no such command: az {' '.join(args[:4])}"
        cli.invocation = loaded[name]
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                cli.invocation.parser.parse_args(args)
        except SystemExit as end:
            return said.getvalue().strip().partition("\n")[0] or f"the parser ended with {end.code}"
        return ""

    return complaint


def check(text: str, complaint: Callable[[list[str]], str]) -> tuple[int, list[str]]:
    """Return the number of commands in a text, and what is wrong with them."""
    if left := PLACEHOLDER.search(text):
        return 1, [f"the placeholder {left.group()} was not filled in"]
    try:
        commands = list(split(text))
    except ValueError as why:
        return 1, [f"the shell cannot read it: {why}"]
    if not commands:
        return 1, ["no az command stands here"]
    return len(commands), [error for args in commands if (error := complaint(args))]


def main() -> int:
    complaint = parser()
    count = 0
    refused = 0
    for line in sys.stdin:
        entry = json.loads(line)
        found, errors = check(entry["command"], complaint)
        count += found
        refused += len(errors)
        for error in errors:
            print(f"{entry['where']}\n  {entry['command']}\n  {error}\n")
    if not count:
        print("no commands were read")
        return 2
    print(f"{count} commands, {refused} refused" if refused else f"{count} commands, all accepted")
    return 1 if refused else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as config:
        os.environ |= {
            "AZURE_CONFIG_DIR": config,
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_NO_COLOR": "true",
        }
        sys.exit(main())
