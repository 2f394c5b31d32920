"""Shell completion: what each word is completed with, in bash itself, and where the scripts are written."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.cli.completion import SHELLS, rule_ids
from scanner.rulebook.loader import load
from tests.terminals import twolocks


def completed(*words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    asked = {"_TWOLOCKS_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    ended = twolocks(env=asked)
    assert (ended.code, ended.err) == (0, "")
    return ended.out.splitlines()


def test_the_ids_are_those_of_the_rules() -> None:
    assert rule_ids() == sorted(load(packages=False).questions())


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


# In the shells themselves

WORDS = [("twolocks re", {"reach", "report"}), ("twolocks scan --fail-on new:cr", {"new:critical"})]


@pytest.fixture
def command(tmp_path: Path) -> dict[str, str]:
    """The environment of a user with nothing but the command on the path, and the script of each shell."""
    program = tmp_path / "bin/twolocks"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m scanner "$@"\n')
    program.chmod(0o755)
    home = {"HOME": str(tmp_path), "PATH": f"{program.parent}:/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())}
    for shell in SHELLS:
        assert twolocks("--install-completion", shell, env={"HOME": str(tmp_path)}).code == 0
    return {**home, "TERM": "dumb", "LC_ALL": "C.UTF-8", "ZDOTDIR": str(tmp_path)}


def found(name: str) -> str:
    """Return the path of a shell. Skips the test where there is none."""
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def said(command: list[str], env: dict[str, str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env, timeout=60).stdout


@pytest.mark.parametrize(("line", "some"), WORDS)
def test_bash_completes_a_word(line: str, some: set[str], command: dict[str, str]) -> None:
    script = f"{command['HOME']}/.local/share/bash-completion/completions/twolocks"
    words = line.split()
    program = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _twolocks_completion twolocks"
    assert some <= set(said([found("bash"), "-c", program + '; printf "%s\\n" "${COMPREPLY[@]}"'], command).split())


@pytest.mark.parametrize(("line", "some"), WORDS)
def test_fish_completes_a_word(line: str, some: set[str], command: dict[str, str]) -> None:
    offered = said([found("fish"), "-c", f"complete --do-complete '{line}'"], command).splitlines()
    assert some <= {each.partition("\t")[0] for each in offered}


@pytest.mark.parametrize(("line", "some"), WORDS)
def test_zsh_completes_a_word(line: str, some: set[str], command: dict[str, str]) -> None:
    """zsh completes in its line editor only, so that it needs a terminal: the Tab, and then what stands there."""
    shell = found("zsh")
    Path(command["HOME"], ".zshrc").write_text("PS1='> '\nfpath+=(~/.zfunc)\nautoload -Uz compinit; compinit -u\n")
    process, terminal = pty.fork()
    if not process:
        os.execve(shell, [shell, "-i"], command)
    try:
        shown = _until(terminal, lambda text: "> " in text)
        os.write(terminal, f"{line}\t".encode())
        shown = _until(terminal, lambda text: all(each in text for each in some))
        assert all(each in shown for each in some), shown
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def _until(terminal: int, wanted: Callable[[str], bool]) -> str:
    """Return what a terminal shows until it is what is wanted, or for a minute."""
    shown, until = "", time.monotonic() + 60
    while not wanted(shown) and time.monotonic() < until:
        if select.select([terminal], [], [], 1.0)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


def test_another_shell_is_an_error() -> None:
    ended = twolocks("--install-completion", "tcsh")
    assert ended.code == 2
    assert ended.last[:2] == ['error: no completion for the shell "tcsh"', "--> --install-completion"]
    assert twolocks("--show-completion", env={"SHELL": ""}).code == 2
