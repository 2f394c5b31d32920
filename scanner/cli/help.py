"""The help of each command, generated from its row: plain text, at most 80 columns."""

import textwrap
from collections.abc import Iterator

from scanner.config.command import Command
from scanner.config.commands import COMMANDS
from scanner.config.options import Option

WIDTH = 80
BESIDE = 44
"""The column of the text beside a usage line."""
MANY = "+ may be repeated"


def text(command: Command) -> str:
    """Return the text of `--help`, without a final line break."""
    blocks = _group(command) if not command.runs else _single(command)
    return "\n\n".join(block for block in blocks if block)


def below(group: Command) -> list[Command]:
    """Return the commands of a group, in the order of the table."""
    head = f"{group.name} " if group.name else ""
    return [each for each in COMMANDS.values() if each.name and each.name.rpartition(" ")[0] == head.rstrip()]


def _group(command: Command) -> Iterator[str]:
    usage = " ".join(["Usage: twolocks", *command.name.split(), "COMMAND [OPTIONS]"])
    yield f"{usage}   {command.summary}".rstrip()
    named = {each.name.rpartition(" ")[2]: each.about for each in below(command)}
    wide = max(map(len, named))
    yield "\n".join(f"  {name:<{wide}}   {about}" for name, about in named.items())
    yield command.outro


def _single(command: Command) -> Iterator[str]:
    options = [each for each in command.rows if isinstance(each, Option)]
    must = [f"--{each.name} {each.value}" for each in options if each.needed]
    usage = " ".join(["Usage: twolocks", command.name, *command.arguments, *must, "[OPTIONS]"])
    many = any(each.many for each in options)
    is_short = many and len(usage) < BESIDE
    yield f"{usage:<{BESIDE}}{MANY}" if is_short else usage
    yield command.intro
    yield "\n".join(_rows(command.rows, MANY if many and not is_short else ""))
    yield command.outro
    yield _variable(command)


def _rows(rows: tuple[Option | str, ...], note: str) -> Iterator[str]:
    """Yield one or more lines for each option. `note` is printed beside `--help`."""
    options = [each for each in rows if isinstance(each, Option)]
    wide = max(len(_signature(each)) for each in options)
    many = any(each.many for each in options)
    for each in rows:
        if isinstance(each, str):
            yield each
            continue
        sign = ("  +  " if each.many else "     ") if many else "   "
        head = f"  {_signature(each):<{wide}}{sign}"
        yield from textwrap.wrap(
            each.about,
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )
    yield f"  {'-h, --help':<{wide + 5}}{note}".rstrip()


def _signature(option: Option) -> str:
    short = f"{option.short}, " if option.short else ""
    return f"{short}--{option.name} {option.value}".rstrip()


def _variable(command: Command) -> str:
    """Return the sentence on variables; "" if no option has one."""
    if not command.options:
        return ""
    option = next(each for each in command.options if each.name == (command.example or each.name))
    message = f"Each option can be set by a variable: --{option.name} is {variable(command.word, option)}"
    if command.name != "scan":
        return textwrap.fill(f"{message}.", WIDTH, break_on_hyphens=False)
    message += f". Commas separate several values. It can also be set in [scan] of twolocks.toml: {option.name}."
    return textwrap.fill(message, WIDTH, break_on_hyphens=False)


def variable(word: str, option: Option) -> str:
    """Return the variable that sets an option of a command, of which `word` is the first word."""
    return f"TWOLOCKS_{word}_{option.key}".upper()
