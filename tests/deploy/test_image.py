"""The real image, where one was built: `TWOLOCKS_IMAGE=twolocks:local pytest tests/deploy/test_image.py`.

Docker builds it by `docker build -f deploy/container/Dockerfile -t twolocks:local .`; DOCKER_HOST counts.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scanner.sandbox.server import Sandbox, running
from tests.terminals import SUB, account

IMAGE = os.environ.get("TWOLOCKS_IMAGE", "")
USER = 65532
HARD = ("--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
pytestmark = pytest.mark.skipif(not IMAGE, reason="TWOLOCKS_IMAGE names no image")


def docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", "run", *HARD, *words], check=False, capture_output=True, text=True)


def test_it_runs_as_a_user_without_rights_and_holds_no_installer() -> None:
    script = "id -u; touch /x /opt/twolocks/x && echo written; python3 -m pip --version; grep CapEff /proc/self/status"
    done = docker("--network", "none", "--entrypoint", "/bin/sh", IMAGE, "-c", script)
    assert done.stdout.split() == [str(USER), "CapEff:", "0" * 16], done.stderr


def test_it_scans_on_a_read_only_root(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, USER, USER)
    with running(Sandbox([account("st", allowBlobPublicAccess=True)], [{"subscriptionId": SUB}])) as box:
        env = {**box.environment(), "SSL_CERT_FILE": "/data/ca.pem", "REQUESTS_CA_BUNDLE": "/data/ca.pem"}
        (data / "ca.pem").write_bytes(Path(box.ca_file).read_bytes())
        (data / "ca.pem").chmod(0o644)
        named = [word for name, value in env.items() if name != "PATH" for word in ("--env", f"{name}={value}")]
        words = ("scan", "--out", "findings.json", "--out", "report.html", "--history", "h.db")
        done = docker("--network", "host", "--volume", f"{data}:/data", *named, IMAGE, *words)
    assert done.returncode == 1, done.stderr
    made = {each.name: (each.stat().st_uid, each.stat().st_mode & 0o777) for each in data.iterdir()}
    assert made == {
        "ca.pem": (os.geteuid(), 0o644),
        **dict.fromkeys(("findings.json", "report.html", "h.db"), (USER, 0o600)),
    }
    shutil.rmtree(data)
