"""What a wheel and an sdist hold: our one name, and all our content; and that the wheel runs in a clean environment.

With TWOLOCKS_NEWEST set (`make release-check`) also with the newest versions that pyproject.toml allows.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.sampled import is_all, only_all
from tests.terminals import account, snapshot

ROOT = Path(__file__).parent.parent
RUN_FIRST = True


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of the working copy and the wheel that is built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))


def content_files() -> list[str]:
    """Rules, templates, translations and the package's own data in the working copy, as paths relative to its root."""
    files = (
        path
        for name in ("rules", "templates", "locale", "scanner")
        for path in (ROOT / name).glob("**/*")
        if path.is_file()
    )
    names = [path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc" and path.name != "ruff.toml"]
    return [name for name in names if "/." not in name and "/__pycache__/" not in name]


def installed(name: str) -> str:
    """Where a file of the working copy stands in the wheel."""
    return name if name.startswith("scanner/") else f"scanner/{name}"


def test_the_wheel_installs_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    data = "twolocks-0.1.0.data"
    assert {top for top in (name.split("/")[0] for name in names) if not top.endswith(".dist-info")} == {
        "scanner",
        data,
    }
    assert [name for name in names if name.startswith(data)] == [f"{data}/data/share/man/man1/twolocks.1"]


def test_every_rule_template_and_data_file_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    missing = [name for name in content_files() if installed(name) not in names]
    assert not missing
    assert not [name for name in names if name.endswith("ruff.toml")]


def test_the_wheel_has_the_command_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    entry = next(text for name, text in texts.items() if name.endswith("entry_points.txt"))
    assert "twolocks = scanner.cli.app:main" in entry
    assert any("Apache License" in text for name, text in texts.items() if name.endswith("licenses/LICENSE"))


def test_an_installed_wheel_finds_its_own_content(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in ("rules", "templates", "locale"):
        (site / name).mkdir()  # somebody else's packages of these names
        done = subprocess.run(
            [sys.executable, "-c", f"from scanner.content import content; print(content({name!r}))"],
            env={"PYTHONPATH": str(site)},
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        assert Path(done.stdout.strip()) == (site / "scanner" / name).resolve()


def test_an_installed_wheel_makes_a_history(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import scanner, scanner.history.store as h; h.History.open('history.db').close(); print(scanner.__path__[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(site)}, cwd=tmp_path, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()) == site / "scanner"
    assert (tmp_path / "history.db").stat().st_size > 4096


def test_the_sdist_holds_what_it_names(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    missing = [name for name in content_files() if name not in names]
    assert not missing
    folders = {"scanner", "rules", "templates", "locale", "tests", "docs", "deploy"}
    pages = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
    locks = {"requirements.lock", "requirements-dev.lock", "requirements-setup.lock"}
    rest = {"Makefile", "PKG-INFO", "pyproject.toml", ".gitignore"}
    assert {name.split("/")[0] for name in names} <= folders | pages | locks | rest
    assert {"LICENSE", "README.md", "Makefile", "requirements.lock", "tests/test_packaging.py"} <= names


# In a clean environment

UV = (sys.executable, "-m", "uv")
INSTALLS = {
    "locked": ("--require-hashes", "-r", str(ROOT / "requirements.lock")),
    "newest": ("--resolution", "highest", "--upgrade"),
}


def clean(folder: Path, wheel: Path, versions: str) -> Path:
    """Return the programs of an environment that holds the wheel and these versions, and nothing else."""
    subprocess.run([*UV, "venv", "--quiet", "--no-project", "--python", sys.executable, folder], check=True)
    install = [*UV, "pip", "install", "--quiet", "--python", str(folder)]
    if versions == "locked":
        subprocess.run([*install, *INSTALLS[versions]], check=True)
        subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    else:
        subprocess.run([*install, *INSTALLS[versions], f"{wheel}[postgres]"], check=True)
    return folder / "bin"


@pytest.fixture(
    scope="module",
    params=[
        "locked",
        pytest.param(
            "newest",
            marks=pytest.mark.skipif("TWOLOCKS_NEWEST" not in os.environ, reason="make release-check runs it"),
        ),
    ],
)
def programs(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean(tmp_path_factory.mktemp("clean") / "venv", wheel, request.param)


SERVED = """
import os, subprocess, sys
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import serve
bodies = [each for each in load_estate().resources if "/storageAccounts/stkart" in each["id"]]
assert bodies
with serve(bodies) as box:
    outs = ["--out", "report.html", "--snapshot", "live.jsonl", "--fail-on", "never", "--quiet"]
    sys.exit(subprocess.run([sys.argv[1], "scan", *outs], env=os.environ | box.environment()).returncode)
"""
"""Serves some of the sample estate and scans it."""


def test_the_wheel_runs_in_a_clean_environment(programs: Path, tmp_path: Path) -> None:
    """Its sandbox serves a resource, and a scan reads it with the SDKs; with make test-all also the whole demo."""

    def run(program: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command, env = [str(programs / program), *words], {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **more}
        return subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)

    def twolocks(*words: str) -> subprocess.CompletedProcess[str]:
        return run("twolocks", *words)

    version = twolocks("--version")
    assert (version.returncode, version.stderr) == (0, "")
    live = run("python", "-c", SERVED, str(programs / "twolocks"))
    assert live.returncode in (0, 3), live.stderr
    assert (tmp_path / "report.html").stat().st_size > 100_000
    if is_all():
        demo = twolocks("demo", "--quiet", "--dir", "demo")
        assert demo.returncode == 0, demo.stderr
    file = snapshot(tmp_path / "one.jsonl", account("st"))
    scan = twolocks("scan", "--quiet", "--from", file.name, "--fail-on", "never", "--out", "findings.json")
    assert scan.returncode in (0, 3), scan.stderr
    assert json.loads((tmp_path / "findings.json").read_bytes())["findings"]


@only_all("`make sbom` validates it before a release, and it lists the packages of the lock file")
def test_the_list_of_contents_names_every_locked_package(wheel: Path, tmp_path: Path) -> None:
    """`tests/sbom` validates it against the schema of CycloneDX."""
    file = tmp_path / "twolocks.cdx.json"
    subprocess.run([ROOT / "tests" / "sbom", wheel, file], check=True, capture_output=True)
    sbom = json.loads(file.read_bytes())
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert sbom["metadata"]["component"]["name"] == "twolocks"
    named = {(each["name"].lower().replace("_", "-"), each["version"]) for each in sbom["components"]}
    installed = {"azure-core", "msgspec", "click", "cryptography", "sqlalchemy", "alembic", "jinja2"}
    assert installed <= {name for name, _ in named}
    assert all(each["purl"].startswith("pkg:pypi/") for each in sbom["components"] if each["name"] != "twolocks")
    locked = (ROOT / "requirements.lock").read_text("utf-8").lower().replace("_", "-")
    assert [each for each in named if each[0] != "twolocks" and f"{each[0]}=={each[1]}" not in locked] == []


@pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not installed")
def test_an_attestation_that_a_key_signed_is_verified(wheel: Path, tmp_path: Path) -> None:
    """The bundle that the release has (in-toto in a DSSE envelope), signed by a key: no certificate and no log."""

    def cosign(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "COSIGN_PASSWORD": ""}
        return subprocess.run(["cosign", *words], cwd=tmp_path, env=env, check=False, capture_output=True, text=True)

    (tmp_path / "sbom.json").write_text('{"bomFormat": "CycloneDX"}', "utf-8")
    bundle = ("--new-bundle-format", "--bundle", "wheel.sigstore.json", "--type", "cyclonedx")
    attest = ("--yes", "--key", "cosign.key", "--tlog-upload=false", "--predicate", "sbom.json", *bundle)
    # A root of trust without authorities: cosign would download Sigstore's, which a key does not need.
    verify = ("--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", *bundle)
    for made in (
        cosign("generate-key-pair"),
        cosign("attest-blob", *attest, str(wheel)),
        cosign("trusted-root", "create", "--out", "root.json"),
    ):
        assert made.returncode == 0, made.stderr
    good = cosign("verify-blob-attestation", *verify, str(wheel))
    assert good.returncode == 0, good.stderr
    changed = tmp_path / wheel.name
    changed.write_bytes(wheel.read_bytes() + b"x")
    bad = cosign("verify-blob-attestation", *verify, str(changed))
    assert (bad.returncode != 0, "digest does not match" in bad.stderr) == (True, True)
