"""Whether the tests catch a mutant."""

import importlib
import importlib.abc
import importlib.machinery
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.mutants.make import Mutant

ROOT = Path(__file__).parents[2]
RULES = ROOT / "rules"
OTHERS = {
    True: ("tests/rules/test_perimeters.py", "tests/rules/test_shown.py", "tests/estate/test_expected.py"),
    False: (
        "tests/rules/test_perimeters.py",
        "tests/reach",
        "tests/model/test_exposure.py",
        "tests/evaluate/test_lock_answers.py",
        "tests/evaluate/test_run.py",
    ),
}
"""The tests beside the examples, for mutants of rule files and of the scanner."""
REMEMBERS = ("tests/history/test_compare.py", "tests/history/test_baseline.py")
WAIVES = ("tests/config/test_waivers.py", "tests/evaluate/test_waived.py", "tests/evaluate/test_gaps.py")
EVALUATES = ("tests/evaluate/test_run.py", "tests/evaluate/test_missing.py", *WAIVES[1:])
BY_TESTS = {
    "scanner/history/compare.py": REMEMBERS,
    "scanner/history/baseline.py": REMEMBERS,
    "scanner/exit_codes.py": ("tests/test_exit_codes.py",),
    "scanner/history/observation.py": REMEMBERS,
    "scanner/config/waivers.py": WAIVES,
    "scanner/config/waiver_reader.py": WAIVES,
    "scanner/history/documents.py": ("tests/history/test_documents.py", "tests/history/test_difference.py"),
    "scanner/snapshot/store.py": ("tests/snapshot/test_files.py", "tests/snapshot/test_store.py"),
    "scanner/evaluate/missing.py": EVALUATES,
    "scanner/evaluate/waiving.py": EVALUATES,
    "scanner/evaluate/gaps.py": EVALUATES,
    "scanner/evaluate/run.py": EVALUATES,
}
"""Modules that no example shows: the quick tests that judge their mutants, in the mutant's own process."""
HELPERS = {
    "common": tuple(sorted(each.stem for each in (ROOT / "tests/rules/cases").glob("*.toml"))),
    "container_environments": ("appservice", "containerapps"),
    "easy_auth": ("appservice", "containerapps"),
    "flexible_servers": ("mysql", "postgres"),
    "function_bindings": ("appservice",),
    "gateway_tls": ("network",),
    "hosting": ("appservice", "storage"),
    "messaging": ("eventhub", "servicebus"),
}
BESIDE = {
    "ml_endpoints": ("machine_learning",),
    "monitoring": ("monitoring", "resource_logs"),
    "openshift": ("desktops",),
    "staticsites": ("apps_beside",),
}
"""Rule files with examples in the file of another one."""


def services(mutant: Mutant) -> tuple[str, ...]:
    stem = Path(mutant.file).stem
    return HELPERS.get(stem) or BESIDE.get(stem, (stem,))


def caught(mutant: Mutant) -> str:
    """The first test that fails on it, "" where none does. Runs in a process of its own."""
    if mutant.file in BY_TESTS:
        return by_tests(mutant, BY_TESTS[mutant.file])
    return by_examples(mutant) or in_copy(mutant, ROOT, OTHERS[mutant.file.startswith("rules/")])


def by_examples(mutant: Mutant) -> str:
    """The first test over the examples that fails on it, "" where none does; else the first of its quick tests."""
    sys.dont_write_bytecode = True
    if mutant.file in BY_TESTS:
        return by_tests(mutant, BY_TESTS[mutant.file])
    if not mutant.file.startswith("rules/"):
        return scanner_file(mutant)
    with tempfile.TemporaryDirectory() as folder:
        return rule_file(mutant, services(mutant), Path(folder))


def rule_file(mutant: Mutant, services: Sequence[str], folder: Path) -> str:
    """The first test over the examples of these services that fails on a mutant of a rule file; "" where none does."""
    from scanner.rulebook import loader
    from tests.rules import examples

    shutil.copytree(RULES, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / Path(mutant.file).name).write_text(mutant.source, "utf-8")
    rule_set = loader.load(code=[folder], built_in=False, packages=False)
    if rule_set.broken:
        return f"the file does not load: {rule_set.broken[0].error}"
    rule_set.enabled = dict(rule_set.rules)
    plain = examples.rules
    examples.rules = lambda: rule_set  # type: ignore[assignment]
    try:
        return _examples(services) or _more(services)
    finally:
        examples.rules = plain


def _examples(services: Sequence[str]) -> str:
    examples = importlib.import_module("tests.rules.examples")
    cases = importlib.import_module("tests.rules.test_cases")
    endpoints = importlib.import_module("tests.rules.test_endpoints")
    tests = [cases.test_example, endpoints.test_exposures_are_of_the_kinds_that_their_type_declares]
    for service in services:
        for case in examples.load(f"{service}.toml")[0]:
            refused = [cases.test_a_read_that_was_refused_is_named_where_something_is_undecided] if case.gaps else []
            for test in (*tests, *refused):
                try:
                    test.check(case)
                except Exception as error:  # noqa: BLE001 - a crash is caught too
                    return f"{case.id}{'' if isinstance(error, AssertionError) else f' ({type(error).__name__})'}"
    return ""


def _more(services: Sequence[str]) -> str:
    from tests.rules import examples, test_cases, test_endpoints

    for rule in examples.all_rules():
        try:
            test_cases.test_an_empty_resource_never_passes.check(rule)  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001
            return f"an empty resource never passes: {rule.id}"
    own = [each for each in examples.rules().kinds if each.endpoint_function is not None]
    test_endpoints.KINDS.update({each.type: each for each in own})
    for endpoint in (test_endpoints.TypeEndpoint(kind.type, each) for kind in own for each in kind.endpoint_list):
        for test in (
            test_endpoints.test_an_endpoint_can_fail_on_each_lock_or_it_says_why_not,
            test_endpoints.test_an_example_shows_the_endpoint,
            test_endpoints.test_an_endpoint_has_a_port_or_its_type_says_why_it_has_none,
        ):
            try:
                test.check(endpoint)  # type: ignore[attr-defined]
            except Exception:  # noqa: BLE001
                return f"the endpoints of a type: {endpoint.id}"
    for service in services:
        for case in examples.load(f"{service}.toml")[0]:
            try:
                if "fail" in case.expect.values():
                    test_cases.test_no_missing_or_unknown_value_makes_a_failure_pass.check(case)  # type: ignore[attr-defined]
            except Exception:  # noqa: BLE001
                return f"no missing or unknown value makes a failure pass: {case.id}"
    return ""


class _Changed(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Finds one module as a mutant has it."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = mutant.file.removesuffix(".py").replace("/", ".")
        self.source = mutant.source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, f"<mutant of {self.name}>", "exec"), module.__dict__)


@contextmanager
def _reloaded(mutant: Mutant) -> Iterator[None]:
    """The scanner and what uses it, imported anew around the mutant."""
    mine = ("tests.mutants",)

    def fresh() -> dict[str, ModuleType]:
        names = [
            name for name in sys.modules if name.split(".")[0] in ("scanner", "tests") and not name.startswith(mine)
        ]
        return {name: sys.modules.pop(name) for name in names}

    finder = _Changed(mutant)
    before = fresh()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        fresh()
        sys.modules.update(before)


def scanner_file(mutant: Mutant) -> str:
    """The first example of any service that fails on a mutant of the scanner; "" where none does."""
    with _reloaded(mutant):
        try:
            examples = importlib.import_module("tests.rules.examples")
            return _examples([name.removesuffix(".toml") for name in examples.paths()])
        except Exception as error:  # noqa: BLE001
            return f"nothing loads: {type(error).__name__}: {error}"


class _First:
    """The first test that failed, by its id."""

    failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        self.pytest_runtest_logreport(report)


def by_tests(mutant: Mutant, tests: Sequence[str]) -> str:
    """The first of these tests that fails with the mutant in its module's place, in this process; "" where none does.

    Tests of properties try the same examples each time, and stop at the first that fails.
    """
    sys.dont_write_bytecode = True
    import pytest
    from hypothesis import Phase, settings

    quick = settings(phases=(Phase.explicit, Phase.generate), derandomize=True, database=None, deadline=None)
    settings.register_profile("mutants", quick)
    settings.load_profile("mutants")
    first = _First()
    command = [
        "-x",
        "-q",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        f"--rootdir={ROOT}",
        *(str(ROOT / each) for each in tests),
    ]
    with _reloaded(mutant), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        code = pytest.main(command, plugins=[first])
    return "" if code == 0 else first.failed or f"pytest ends with {code}"


def in_copy(mutant: Mutant, root: Path, tests: Sequence[str]) -> str:
    """The first of these tests that fails in a copy of the project with the mutant; "" where none does."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("scanner", "rules", "templates", "tests"):
            shutil.copytree(
                root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "real_input", "node_modules")
            )
        shutil.copy(root / "pyproject.toml", copy)
        (copy / mutant.file).write_text(mutant.source, "utf-8")
        command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        ran = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300, check=False)
        if ran.returncode == 0:
            return ""
        failed = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return failed[0].split(" - ")[0].removeprefix("FAILED ") if failed else f"pytest ends with {ran.returncode}"
