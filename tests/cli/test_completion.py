"""Shell completion: what each word is completed with, in bash itself, and where the scripts are written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.cli.completion import rule_ids
from scanner.rulebook.loader import load
from tests.terminals import twolocks


def completed(*words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    asked = {"_TWOLOCKS_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    ended = twolocks(env=asked)
    assert (ended.code, ended.err) == (0, "")
    return ended.out.splitlines()


def test_the_ids_are_those_of_the_rules() -> None:
    assert rule_ids() == sorted(load(packages=False).rules)


@pytest.mark.parametrize(
    ("words", "some"),
    [
        (("twolocks", "re"), {"plain,reach", "plain,report"}),
        (("twolocks", "rules", "s"), {"plain,show"}),
        (("twolocks", "rules", "show", "storage-plain"), {"plain,storage-plain-http"}),
        (("twolocks", "scan", "--fail-on", "new:c"), {"plain,new:critical"}),
        (("twolocks", "scan", "--only", "category"), {"plain,category:network", "plain,category:transport"}),
        (("twolocks", "scan", "--sev"), {"plain,--severity"}),
        (("twolocks", "report", "f"), {"file,f"}),
        (("twolocks", "scan", "-o", "r"), {"file,r"}),
        (("twolocks", "--show-completion", "f"), {"plain,fish"}),
    ],
)
def test_a_word_is_completed(words: tuple[str, ...], some: set[str]) -> None:
    assert some <= set(completed(*words))


def test_completion_imports_neither_rules_nor_sdks() -> None:
    program = (
        "import sys\nfrom scanner.cli.app import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\n"
        "heavy = {'azure', 'aiohttp', 'rtoml', 'rich', 'scanner.rulebook.loader'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    asked = {"_TWOLOCKS_COMPLETE": "bash_complete", "COMP_WORDS": "twolocks scan --only s", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={**os.environ, **asked}
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".local/share/bash-completion/completions/twolocks"),
        ("zsh", ".zfunc/_twolocks"),
        ("fish", ".config/fish/completions/twolocks.fish"),
    ],
)
def test_the_script_is_written_for_the_shell_of_the_user(shell: str, file: str, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "SHELL": f"/usr/bin/{shell}"}
    ended = twolocks("--install-completion", env=env)
    assert (ended.code, ended.out) == (0, "")
    assert str(tmp_path / file) in ended.err
    assert (tmp_path / file).read_text() == twolocks("--show-completion", shell).out
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_bash_accepts_the_script() -> None:
    bash = shutil.which("bash")
    assert bash is not None
    made = twolocks("--show-completion", "bash").out
    done = subprocess.run([bash, "-c", f"{made}\ncomplete -p twolocks"], check=True, capture_output=True, text=True)
    assert done.stdout == "complete -o nosort -F _twolocks_completion twolocks\n"


def test_another_shell_is_an_error() -> None:
    ended = twolocks("--install-completion", "tcsh")
    assert ended.code == 2
    assert ended.last[:2] == ['error: no completion for the shell "tcsh"', "--> --install-completion"]
    assert twolocks("--show-completion", env={"SHELL": ""}).code == 2
