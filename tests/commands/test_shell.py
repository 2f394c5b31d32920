"""Every command printed for Bash: Bash parses it and passes on the words that it says, whatever names Azure has."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from scanner.fix.checked import STOP
from scanner.fix.sample_commands import with_fields
from tests.commands.printed import PAGES, of_report, printed
from tests.rules import examples
from tests.rules.examples import Case
from tests.rules.simulate import everything, fix_of
from tests.sampled import is_all

TOGETHER = examples.TOGETHER

HOSTILE = 'a\'b "c" $d $(e) `f` *?[g]{h,i} ~ ! ; & | <j> # \\ (k)'
"""A name with everything that means something to a shell."""
BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FORM = re.compile(r"(?<=\s)(?:[a-z]+(?:-[a-z]+)*|--?[a-z-]+)(?=\s|$)")
SPECIAL = frozenset("*?[]$`!{}();|<>&")
"""What Bash does not pass on as it is, outside of quotes. What a word starts with: `AT_START`."""
AT_START = frozenset("~#")
IN_DOUBLE_QUOTES = frozenset("$`!")
BASH = shutil.which("bash") or ""
pytestmark = pytest.mark.skipif(not BASH, reason="there is no Bash here")


def special(command: str) -> Iterator[str]:
    """Yield what of a command Bash reads as more than a text; `&&` before another command is meant."""
    quote, position, is_start = "", 0, True
    command = command.replace(STOP, " && ")  # a check before the command
    while position < len(command):
        char = command[position]
        if quote:
            if quote == '"' and char == "\\":
                position += 1
            elif char == quote:
                quote = ""
            elif quote == '"' and char in IN_DOUBLE_QUOTES:
                yield char
        elif char == "\\":
            position += 1
        elif char in "'\"":
            quote = char
        elif command.startswith("&& az ", position):
            position += 1
        elif char in SPECIAL or (is_start and char in AT_START):
            yield char
        is_start = char in " \t\n"
        position += 1


@lru_cache
def of_rows() -> tuple[str, ...]:
    """Return the commands of rules, without those of the pages and code, which may have variables."""
    return tuple(dict.fromkeys(command for _, command in printed(Path("/nowhere"), examples.all_rules())))


@lru_cache
def of_examples() -> tuple[str, ...]:
    """Return the commands of the fixes of all examples, and of those of resources with a hostile name."""
    matches = [text for each in everything() for text in _texts(fix_of(each).commands, fix_of(each).check_first)]
    for case in _with_each_form():
        hostile = replace(case, body={**case.body, "name": HOSTILE})
        result = examples.evaluation(hostile).evaluate(examples.bundle(hostile))
        fixes = [row.fix for row in result.findings] + [row.fix for row in result.exposures]
        matches += [text for fix in filter(None, fixes) for text in _texts(fix.commands, fix.check_first)]
    return tuple(dict.fromkeys(map(with_fields, matches)))


def _with_each_form() -> Iterator[Case]:
    """Yield examples that have together each form of each rule's commands; all of them with make test-all.

    The form is what a rule says of a command: its options and words of letters. Names and values differ.
    """
    seen: set[tuple[str, ...]] = set()
    for case in examples.cases():
        result = examples.result(case)
        rows = [(row.rule, row.fix) for row in result.findings] + [(row.endpoint, row.fix) for row in result.exposures]
        texts = [(name, text) for name, fix in rows if fix for text in _texts(fix.commands, fix.check_first)]
        forms = {(name, *FORM.findall(text)) for name, text in texts}
        if is_all() or not forms <= seen:
            seen |= forms
            yield case


def _texts(commands: Iterable[str], check_first: str) -> Iterator[str]:
    yield from commands
    if check_first:
        yield check_first


def bash(*args: str, text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [BASH, "--norc", "--noprofile", *args],
        input=text,
        cwd=folder,
        env={"PATH": "/nowhere", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done


def test_bash_parses_every_command(tmp_path: Path) -> None:
    commands = [text for _, text in printed(Path(__file__).parents[2], [])]
    for each in (*commands, *of_rows(), *of_report(), *of_examples()):
        shlex.split(each, comments=True)  # open quotes of one would end in the next one
    bash("-n", text="\n".join((*commands, *of_rows(), *of_report(), *of_examples())), folder=tmp_path)


def test_bash_parses_every_block_of_a_page(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for path in sorted(path for pattern in PAGES for path in root.glob(pattern)):
        for block in BLOCK.findall(path.read_text("utf-8")):
            bash("-n", text=block, folder=tmp_path)


def test_nothing_in_a_command_means_more_than_it_says() -> None:
    wrong = {each: value for each in (*of_rows(), *of_examples()) if (value := "".join(special(each)))}
    assert wrong == {}, "quote it"
    assert sum(HOSTILE.partition("'")[0] in each for each in of_examples()) > 100


def test_bash_passes_on_the_words_that_a_command_says(tmp_path: Path) -> None:
    """In a folder with a file that a pattern could mean."""
    (tmp_path / "a").touch()
    texts = [text for each in (*of_rows(), *of_examples()) for text in each.split(STOP)]
    commands = [segment for each in texts for segment in re.split(r" && az (?=[a-z])", each)]
    commands = [each if each.startswith("az ") else f"az {each}" for each in commands]
    assert not any(map("".join, map(special, commands)))
    done = bash(text="az() { printf '%s\\1' \"$@\"; printf '\\2'; }\n" + "\n".join(commands), folder=tmp_path)
    seen = [each.split("\1")[:-1] for each in done.stdout.split("\2")[:-1]]
    assert len(seen) == len(commands)
    assert [each for each in zip(commands, seen, strict=True) if shlex.split(each[0])[1:] != each[1]] == []
    assert any(HOSTILE in word for words in seen for word in words)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("az x --set 'a=[1]' && az y", ""),
        ("az x --set a=[1]", "[]"),
        ("az x \"$a\" '$b' \\$c", "$"),
        ("az x ~ a~b #c a#b", "~#"),
        ("az x --url u?v=1 & az y", "?&"),
        ("az x {a,b} `c` !d", "{}``!"),
    ],
)
def test_what_bash_reads_as_more_is_found(command: str, value: str) -> None:
    assert "".join(special(command)) == value
