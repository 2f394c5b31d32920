"""Runs tests side by side: `pytest -p tests.forks --forks 4`. What was collected once is there in each process.

Each process runs the tests of one file after another, in the order of the collection, and asks for the next file when
it begins the last test of one. So fixtures of a module are made once, and those of the session once a process. Files
with the same `TOGETHER` run in one process, because they use something that takes long to make. Files with
`RUN_FIRST` come first, because they take long: at the end the other processes would wait for them. Files with
`MOSTLY_WAITS` run in one more process, because they use little of a processor.
"""

import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

Items = list[pytest.Item]
SHARED = pytest.StashKey[Path]()
"""The folder that all processes see."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forks", type=int, default=0, help="Run the tests in so many processes.")


def shared_folder(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of all processes."""
    return config.stash.get(SHARED, None) or factory.getbasetemp()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    option = session.config.option
    if not option.forks or option.collectonly or session.testsfailed:
        return None
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    session.config.stash[SHARED] = factory.getbasetemp()
    _Processes(session).run(option.forks)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


def _by_file(items: Items) -> Iterator[Items]:
    files: dict[str, Items] = {}
    first: set[str] = set()
    for item in items:
        together = _of_module(item, "TOGETHER") or item.nodeid.partition("::")[0]
        files.setdefault(together, []).append(item)
        if _of_module(item, "RUN_FIRST"):
            first.add(together)
    yield from (files[name] for name in sorted(files, key=lambda name: name not in first))


def _of_module(item: pytest.Item, name: str) -> Any:
    """Return the value of a name of the module of a test; None without one."""
    module = item.getparent(pytest.Module)
    return getattr(module and module.obj, name, None)


@dataclass
class _Process:
    """A process that runs tests, the files that it takes these from, what it was given, and how many have ended."""

    pid: int
    pipe: Connection
    files: deque[Items]
    given: Items = field(default_factory=list)
    ended: int = 0


class _Processes:
    """The processes that run."""

    def __init__(self, session: pytest.Session) -> None:
        self.session, self.config = session, session.config
        self.positions = {id(item): position for position, item in enumerate(session.items)}
        self.running: dict[Connection, _Process] = {}
        self.count = 0

    def run(self, count: int) -> None:
        """Run all tests, or those up to the failure at which pytest stops."""
        waiting = deque(_by_file([each for each in self.session.items if _of_module(each, "MOSTLY_WAITS")]))
        files = deque(_by_file([each for each in self.session.items if not _of_module(each, "MOSTLY_WAITS")]))
        try:
            for some, most in ((waiting, 1), (files, count)):
                for _ in range(min(most, len(some))):
                    self._begin(some)
            while self.running and not self.session.shouldfail:
                for pipe in wait(list(self.running)):
                    self._hear(self.running[pipe])  # type: ignore[index]
        finally:
            for each in self.running.values():
                os.kill(each.pid, 9)
                os.waitpid(each.pid, 0)

    def _begin(self, files: deque[Items]) -> None:
        here, there = Pipe()
        name = f"process{self.count}"
        self.count += 1
        sys.stdout.flush()
        sys.stderr.flush()
        if pid := os.fork():
            there.close()
            self.running[here] = _Process(pid, here, files)
            return
        code = 1
        try:
            for pipe in [here, *self.running]:
                pipe.close()
            _Child(self.session, there, name).run()
            code = 0
        except KeyboardInterrupt:
            pass
        finally:
            os._exit(code)

    def _hear(self, process: _Process) -> None:
        stated: Any = None
        with suppress(EOFError, ConnectionResetError):
            stated = process.pipe.recv()
        if stated is None:
            self._end(process)
        elif stated == "next":
            following = process.files.popleft() if process.files else []
            process.given += following
            process.pipe.send([self.positions[id(each)] for each in following])
        elif stated == "ended":
            process.ended += 1
        else:
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=stated)
            self.config.hook.pytest_runtest_logreport(report=report)

    def _end(self, process: _Process) -> None:
        """Note that a process is over. Where it did not run all that it was given, another one goes on."""
        del self.running[process.pipe]
        status = os.waitpid(process.pid, 0)[1]
        left = process.given[process.ended :]
        if not left:
            return
        why = f"the process ended ({os.waitstatus_to_exitcode(status)}) while it ran this test"
        nodeid, location = left[0].nodeid, left[0].location
        report = pytest.TestReport(nodeid, location, {}, "failed", why, "call")
        self.config.hook.pytest_runtest_logreport(report=report)
        process.files.extendleft(reversed(list(_by_file(left[1:]))))
        if process.files:
            self._begin(process.files)


class _Child:
    """What one process does."""

    def __init__(self, session: pytest.Session, pipe: Connection, name: str) -> None:
        self.session, self.pipe, self.config = session, pipe, session.config
        plugins = self.config.pluginmanager
        plugins.unregister(name="terminalreporter")
        plugins.register(self)
        capture: Any = plugins.getplugin("capturemanager")
        # Files that the others write to, too.
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        factory: Any = self.config._tmp_path_factory  # type: ignore[attr-defined]
        factory._basetemp = factory.getbasetemp() / name
        factory._basetemp.mkdir()
        os.environ["XDG_CACHE_HOME"] = str(factory.mktemp("cache"))

    def run(self) -> None:
        items = self._next()
        while items:
            following: Items = []
            for position, item in enumerate(items):
                is_last = position + 1 == len(items)
                following = self._next() if is_last else following
                after = (following[0] if following else None) if is_last else items[position + 1]
                self.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
                self.pipe.send("ended")
            items = following

    def _next(self) -> Items:
        self.pipe.send("next")
        return [self.session.items[each] for each in self.pipe.recv()]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed and report.when != "call" and self.config.option.durations is None:
            return  # Two of three reports, of fixtures: the output of a test that fails has theirs.
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.pipe.send(data)
