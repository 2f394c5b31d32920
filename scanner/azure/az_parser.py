"""Check `az` commands with the real Azure CLI, without running any: `make commands` and `twolocks rules test`.

Reads JSON lines `{"where": "storage-plain-http fix", "command": "az storage account update ..."}` from standard input;
a command may be several, joined by newlines, `&&`, `;` or `|`. Prints each refused one with the CLI's error.
Exit 0 when all are accepted, 1 when one is refused, 2 without any.

Run as a script by the Python of the Azure CLI. A command goes as far as its first request, which is never sent: the
CLI parses it, validates its arguments, and starts it. So it refuses what it refuses without Azure: an argument that
does not exist, a value that is not among its choices, a resource type that the command does not know. It refuses a
command that asks a question too, because no one is there to answer it.
"""

import contextlib
import copy
import io
import itertools
import json
import os
import re
import shlex
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PLACEHOLDER = re.compile(r"[{<][a-zA-Z_][\w .-]*[}>]")
NESTED = re.compile(r"az$|.*(\$\(|`)az\b")
SEPARATORS = ";&|\n"
SUBSCRIPTION = re.compile(r"(?:/subscriptions/|--subscription '?)([^/'\s]+)")
SAMPLE_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
FILES = {
    "role.json": {
        "Name": "sample",
        "Actions": ["*/read"],
        "AssignableScopes": [f"/subscriptions/{SAMPLE_SUBSCRIPTION}"],
    }
}
"""Files that commands read, as they are where a page or a report tells to make them."""


def split(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each `az` command of a text, without a file that it writes at its end.

    Raise ValueError for open quotes, or az inside a line.
    """
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
            yield words[1:-2] if words[-2:-1] == [">"] else words[1:]
        if any(NESTED.match(word) for word in words[1:]):
            raise ValueError("an az command inside another line of shell is not checked; write it on a line of its own")
        words = []


ASKS = "it asks a question, at which a script stops: add --yes, or the value that it asks for"


class AsksAzure(BaseException):
    """A request is about to be sent. No `except Exception` of the CLI catches it."""


ON_THIS_MACHINE = frozenset(("account", "config", "cloud", "configure", "extension", "login", "logout", "bicep"))
"""The first words of commands that act on this machine; they are parsed only."""


class Cli:
    """The Azure CLI of this Python, which sends nothing. `subscriptions`: those that the commands name.

    `asked`: the validators that asked Azure, and so did not end.
    """

    def __init__(self, subscriptions: Iterable[str]) -> None:
        from azure.cli.core import get_default_cli

        self.asked: Counter[str] = Counter()
        self._cli = get_default_cli()
        self._loaded: dict[tuple[str, ...], Any] = {}
        sign_in(subscriptions)
        cut_off()

    def complaint(self, args: list[str]) -> str:
        """Return the complaint of the CLI about the arguments of a command, "" for none."""
        name = tuple(itertools.takewhile(lambda word: not word.startswith("-"), args))
        if name not in self._loaded:
            self._loaded[name] = self._load(args)
        invocation = self._cli.invocation = self._loaded[name]
        if invocation is None:
            return f"there is no such command: az {' '.join(args[:4])}"
        output = io.StringIO()
        try:
            with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
                self._start(args, invocation)
        except SystemExit as end:
            return output.getvalue().strip().partition("\n")[0] or f"the parser ended with {end.code}"
        except Exception as error:  # noqa: BLE001 - the CLI may raise anything
            if type(error).__name__ == "NoTTYException":
                return ASKS
            return (str(error) or type(error).__name__).strip().partition("\n")[0]
        return ""

    def _load(self, args: list[str]) -> Any:
        """Return the invocation with the parser of a command; None if there is no such command."""
        from azure.cli.core.commands.events import EVENT_INVOKER_PRE_LOAD_ARGUMENTS
        from knack.events import EVENT_INVOKER_POST_CMD_TBL_CREATE

        cli = self._cli
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

    def _start(self, args: list[str], invocation: Any) -> None:
        """Parse and validate a command, and run it until its first request."""
        from azure.cli.core.commands import _explode_list_args
        from knack.events import EVENT_INVOKER_POST_PARSE_ARGS

        parsed = invocation.parser.parse_args(args)
        self._cli.raise_event(EVENT_INVOKER_POST_PARSE_ARGS, command=parsed.command, args=parsed)
        if args[0] in ON_THIS_MACHINE:
            return
        for each in _explode_list_args(parsed):
            command = copy.copy(parsed.func)
            command.cli_ctx = copy.copy(self._cli)
            command.cli_ctx.data = dict(self._cli.data)
            each.cmd = each._cmd = command
            if hasattr(each, "_subscription"):
                command.cli_ctx.data["subscription_id"] = each._subscription
            # The CLI asks before it runs a command (`resolve_confirmation`).
            if command.confirmation and not vars(each).pop("yes", None):
                raise ValueError(ASKS)
            if self._is_valid(each, invocation):
                with contextlib.suppress(AsksAzure):
                    command(invocation._filter_params(each))

    def _is_valid(self, parsed: Any, invocation: Any) -> bool:
        """Run the validators of a command. Return whether all of them ended without Azure."""
        validator = getattr(parsed, "_command_validator", None)
        before = self.asked.total()
        for each in [validator] if validator else getattr(parsed, "_argument_validators", ()):
            try:
                each(**invocation._build_kwargs(each, parsed))
            except AsksAzure:
                self.asked[getattr(each, "__name__", str(each))] += 1
        return self.asked.total() == before


def sign_in(subscriptions: Iterable[str]) -> None:
    """Make the CLI believe that it may use these subscriptions; no token is fetched."""
    from azure.cli.core._profile import Profile

    tenant = "7e000000-0000-4000-8000-000000000001"
    user = {"name": "unknown", "type": "servicePrincipal"}
    known = {"state": "Enabled", "tenantId": tenant, "homeTenantId": tenant, "user": user}
    known |= {"environmentName": "AzureCloud", "managedByTenants": []}
    names = sorted({SAMPLE_SUBSCRIPTION, *subscriptions})
    rows = [{"id": each, "name": each, "isDefault": each == SAMPLE_SUBSCRIPTION, **known} for each in names]

    def ask(*args: Any, **more: Any) -> Any:
        raise AsksAzure

    Profile.load_cached_subscriptions = lambda self, all_clouds=False: rows
    Profile.get_login_credentials = lambda self, *args, **more: (SimpleNamespace(get_token=ask), rows[0]["id"], tenant)
    Profile.get_raw_token = ask


def cut_off() -> None:
    """Raise AsksAzure where a connection is about to be opened."""

    def refuse(*args: Any, **more: Any) -> Any:
        raise AsksAzure

    # Pollers send from a thread of their own, whose exception is printed.
    threading.excepthook = lambda hook: None
    socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse  # type: ignore[method-assign]


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
    entries = [json.loads(line) for line in sys.stdin]
    cli = Cli(name for each in entries for name in SUBSCRIPTION.findall(each["command"]))
    count = 0
    refused = 0
    for entry in entries:
        value, errors = check(entry["command"], cli.complaint)
        count += value
        refused += len(errors)
        for error in errors:
            print(f"{entry['where']}\n  {entry['command']}\n  {error}\n")
    if not count:
        print("no commands were read")
        return 2
    if cli.asked:
        print(f"validators that ask Azure, and did not end: {', '.join(sorted(cli.asked))}")
    print(f"{count} commands, {refused} refused" if refused else f"{count} commands, all accepted")
    return 1 if refused else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as config:
        os.environ |= {
            "AZURE_CONFIG_DIR": config,
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_NO_COLOR": "true",
        }
        os.chdir(config)
        for name, content in FILES.items():
            (Path(config) / name).write_text(json.dumps(content), "utf-8")
        sys.exit(main())
