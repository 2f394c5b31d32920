"""Where attacks run: a command of one checkout as a process, in folders of its own, against servers on this machine."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.sandbox import certificates
from scanner.sandbox.server import Sandbox, running
from tests.config.hostile import Endpoint, endpoint, trusting
from tests.processes import ROOT, Started, in_shell, start
from tests.terminals import GROUP, SUB, account

Json = dict[str, Any]
OPEN = account("stopen", allowBlobPublicAccess=True, allowSharedKeyAccess=True, publicNetworkAccess="Enabled")
SUBSCRIPTION: Json = {"subscriptionId": SUB, "displayName": "prod"}
SECONDS = 60
"""How long a command may run."""


@dataclass(frozen=True, slots=True)
class Ended:
    """`code`: None where the command had to be stopped."""

    code: int | None
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class Outcome:
    """`fell`: the attack reached what it wants. `what`: in a few words, the same on each run."""

    code: int | None
    fell: bool
    what: str


@dataclass(frozen=True, slots=True)
class Attack:
    """`test`: the test that fails where it is not held, as `file::function`. `slow`: only `python -m tests.attacks`."""

    name: str
    group: int
    test: str
    run: Callable[["Lab"], Outcome]
    slow: bool = False


ATTACKS: list[Attack] = []
"""Every attack, in the order of the modules that hold them."""


def attack(
    group: int, name: str, test: str, *, slow: bool = False
) -> Callable[[Callable[["Lab"], Outcome]], Callable[["Lab"], Outcome]]:
    """Add a function to the attacks. `group`: the threat's kind (1 folder, 2 file, 3 exit code, 4 broker)."""

    def added(run: Callable[["Lab"], Outcome]) -> Callable[["Lab"], Outcome]:
        ATTACKS.append(Attack(name, group, f"tests/{test}", run, slow))
        return run

    return added


def result(ended: Ended, fell: bool, then: str, held: str) -> Outcome:
    """Return the outcome of an attack: what happened where it fell, and where it was held."""
    return Outcome(ended.code, fell, then if fell else held)


class Lab:
    """Runs commands of the checkout `tree` below `base`. What several attacks need is made once."""

    def __init__(self, tree: Path, base: Path) -> None:
        self.tree, self.base = tree.resolve(), base
        self._snapshot: Path | None = None

    def folder(self, name: str) -> Path:
        """Make the working folder of an attack; what belongs to the user lies beside it."""
        made = self.base / name / "theirs"
        made.mkdir(parents=True)
        (made.parent / "home").mkdir()
        return made

    def words(self, *words: object) -> list[str]:
        """Return the words that start the command: `-P`, because the folder's own modules are no part of it."""
        return [sys.executable, "-P", "-m", "scanner", *map(str, words)]

    def start(
        self, folder: Path, *words: object, env: Mapping[str, str] | None = None, is_new: bool = False, **streams: Any
    ) -> Started:
        """Start a command in a folder. `is_new`: in an interpreter that starts with it."""
        variables = self.variables(folder, env)
        if is_new or self.tree != ROOT:
            return subprocess.Popen(self.words(*words), cwd=folder, env=variables, **streams)
        return start(*words, cwd=folder, env=variables, safe=True, **streams)

    def variables(self, folder: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
        given = {"PATH": os.environ["PATH"], "HOME": str(folder.parent / "home"), "NO_COLOR": "1", "COLUMNS": "400"}
        made = {**given, **(env or {})}
        return {**made, "PYTHONPATH": os.pathsep.join([str(self.tree), *filter(None, [made.get("PYTHONPATH")])])}

    def run(
        self, folder: Path, *words: object, env: Mapping[str, str] | None = None, first: str = "", streams: str = ""
    ) -> Ended:
        """Run a command in a folder. `first`: a line of bash before it, such as a limit; `streams`: redirections."""
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started: Started
        if first or streams:
            # A limit holds from the start of the interpreter.
            is_new = self.tree != ROOT or first.startswith("ulimit")
            command = self.words(*words) if is_new else [*shlex.split(in_shell()), *map(str, words)]
            line = ["bash", "-c", f'{first or ":"}; exec "$@" {streams}', "bash", *command]
            started = subprocess.Popen(line, cwd=folder, env=self.variables(folder, env), **pipes)
        else:
            started = self.start(folder, *words, env=env, **pipes)
        code: int | None
        try:
            out, err = started.communicate(timeout=SECONDS)
            code = started.returncode
        except subprocess.TimeoutExpired:
            started.kill()
            out, err = started.communicate()
            code = None
        return Ended(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def scan(self, folder: Path, resources: Iterable[Json], *words: object, **options: Any) -> Ended:
        """Scan a sandbox with these resources in one subscription. `options` go to the sandbox."""
        with running(Sandbox(resources, [SUBSCRIPTION], **options)) as box:
            return self.run(folder, "scan", *words, env=box.environment())

    def taken(self, folder: Path) -> Path:
        """Return a new copy, in a folder, of a snapshot in which a storage account is open; this checkout wrote it."""
        if self._snapshot is None:
            made = self.folder("snapshot")
            self.scan(made, [OPEN], "--snapshot", "taken.jsonl")
            self._snapshot = made / "taken.jsonl"
        return Path(shutil.copy(self._snapshot, folder / "taken.jsonl"))

    @contextmanager
    def evil(self, folder: Path, audience: str) -> Iterator[tuple[Endpoint, dict[str, str]]]:
        """Serve metadata that ask for tokens of an audience. The variables are of a login that trusts the server."""
        made = folder.parent / "certificates"
        made.mkdir()
        with endpoint(made, [audience]) as value, running(Sandbox([OPEN], [SUBSCRIPTION])) as entra:
            env = {name: each for name, each in entra.environment().items() if not name.startswith("TWOLOCKS_")}
            trusted = trusting(folder.parent, str(made / "ca.pem"), env["SSL_CERT_FILE"])
            yield value, {**env, "SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}


def findings(file: Path) -> list[Json]:
    """Return the rows of a findings document; none where there is no file."""
    matches: list[Json] = json.loads(file.read_bytes())["findings"] if file.exists() else []
    return matches


__all__ = ["ATTACKS", "GROUP", "SUB", "Attack", "Ended", "Lab", "Outcome", "attack", "certificates", "result"]
