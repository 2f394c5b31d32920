"""What holds for all tests."""

import gc
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import settings

from scanner.cycle_collector import without_cycle_collector
from scanner.exit_codes import INCOMPLETE
from scanner.sandbox.server import serve
from tests import processes
from tests.estate.parts import one_of_each_type
from tests.forks import shared_folder
from tests.terminals import Ended, twolocks

# A busy machine is slow, and a test that is timed fails there without a cause.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


CACHE = tempfile.mkdtemp(prefix="twolocks-tests-cache-")
"""The cache folder of scans in this process, so that they leave no journal with the user."""


def pytest_unconfigure() -> None:
    processes.end()
    shutil.rmtree(CACHE, ignore_errors=True)


def pytest_configure() -> None:
    os.environ["XDG_CACHE_HOME"] = CACHE
    # A shell that runs the tests in the background ignores Ctrl-C for all its children, and nohup SIGHUP; some tests
    # send these to one.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    if getattr(session.config.option, "forks", 0):
        processes.begin()


LONG = (
    "rules/test_simulated",
    "report/test_browser",
    "notify/test_scheduled_runs",
    "report/test_changes",
    "history/test_nightly_audit",
    "scan/test_narrowing",
    "test_packaging",
    "report/test_cards",
    "report/test_first_page",
    "report/test_queries",
    "fleet/test_spreading",
    "cli/test_access_scan",
    "report/test_table",
    "report/test_script",
    "rules/test_paths",
    "evaluate/test_parts",
    "estate/test_fixes",
    "report/test_map",
    "azure/test_hostile_lists",
    "report/test_language",
    "snapshot/test_signature",
    "rules/test_hostile",
    "history/test_ten_scans",
    "azure/test_hostile",
    "scan/test_tenants",
    "reach/test_oracle",
    "report/test_numbers",
    "cli/test_hostile_names",
    "history/test_old_ids",
    "snapshot/test_lines",
    "config/test_waiver_editor",
    "history/test_subscription_changes",
    "scan/test_resume",
    "estate/test_canaries",
    "attacks/test_attacks",
    "terminal/test_streams",
    "cli/test_cli",
    "fleet/test_evaluation",
    "report/test_sarif",
    "deploy/test_external_checks",
    "report/test_frameworks",
    "report/test_layout",
    "history/test_changing_estate",
    "collect/test_collector",
    "history/test_store",
    "report/test_first_screen",
    "cli/test_reach",
    "rules/test_mutated",
    "report/test_parquet",
    "fleet/test_fleet",
    "test_platforms",
    "history/test_migrations",
    "scan/test_limited",
    "history/test_faults",
    "collect/test_shared",
    "notify/test_raised_findings",
    "reach/test_growth",
    "cli/test_access_check",
    "rules/test_needed",
    "report/test_places",
    "notify/test_channels",
    "report/test_capacity_view",
    "azure/test_hostile_memory",
    "scan/test_joined",
    "report/test_slices",
    "history/test_kill",
    "estate/test_faults",
    "output/test_redact",
    "output/test_part_blobs",
    "output/test_storage",
    "config/test_hostile_folder",
    "test_quickstart",
    "deploy/test_steps",
    "test_contributing",
)
"""The files that take longest, by CPU. Those that share the results of all examples begin with the first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # They begin first, so that no process ends long after the others.
    positions = {f"tests/{name}.py": position for position, name in enumerate(LONG)}
    items.sort(key=lambda item: positions.get(item.nodeid.partition("::")[0], len(positions)))


def _made_once(path: Path, make: Callable[[Path], int]) -> Path:
    """Return a folder that the first process to ask for it makes. `make` returns 0 where it could."""
    try:
        path.mkdir()
    except FileExistsError:
        while not (path / "made").exists():
            assert not (path / "failed").exists(), f"{path.name} failed in another process"
            time.sleep(0.1)
    else:
        code = -1
        try:
            code = make(path)
        finally:
            (path / ("failed" if code else "made")).touch()
    assert (path / "made").exists(), f"{path.name} failed"
    return path


def _demo(path: Path) -> int:
    ended = twolocks("demo", "--dir", path / "demo")
    (path / "said.json").write_text(json.dumps([ended.code, ended.out, ended.err]))
    return ended.code


@pytest.fixture(scope="session")
def demo_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `twolocks demo` writes, made once for all processes. Only to be read."""
    return _made_once(shared_folder(pytestconfig, tmp_path_factory) / "the-demo", _demo) / "demo"


def _scan_of_each_type(path: Path) -> int:
    with serve(one_of_each_type()) as box:
        words = ("--out", path / "findings.json", "--snapshot", path / "snapshot.jsonl", "--fail-on", "never")
        ended = twolocks("scan", *words, env=box.environment())
    return ended.code - INCOMPLETE


@pytest.fixture(scope="session")
def each_type_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snapshot and findings of one resource of each type and group of the demo, made once. Only to be read."""
    return _made_once(shared_folder(pytestconfig, tmp_path_factory) / "each-type", _scan_of_each_type)


@pytest.fixture(scope="session")
def demo_ended(demo_folder: Path) -> Ended:
    """What `twolocks demo` printed, and how it ended."""
    return Ended(*json.loads((demo_folder.parent / "said.json").read_text()))


@pytest.fixture
def new_objects_only() -> None:
    """Keep what exists from the collector of cycles, which walks all that earlier tests left: a second each time."""
    gc.freeze()


_YOUNG = 200_000
"""The number of new objects after which the collector of cycles runs. At Python's 700 it took a seventh of the time."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # Most of what is collected stays: the collector of cycles took a fifth of the time.
    with without_cycle_collector():
        return (yield)


def pytest_collection_finish() -> None:
    # Thousands of collected tests live until the end: the collector of cycles need not look at them again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)
