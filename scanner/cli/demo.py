"""`twolocks demo`: scans the sample environment in the sandbox with the real SDKs, without network or account."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from scanner.cli.common import stopping
from scanner.config.settings import Settings, Value, resolve
from scanner.errors import InputError
from scanner.exit_codes import FINE, decide
from scanner.sandbox.apart import serve_sample
from scanner.scan import pipeline
from scanner.scan.answer_lines import first_lines, severity_lines
from scanner.scan.job import prepare
from scanner.scan.last_screen import COMMANDS, WORST
from scanner.scan.outcome import Outcome
from scanner.terminal.lines import Line, error_lines
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop
from scanner.terminal.text import many, span

FILES = ("report.html", "findings.json", "snapshot.jsonl")


def run(settings: Settings) -> int:
    """Serve, scan, write to `--dir`, print the result. Return 0 as the exit code unless `--fail-on` is set."""
    screen = Screen(quiet=settings["quiet"], verbose=settings["verbose"])
    with stopping(screen) as stop:
        return _demo(settings, screen, stop)


def _demo(settings: Settings, screen: Screen, stop: Stop) -> int:
    text = "sample environment, served on this machine; no Azure account is used"
    screen.write([Line(text, "Demo")], "start", f"demo: {text}")
    folder = Path(settings["dir"])
    _make(folder)
    with serve_sample() as box:
        # While it starts.
        job = prepare(_scan(settings, folder, box.url), screen)
        import scanner.azure.clients
        import scanner.collect.collector  # noqa: F401

        with _environment(box.environment()):
            outcome = pipeline.run(job, screen, stop, limits=False)
    _end(outcome, settings, folder, screen)
    if settings["open"]:
        _browse(folder / FILES[0])
    return outcome.end.code if settings["fail-on"] != "never" or outcome.errors else FINE


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder {folder} cannot be created: {error.strerror}", at=f"--dir {folder}") from None


def _scan(settings: Settings, folder: Path, url: str) -> Settings:
    report, findings, snapshot = (str(folder / name) for name in FILES)
    fail_on = settings["fail-on"]
    given: dict[str, Any] = {
        "arm_endpoint": url,
        "auth": "environment",
        "out": [report, findings],
        "snapshot": snapshot,
        "no_journal": True,
    }
    result = resolve("scan", {**given, "fail_on": fail_on}, {}, use_file=False)
    return replace(result, options={**result.options, "verbose": Value(settings["verbose"], "--verbose")})


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """Set the variables of the sandbox, and unset all others of Azure, during a `with` block."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AZURE_", "ARM_")) or name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _end(outcome: Outcome, settings: Settings, folder: Path, screen: Screen) -> None:
    summary, end = outcome.summary, outcome.end
    counts = summary.counts
    reads = f"{counts.reads:,} of {many(counts.reads + summary.failed, 'read')}"
    refused = "is" if summary.failed == 1 else "are"
    lines = [
        Line("sample environment, served on this machine; no Azure account is used", "Demo"),
        Line(
            f"{many(counts.resources, 'resource')} with {reads} in {span(summary.took or 0)}; "
            f"{many(summary.failed, 'read')} {refused} refused by design",
            "Read",
        ),
        *summary.result(),
        Line(f"{folder.resolve() / FILES[0]} (and {', '.join(FILES[1:])})", "Wrote", whole=True),
        Line(_exit(outcome, settings), f"Exit {end.code if settings['fail-on'] != 'never' else FINE}"),
        Line(f"az login, then: {command()} scan --out report.html", "Next", whole=True),
    ]
    if screen.mode == "live":
        matches = [*first_lines(counts, WORST, COMMANDS), *severity_lines(counts), Line()]
        lines = [*matches, *lines[1:]]
    if screen.mode == "quiet" and settings["fail-on"] != "never" and summary.quiet():
        screen.plain([Line(summary.quiet(), column=0, whole=True)])
    for error in outcome.errors:
        screen.last(error_lines(error))
    screen.last(lines)


def _exit(outcome: Outcome, settings: Settings) -> str:
    if settings["fail-on"] != "never":
        return outcome.end.why
    would = decide(outcome.summary.evaluation, "high").code
    return f"a demo exits with 0; a scan of this environment would exit with {would}"


def command() -> str:
    """Return the command that started this run."""
    here = Path(sys.argv[0])
    if here.name != "twolocks":
        return "twolocks"
    value = shutil.which("twolocks")
    if value and Path(value).resolve() == here.resolve():
        return "twolocks"
    path = here.resolve()
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(near))


def _browse(report: Path) -> None:
    import webbrowser

    webbrowser.open(report.resolve().as_uri())
