"""Every command line of Twolocks in deploy/ and docs/operating.md is one that it takes; so is every settings file."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from scanner.cli.app import root
from scanner.config.commands import COMMANDS
from scanner.config.settings import resolve
from tests.deploy.files import DEPLOY, ROOT, files
from tests.deploy.test_container_apps import blocks, made

TEXTS = [*files("*.md", "*.sh", "*.service"), ROOT / "docs" / "operating.md"]
FENCED = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
TOML = re.compile(r"^```toml\n(.*?)^```", re.M | re.S)
CODE = re.compile(r"`([^`]+)`")
ENDS = ("||", "&&", ";", "|", ">", "<", ">>", "2>", "#", "&")
PROGRAM = re.compile(r"(^|.*/)twolocks$")


def texts(path: Path) -> Iterator[tuple[str, bool]]:
    """Pieces of shell: a page's blocks, its code within sentences (True: it may only name a command), or a script."""
    text = path.read_text("utf-8")
    if path.suffix != ".md":
        yield text.replace("ExecStart=", ""), False
        return
    for block in FENCED.findall(text):
        yield block, False
    for code in CODE.findall(FENCED.sub("", text)):
        yield code, True


def lines(shell: str) -> Iterator[list[str]]:
    """The words after `twolocks` of each call in a piece of shell."""
    for line in shell.replace("\\\n", " ").splitlines():
        if "twolocks" not in line or line.lstrip().startswith("#"):
            continue
        words = split(line)
        for position, word in enumerate(words):
            if PROGRAM.fullmatch(word) and position + 1 < len(words) and called(words, position):
                rest = words[position + 1 :]
                end = next((at for at, each in enumerate(rest) if each in ENDS), len(rest))
                yield rest[:end]


def split(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=False)
    except ValueError:  # a quote that goes on over lines holds no call
        return []


def called(words: list[str], position: int) -> bool:
    """Whether the word is a program that is run, not an argument of another one; an image's name is run, too."""
    before = words[position - 1] if position else ""
    return not position or before in (*ENDS, "with-postgres-token") or words[:2] == ["docker", "run"]


def calls() -> Iterator[tuple[str, list[str], bool]]:
    for path in TEXTS:
        for shell, named in texts(path):
            for words in lines(shell):
                yield path.relative_to(ROOT).as_posix(), words, named


def parse(words: list[str], named: bool = False) -> None:
    """Raises click's error for a command, an option or an argument that there is not; nothing runs."""
    command: click.Command = root()
    context = click.Context(command, info_name="twolocks")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        result = command.get_command(context, rest[0])
        if result is None:
            raise click.UsageError(f"no command {rest[0]}")
        command, context = result, click.Context(result, parent=context, info_name=rest.pop(0))
    if isinstance(command, click.Group):
        if not named and rest != ["--version"]:
            raise click.UsageError("no command")
        return
    try:
        command.make_context(context.info_name, rest, parent=context.parent)
    except (click.MissingParameter, click.BadArgumentUsage):
        if not named:
            raise


ALL = list(calls())


@pytest.mark.parametrize(("where", "words", "named"), ALL, ids=lambda each: each if isinstance(each, str) else "")
def test_a_call_in_text(where: str, words: list[str], named: bool) -> None:
    parse(words, named)


def test_calls_are_found_and_faults_are_seen() -> None:
    assert len(ALL) >= 20
    assert {where for where, _, _ in ALL} >= {
        *("deploy/github/scan.sh", "deploy/azure-devops/scan.sh", "deploy/systemd/twolocks.service"),
        *("deploy/container/README.md", "docs/operating.md"),
    }
    for wrong in (["scan", "--historie", "x"], ["scann"], ["diff", "a"], ["history", "upgrad"], ["waive"]):
        with pytest.raises(click.ClickException):
            parse(wrong)


def test_the_call_of_the_cron_job() -> None:
    job = yaml.safe_load((DEPLOY / "kubernetes" / "base" / "cronjob.yaml").read_text("utf-8"))
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    parse(container["args"])


def test_the_calls_of_the_container_apps_job() -> None:
    (container,) = made()["job"].body["properties"]["template"]["containers"]
    (theirs,) = blocks("resource")["azurerm_container_app_job.scan"]["template"][0]["container"]
    for args in (container["args"], theirs["args"]):
        parse(["x" if " ? " in word else word for word in args])


def variables() -> Iterator[tuple[str, str]]:
    """Every `TWOLOCKS_<COMMAND>_<OPTION>` that a file sets or names."""
    for path in sorted(each for each in DEPLOY.rglob("*") if each.is_file()):
        for name in re.findall(r"\bTWOLOCKS_[A-Z]+_[A-Z_]+\b", path.read_text("utf-8")):
            yield path.relative_to(ROOT).as_posix(), name


def test_every_variable_is_an_option() -> None:
    known = {f"TWOLOCKS_{row.word}_{option.key}".upper() for row in COMMANDS.values() for option in row.options}
    known |= {"TWOLOCKS_SCAN_CONFIG", "TWOLOCKS_POSTGRES_SCOPE"}
    assert [(where, name) for where, name in variables() if name not in known] == []


@pytest.mark.parametrize("file", files("twolocks.toml"), ids=lambda path: str(path.relative_to(DEPLOY)))
def test_settings(file: Path) -> None:
    document: dict[str, Any] = dict(resolve("scan", {}, {}, config=file).options)
    assert document["fail-on"].value in ("high", "new:high")


def test_settings_in_pages(tmp_path: Path) -> None:
    blocks = [
        each for path in TEXTS for each in re.findall(r"^```toml\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
    ]
    assert blocks
    for text in blocks:
        (tmp_path / "twolocks.toml").write_text(text, "utf-8")
        resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")


def test_the_page_has_every_exit_code() -> None:
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+(?:, \d+)*) \|", page, re.M)
    listed = {code for row in rows for code in row.split(", ")}
    assert listed == {"0", "1", "2", "3", "4", "70", "129", "130", "141", "143"}


def test_every_option_that_is_named_in_the_page_is_one() -> None:
    page = FENCED.sub("", (ROOT / "docs" / "operating.md").read_text("utf-8"))
    named = {code.split()[0] for code in CODE.findall(page) if code.startswith("--")}
    known = {f"--{option.name}" for row in COMMANDS.values() for option in row.options} | {"--verbose", "--config"}
    of_script = re.findall(r"^    (--[a-z-]+)\)", (ROOT / "scanner/fix/script.py").read_text("utf-8"), re.MULTILINE)
    assert named - known - set(of_script) == set()
    assert len(named) >= 6
