"""Shell completion: what completes a word, and the scripts for bash, zsh and fish. Imports no rules and no SDK."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from scanner.config.options import Option
from scanner.content import content
from scanner.errors import InputError
from scanner.model.severity import SEVERITIES

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TWOLOCKS_COMPLETE"
_PATTERNS = ("only", "skip")
_ID = re.compile(
    r"^(?:\[(?:table\.[\w-]+\.rows\.)?([a-z0-9]+(?:-[a-z0-9]+)+)(?:\.types)?\]$|([a-z0-9]+(?:-[a-z0-9]+)+) = \{)",
    re.MULTILINE,
)

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def rule_ids() -> list[str]:
    """Return the ids of the built-in rules, from the headings of their files."""
    folder = content("rules")
    files = [*folder.glob("*.toml"), *folder.glob("tables/*.toml")]
    texts = [each.read_text("utf-8") for each in files if each.name != "controls.toml"]
    return sorted({heading or key for text in texts for heading, key in _ID.findall(text)})


def of_option(option: Option) -> Complete | None:
    """Return what completes the value of an option; None where nothing does."""
    if option.known:
        return _among(lambda: list(option.known))
    if option.name in _PATTERNS:
        return _among(_patterns)
    if option.name in ("in", "out") or option.path:
        kind = "dir" if option.value == "DIR" else "file"
        return lambda ctx, param, word: [CompletionItem(word, type=kind)]
    return None


def of_argument(command: str, word: str) -> Complete | None:
    """Return what completes an argument of a command; None where nothing does."""
    if word == "ID" and command == "rules show":
        return _among(rule_ids)
    if word.strip("[]") in ("FILE", "OLD", "NEW", "DIR"):
        kind = "dir" if word == "DIR" else "file"
        return lambda ctx, param, text: [CompletionItem(text, type=kind)]
    return None


def _patterns() -> list[str]:
    from scanner.model.rule import CATEGORIES

    return [*rule_ids(), *(f"category:{each}" for each in CATEGORIES), *(f"severity:{each}" for each in SEVERITIES)]


def _among(words: Callable[[], list[str]]) -> Complete:
    def complete(ctx: click.Context, param: click.Parameter, word: str) -> list[CompletionItem[str]]:
        return [CompletionItem(each) for each in words() if each.startswith(word)]

    return complete


def answer(group: click.Group, instruction: str) -> str | None:
    """Return what a shell asks for in the variable `VARIABLE`, such as `bash_complete`; None for another value."""
    shell, _, what = instruction.partition("_")
    result = get_completion_class(shell) if shell in SHELLS else None
    if result is None or what != "complete":
        return None
    return result(group, {}, "twolocks", VARIABLE).complete() + "\n"


def script(shell: str) -> str:
    """Return the completion script of a shell."""
    result = get_completion_class(shell)
    assert result is not None
    made = result(click.Command("twolocks"), {}, "twolocks", VARIABLE)
    # `source` of click's class for bash also runs bash, to check its version.
    return made.source_template % made.source_vars() + "\n"


def shell_of(given: str, option: str) -> str:
    """Return the shell that an option names, or that of the user. Raises InputError for one without completion."""
    shell = Path(os.environ.get("SHELL", "")).name if given == "auto" else given
    if shell not in SHELLS:
        what = f'no completion for the shell "{shell}"' if shell else "the shell is not known: SHELL is not set"
        raise InputError(what, at=option, do=f"known: {', '.join(SHELLS)}; {option} bash")
    return shell


def completion_path(shell: str) -> tuple[Path, str]:
    """Return where a shell looks for completion scripts of the user, and what else it needs; "" for nothing."""
    home = Path.home()
    if shell == "fish":
        return _folder("XDG_CONFIG_HOME", home / ".config") / "fish/completions/twolocks.fish", ""
    if shell == "zsh":
        needs = "add this before compinit in ~/.zshrc: fpath+=(~/.zfunc)"
        return home / ".zfunc/_twolocks", needs
    path = _folder("XDG_DATA_HOME", home / ".local/share") / "bash-completion/completions/twolocks"
    return path, "this needs the package bash-completion; without it, source the file in ~/.bashrc"


def _folder(variable: str, usual: Path) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if Path(given).is_absolute() else usual


def install(shell: str) -> tuple[Path, str]:
    """Write the script of a shell. Return its file, and what else the shell needs. Raises InputError."""
    path, needs = completion_path(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(shell), "utf-8")
    except OSError as error:
        raise InputError(
            f"the completion script cannot be written: {error.strerror}",
            at=str(path),
            do=f"twolocks --show-completion {shell}",
        ) from None
    return path, needs


def options() -> list[click.Option]:
    """Return the two options of `twolocks` itself."""
    made: list[click.Option] = []
    for name, call in (("--install-completion", _install), ("--show-completion", _show)):
        more: dict[str, Any] = {"is_flag": False, "flag_value": "auto", "is_eager": True, "expose_value": False}
        made.append(click.Option([name], callback=call, shell_complete=_among(lambda: list(SHELLS)), **more))
    return made


def _show(ctx: click.Context, param: click.Parameter, given: str | None) -> None:
    if given is not None and not ctx.resilient_parsing:
        click.echo(script(shell_of(given, "--show-completion")), nl=False)
        ctx.exit()


def _install(ctx: click.Context, param: click.Parameter, given: str | None) -> None:
    if given is not None and not ctx.resilient_parsing:
        from scanner.cli.common import write_line

        path, needs = install(shell_of(given, "--install-completion"))
        write_line(f"Wrote {path}; it works in the next shell" + (f". {needs[:1].upper()}{needs[1:]}" if needs else ""))
        ctx.exit()
