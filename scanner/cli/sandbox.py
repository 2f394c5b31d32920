"""`twolocks sandbox`: serves the sample environment, or a snapshot, until Ctrl-C."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scanner.cli import background
from scanner.cli.common import stopping
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

_MOST = {"port": 65535, "latency": 600_000}
"""The options that are numbers, and their highest values."""


def run(settings: Settings, file: str) -> int:
    """Serve until Ctrl-C, which raises Stopped."""
    screen = Screen()
    if settings["stop"] or settings["env"]:
        background.require()
    if settings["stop"]:
        return _stop(screen)
    if settings["env"]:
        return _background(file, settings)
    with stopping(screen) as stop:
        _serve(Path(file) if file else None, settings, screen, stop)
    return 0


def _serve(file: Path | None, settings: Settings, screen: Screen, stop: Stop) -> None:
    """Serve, and print the variables for a scan of the sandbox. Raises Stopped at its end."""
    from scanner.sandbox.estate import load_estate
    from scanner.sandbox.server import sandbox
    from scanner.sandbox.snapshot_estate import load

    port = _number(settings, "port", _MOST["port"])
    try:
        estate = load(file, accept_version_1=settings["accept-version-1"]) if file else load_estate()
    except InputError as error:
        error.at = error.at.removeprefix("--from ")
        raise
    box = sandbox(estate, port=port, latency=_number(settings, "latency", _MOST["latency"]) / 1000)

    def show() -> None:
        for name, value in box.environment().items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.flush()
        text = f"{file or 'sample environment'} at {box.url}; Ctrl-C stops it"
        screen.last([Line(text, "Serving", whole=True)])

    async def serve() -> None:
        try:
            await box.start()
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used: {error.strerror}", at=settings.at("port", port), do="use another --port"
            ) from None
        try:
            shell = os.environ.get(background.VARIABLE, "")
            if not shell.isdecimal():
                show()
                await asyncio.Event().wait()
            with background.registered([*box.environment(), "SANDBOX_PID"]):
                show()
                await background.until_idle(lambda: len(box.requests), int(shell))
        finally:
            await box.stop()

    stop.run(serve())


def _stop(screen: Screen) -> int:
    """End the sandboxes in the background, and print what removes their variables from a shell."""
    count, names = background.stop()
    if names:
        sys.stdout.write(f"unset {' '.join(sorted(names))}\n")
    text = "1 sandbox" if count == 1 else f"{count:,} sandboxes"
    screen.last([Line(f"{text} in the background", "Stopped", whole=True)])
    return 0


def _background(file: str, settings: Settings) -> int:
    """Start another process that serves, print its variables and its id, and return the exit code.

    It has its own group, so that Ctrl-C in the shell does not stop it. Where it ends at once, its errors are printed.
    """
    numbers = {name: str(_number(settings, name, most)) for name, most in _MOST.items()}
    options = [word for name, number in numbers.items() for word in (f"--{name}", number)]
    options += ["--accept-version-1"] if settings["accept-version-1"] else []
    command = [sys.executable, "-m", "scanner", "sandbox", *([file] if file else []), *options]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = {**os.environ, background.VARIABLE: str(background.leader())}
    served = subprocess.Popen(command, process_group=0, env=env, **pipes)  # noqa: S603 - this program itself
    assert served.stdout is not None
    assert served.stderr is not None
    with served.stdout, served.stderr:
        text = b""
        while b"Serving" not in text:
            line = served.stderr.readline()
            if not line:
                sys.stderr.write(text.decode(errors="replace"))
                return served.wait()
            text += line
        variables = os.read(served.stdout.fileno(), 65536).decode()
    sys.stdout.write(f"{variables}export SANDBOX_PID={served.pid}\n")
    Screen().last([Line("in the background, until: twolocks sandbox --stop", "Serving", whole=True)])
    return 0


def _number(settings: Settings, name: str, most: int) -> int:
    text = settings[name]
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise InputError(f'"{text}" is not a number from 0 to {most:,}', at=settings.at(name, text))
    return int(text)
