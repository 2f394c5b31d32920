"""`tests/machine` installs the Debian packages that are missing where it may, and names them where it may not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "machine"
BASH = shutil.which("bash") or "/bin/bash"
COMMANDS = (
    *("python3", "make", "chromium", "chromium-headless-shell", "node", "npm"),
    *("kustomize", "systemd-analyze", "redis-server"),
)
APT_GET = """
echo "apt-get $*" >>"$LOG"
for word; do [ "$word" = nodejs ] && word=node; [ -e "$SHELF/$word" ] && mv "$SHELF/$word" "$BIN/"; done
exit 0
"""


class Machine:
    """A PATH that holds these commands alone, an account, and an apt-get that keeps its packages on a shelf."""

    def __init__(self, folder: Path, *, user: int = 0, sudo: int | None = None) -> None:
        self.bin, self.shelf, self.log = folder / "bin", folder / "shelf", folder / "log"
        self.bin.mkdir()
        self.shelf.mkdir()
        for name in COMMANDS:
            self.command(name, "exit 0")
        self.command("id", f"echo {user}")
        self.command("apt-get", APT_GET)
        (self.bin / "env").symlink_to(shutil.which("env") or "/usr/bin/env")
        (self.bin / "mv").symlink_to(shutil.which("mv") or "/bin/mv")
        if sudo is not None:
            self.command("sudo", f'[ {sudo} = 0 ] || exit 1; echo "sudo $*" >>"$LOG"; shift; "$@"')

    def command(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text(f"#!{BASH}\n{text}\n")
        file.chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.bin / name).rename(self.shelf / name)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(self.bin), "LOG": str(self.log), "BIN": str(self.bin), "SHELF": str(self.shelf)}
        return subprocess.run([BASH, str(SCRIPT), *words], env=env, capture_output=True, text=True, check=False)

    def ran(self) -> list[str]:
        """Return the command lines of sudo and apt-get, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def test_nothing_is_installed_where_nothing_is_missing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr, machine.ran()) == (0, "", "", [])


def test_root_installs_what_is_missing_and_says_so(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.remove("chromium", "node")
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Installing Debian packages: chromium nodejs\n"
    assert machine.ran() == [
        "apt-get -qq update",
        "apt-get -qq install -y --no-install-recommends chromium nodejs",
    ]


def test_a_user_whose_sudo_asks_nothing_installs_through_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=1000, sudo=0)
    machine.remove("kustomize")
    assert machine.run().returncode == 0
    as_root = "sudo --non-interactive env DEBIAN_FRONTEND=noninteractive"
    update, install = "apt-get -qq update", "apt-get -qq install -y --no-install-recommends kustomize"
    assert machine.ran() == [
        "sudo --non-interactive true",
        *(f"{as_root} {update}", update),
        *(f"{as_root} {install}", install),
    ]


@pytest.mark.parametrize("sudo", [None, 1], ids=["no sudo", "sudo asks for a password"])
def test_another_user_gets_the_list_of_packages(tmp_path: Path, sudo: int | None) -> None:
    machine = Machine(tmp_path, user=1000, sudo=sudo)
    machine.remove("chromium", "npm")
    done = machine.run()
    assert (done.returncode, done.stdout, machine.ran()) == (1, "", [])
    assert done.stderr.splitlines() == [
        "make needs chromium (the report's tests open it in a browser)",
        "make needs npm (it installs Azurite and the multitool)",
        "Install what is missing, then run it again: apt-get install --no-install-recommends chromium npm",
    ]


def test_a_machine_without_apt_get_lists_the_packages(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.remove("chromium", "apt-get")
    done = machine.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "make needs chromium" in done.stderr


def test_an_install_that_fails_ends_with_the_packages(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.remove("chromium")
    machine.command("apt-get", 'echo "E: no network" >&2; exit 100')
    done = machine.run()
    assert done.returncode == 1
    assert "E: no network" in done.stderr
    assert done.stderr.endswith("apt-get install --no-install-recommends chromium\n")


def test_what_tests_only_want_is_installed_where_that_is_possible(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.remove("chromium-headless-shell")
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.ran()[1] == "apt-get -qq install -y --no-install-recommends chromium-headless-shell"
    assert machine.run().stdout == ""


def test_what_tests_only_want_may_be_missing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.remove("chromium-headless-shell")
    machine.remove("kustomize")
    failing = 'case "$*" in *headless*) echo "E: no such package" >&2; exit 100;; esac'
    machine.command("apt-get", failing + APT_GET)
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "E: no such package\n")
    assert machine.ran()[-1] == "apt-get -qq install -y --no-install-recommends kustomize"
    assert done.stdout.splitlines()[-1] == "Not installed, and not needed: chromium-headless-shell"


def test_a_virtual_environment_needs_pythons_venv_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=1000)
    machine.remove("chromium", "make")
    assert machine.run("python").returncode == 0
    machine.command("python3", "exit 1")
    done = machine.run("python")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1, "make needs python3-venv (the scanner is installed into .venv)",
    )  # fmt: skip


def test_make_setup_calls_it_where_pythons_venv_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(SCRIPT, tmp_path / "tests")
    machine = Machine(tmp_path, user=1000)
    for name in ("requirements.lock", "requirements-setup.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    machine.command("python3", "exit 1")
    make = shutil.which("make")
    assert make
    env = {"PATH": str(machine.bin), "LOG": str(machine.log)}
    (machine.bin / "bash").symlink_to(BASH)
    done = subprocess.run([make, "setup"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "make needs python3-venv" in done.stderr


def test_both_scripts_pass_shellcheck() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, SCRIPT, ROOT / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_ci_installs_nothing_by_itself() -> None:
    text = (ROOT / ".ci" / "run").read_text("utf-8")
    steps = [line.strip() for line in text.splitlines() if "step make" in line or line == "tests/machine"]
    assert "apt-get" not in text
    assert [re.split(r" \||;| >", line.split("make ")[-1])[0] for line in steps] == [
        "tests/machine", "setup", "demo", "test", "commands", "oldest", "real-input",
    ]  # fmt: skip
    assert os.access(SCRIPT, os.X_OK)
