"""`twolocks notify test`: sends a test message to a notification of the settings."""

from scanner import version
from scanner.config.settings import Settings
from scanner.notify import after_scan


def test(settings: Settings, name: str) -> int:
    """Send a message that is marked as a test, and return the exit code. Raises UserError if it was not delivered."""
    return after_scan.trial(settings, name, f"twolocks {version()}")
