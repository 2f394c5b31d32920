"""`twolocks scan`: reads subscriptions or a snapshot, evaluates, writes the outputs."""

from scanner import version
from scanner.cli.common import stopping
from scanner.config.settings import Settings
from scanner.cycle_collector import long_lived_objects
from scanner.terminal.screen import Screen


def run(settings: Settings) -> int:
    """Scan, and return the exit code."""
    screen = Screen(quiet=settings["quiet"], verbose=settings["verbose"])
    screen.start(f"twolocks {version()}, read-only")
    with long_lived_objects():
        # Imported after the first line is printed, because the import takes longer than 0.3 s.
        from scanner.cli.fleet_loading import parted_scan
        from scanner.scan.explain import explained
        from scanner.scan.job import prepare
        from scanner.scan.outcome import show
        from scanner.scan.pipeline import run as scan

    with stopping(screen) as stop:
        job = prepare(settings, screen, parted_scan(settings))
        outcome = scan(job, screen, stop)
        show(outcome, screen)
        if job.read_log is not None:
            screen.plain(explained(job.read_log, job.rules))
    return outcome.end.code
