"""`sandbox --env`: the shell goes on, and the sandbox ends with `--stop`, with its terminal, or when nobody asks it."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from scanner.cli import background
from scanner.errors import InputError
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import serve
from tests.terminals import twolocks

RUN = f"{sys.executable} -m scanner"
PEER = """import os, socket, ssl, urllib.parse
at = urllib.parse.urlsplit(os.environ["TWOLOCKS_SCAN_ARM_ENDPOINT"])
tls = ssl.create_default_context()
with tls.wrap_socket(socket.create_connection((at.hostname, at.port)), server_hostname=at.hostname) as peer:
    print(peer.version(), end=" ")"""
ASK = f"{sys.executable} -c {shlex.quote(PEER)}"


def shell(program: str, folder: Path) -> subprocess.Popen[str]:
    """Start bash in a session of its own, as a terminal does."""
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(["bash", "-c", program], start_new_session=True, env=env, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def is_gone(pid: int) -> bool:
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    return False


def test_bash_goes_on_with_the_sandbox_and_stop_ends_it(tmp_path: Path) -> None:
    program = (
        f'eval "$({RUN} sandbox --env)"; echo $SANDBOX_PID; {ASK}; eval "$({RUN} sandbox --stop)"; '
        'echo "[$SSL_CERT_FILE$SANDBOX_PID]"'
    )
    out, err = shell(program, tmp_path).communicate(timeout=120)
    pid, after = out.splitlines()
    assert (after.startswith("TLSv1"), after.endswith("[]")) == (True, True), (out, err)
    assert "1 sandbox in the background" in err
    assert is_gone(int(pid))
    assert list(tmp_path.glob("*/*")) == []


def test_a_sandbox_ends_with_its_shell(tmp_path: Path) -> None:
    started = shell(f'eval "$({RUN} sandbox --env)"; echo $SANDBOX_PID; read line', tmp_path)
    assert started.stdout is not None
    pid = int(started.stdout.readline())
    os.kill(pid, 0)
    started.communicate("\n", timeout=60)
    assert is_gone(pid)


def test_a_sandbox_ends_when_nobody_asks_it() -> None:
    with serve(load_estate()) as box:
        asyncio.run(background.until_idle(lambda: len(box.requests), os.getpid(), idle=0.05, poll=0.01))


def test_a_file_of_a_process_that_has_ended_is_removed(tmp_path: Path) -> None:
    """Another process may have its id by now: it must live."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        env = {"XDG_RUNTIME_DIR": str(tmp_path)}
        assert twolocks("sandbox", "--stop", env=env).code == 0
        file = next(tmp_path.iterdir()) / f"sandbox-{other.pid}.pid"
        file.write_text("SSL_CERT_FILE")
        ended = twolocks("sandbox", "--stop", env=env)
        assert (ended.out, other.poll(), file.exists()) == ("", None, False)
    finally:
        other.kill()
        other.wait()


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    background.folder().chmod(0o777)
    with pytest.raises(InputError, match="other users can write"):
        background.folder()
