"""`twolocks sandbox`: serves the sample environment, or a snapshot, until Ctrl-C."""

import asyncio
import sys
from pathlib import Path

from scanner.cli.common import stopping
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop


def run(settings: Settings, file: str) -> int:
    """Serve until Ctrl-C, which raises Stopped."""
    screen = Screen()
    with stopping(screen) as stop:
        _serve(Path(file) if file else None, settings, screen, stop)
    return 0


def _serve(file: Path | None, settings: Settings, screen: Screen, stop: Stop) -> None:
    """Serve, and print the variables for a scan of the sandbox. Raises Stopped at its end."""
    from scanner.sandbox.estate import load_estate
    from scanner.sandbox.server import sandbox
    from scanner.sandbox.snapshot_estate import load

    port = _number(settings, "port", 65535)
    try:
        estate = load(file) if file else load_estate()
    except InputError as error:
        error.at = error.at.removeprefix("--from ")
        raise
    box = sandbox(estate, port=port, latency=_number(settings, "latency", 600_000) / 1000)

    async def serve() -> None:
        try:
            await box.start()
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used: {error.strerror}", at=settings.at("port", port), do="use another --port"
            ) from None
        try:
            for name, value in box.environment().items():
                sys.stdout.write(f"export {name}={value}\n")
            sys.stdout.flush()
            said = f"{file or 'sample environment'} at {box.url}; Ctrl-C stops it"
            screen.last([Line(said, "Serving", whole=True)])
            await asyncio.Event().wait()
        finally:
            await box.stop()

    stop.run(serve())


def _number(settings: Settings, name: str, most: int) -> int:
    text = settings[name]
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise InputError(f'"{text}" is not a number from 0 to {most:,}', at=settings.at(name, text))
    return int(text)
