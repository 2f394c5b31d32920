"""The image's steps in a plain folder: a user who is not root installs from a source that nobody may write, then runs.

No container engine is needed. A package index is: what is installed are the locked files, by their hashes.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.files import ROOT
from tests.sampled import is_all
from tests.terminals import STORAGE, account, snapshot

NOBODY = 65534
BUILD = "deploy/container/build.sh"
SOURCE = ("scanner", "rules", "templates", "locale", "pyproject.toml", "deploy/pypi/README.md", "LICENSE", BUILD)
LOCKS = ("requirements.lock", "requirements-setup.lock")
INDEX = ("PIP_", "UV_", "SSL_", "REQUESTS_CA_BUNDLE", "HTTP", "NO_PROXY")
INSTALLERS = ("pip", "pip3", "uv", "hatchling")


@dataclass(frozen=True, slots=True)
class Plain:
    """A folder that stands for the image: `source` nobody may write, `home` and `work` are the user's."""

    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def target(self) -> Path:
        return self.folder / "home" / "twolocks"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def run(self, *words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run as the user. This machine's settings for its package index and its certificates count; no login does."""
        env = {
            **{name: value for name, value in os.environ.items() if name.startswith(INDEX)},
            "HOME": str(self.folder / "home"),
            "PATH": f"{self.target / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "PYTHON": python(),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.folder / "tmp"),
        }
        other = NOBODY if os.geteuid() == 0 else None
        return subprocess.run(
            [str(word) for word in words],
            cwd=cwd or self.work,
            env=env,
            user=other,
            group=other,
            extra_groups=None if other is None else [],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )


def python() -> str:
    """A Python that another user may run too: root's own home is closed to others."""
    for result in ("/usr/local/bin/python3", "/usr/bin/python3", shutil.which("python3")):
        if result and Path(result).exists():
            return result
    raise AssertionError("no python3")


@pytest.fixture(scope="module")
def plain() -> Iterator[Plain]:
    """The steps of the Dockerfile, done."""
    if not is_all():
        pytest.skip("make test-all: each package is installed, as `tests/test_packaging.py` does in `make test`")
    with tempfile.TemporaryDirectory(prefix="twolocks-image-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Plain(folder)
        for each in SOURCE + LOCKS:
            copy(ROOT / each, made.source / each)
        for path in [made.source, *made.source.rglob("*")]:
            path.chmod(0o555 if path.is_dir() or path.suffix == ".sh" else 0o444)
        for each in ("home", "work", "tmp"):
            (folder / each).mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(folder / each, NOBODY, NOBODY)
        done = made.run(made.source / BUILD, made.source, made.target)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("twolocks ")
        subprocess.run(["chmod", "-R", "a-w", made.target], check=True)
        yield made
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def listed(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with size and time of its last change."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_version_and_the_demo(plain: Plain) -> None:
    before = listed(plain.target)
    version = plain.run("twolocks", "--version")
    assert (version.returncode, version.stderr) == (0, "")
    demo = plain.run("twolocks", "demo", "--dir", plain.work / "demo")
    assert demo.returncode == 0, demo.stderr
    made = {path.name for path in (plain.work / "demo").iterdir()}
    assert {"report.html", "findings.json", "snapshot.jsonl"} <= made
    assert listed(plain.target) == before, "something was written into the image"
    assert list((plain.folder / "tmp").iterdir()) == []


def test_a_scan_runs_where_nothing_is_both_written_and_run(plain: Plain) -> None:
    """As the systemd unit has it (MemoryDenyWriteExecute), by the same call to the kernel (Linux 6.3)."""
    program = (
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.prctl(65, 1, 0, 0, 0): sys.exit('this kernel has no PR_SET_MDWE')\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    words = (plain.target / "bin" / "twolocks", "demo", "--quiet", "--dir", plain.work / "mdwe")
    done = plain.run(python(), "-c", program, *words)
    if "no PR_SET_MDWE" in done.stderr:
        pytest.skip("the kernel is older than 6.3")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_scan_with_a_history_and_every_format(plain: Plain) -> None:
    """What a wheel could lack: migrations, templates, translations, a dependency that only development has."""
    file = snapshot(plain.work / "night.jsonl", account("st"), gaps=(f"{STORAGE}/st/blobServices/default",))
    file.chmod(0o644)
    outs = [f"--out={plain.work / name}" for name in ("a.html", "a.json", "a.csv", "a.md", "a.sarif", "a.junit.xml")]
    words = ("scan", "--quiet", "--from", file, "--fail-on", "new:high", "--language", "nb")
    history = ("--history", f"sqlite:///{plain.work}/history.db")
    for _ in range(2):
        done = plain.run("twolocks", *words, *history, *outs)
        assert done.returncode == 3, done.stderr
    listed = plain.run("twolocks", "history", "list", *history)
    assert (listed.returncode, len(listed.stdout.splitlines())) == (0, 2), listed.stderr


def test_postgresql_can_hold_the_history(plain: Plain) -> None:
    done = plain.run(plain.target / "bin" / "python", "-c", "import psycopg")
    assert done.returncode == 0, "make lock with the extra postgres brings it"


READ_ONLY = """
mount --bind / / && mount -o remount,bind,ro /
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp" && mount -t tmpfs -o mode=1777 tmpfs "$1/work" && cd "$1/work"
exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \\
  env -i PATH=/usr/bin:/bin HOME=/tmp TMPDIR="$1/tmp" sh -c '
    if touch "$1/home/written" 2>/dev/null; then echo "the root can be written" >&2; exit 99; fi
    exec "$1/home/twolocks/bin/twolocks" demo --dir demo' sh "$1"
"""


def test_the_demo_runs_on_a_read_only_root_as_65532_without_capabilities(plain: Plain) -> None:
    """As `docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges` does."""
    unshare = ("unshare", "--mount", "--propagation", "private")
    if os.geteuid() or subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root, with namespaces, can mount the root read-only")
    home = plain.folder / "home"
    home.chmod(0o755)
    words = [*unshare, "sh", "-euc", READ_ONLY, "sh", str(plain.folder)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    home.chmod(0o700)
    assert done.returncode == 0, done.stderr


def test_what_is_kept_installs_nothing(plain: Plain) -> None:
    programs = {path.name for path in (plain.target / "bin").iterdir()}
    assert programs.isdisjoint(INSTALLERS)
    assert plain.run(plain.target / "bin" / "python", "-m", "pip", "--version").returncode == 1


def test_a_hash_that_differs_stops_the_build(plain: Plain, tmp_path: Path) -> None:
    source = tmp_path / "source"
    copy(plain.source, source)
    for path in [source, *source.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.suffix == ".sh" else 0o644)
    lock = source / "requirements-setup.lock"
    text = lock.read_text("utf-8")
    lock.write_text(text.replace("--hash=sha256:", "--hash=sha256:0000"), "utf-8")
    done = subprocess.run(
        [source / BUILD, source, tmp_path / "target"],
        env={**os.environ, "PYTHON": python()},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "give SOURCE and TARGET"),
        (("/", "/nowhere"), "no working copy"),
        ((str(ROOT), str(ROOT)), "is there already"),
    ],
)
def test_a_wrong_call_is_refused(words: tuple[str, ...], text: str) -> None:
    done = subprocess.run([ROOT / BUILD, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert text in done.stderr
