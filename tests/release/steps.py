"""The steps of `make release-try`. Each gets the machine, sdist and wheel; its result begins with `ok` or `skipped`."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import running, sandbox
from tests.release import verify
from tests.release.builds import ROOT
from tests.release.machine import Failed, Machine
from tests.terminals import account, snapshot

Step = Callable[[Machine, list[Path]], str]
EXTRAS: Final = {
    "postgres": "psycopg",
    "fleet": "amqp, redis",
    "parquet": "duckdb",
    "log-analytics": "azure.monitor.ingestion",
}
SCOPE: Final = {"TWOLOCKS_SCAN_SUBSCRIPTION": "prod-journal", "TWOLOCKS_SCAN_RESOURCE_GROUP": "rg-kart"}


def need(wanted: bool, text: str) -> None:
    """Raise `Failed` with a text where something does not hold."""
    if not wanted:
        raise Failed(text)


def by_pip(machine: Machine, dist: list[Path]) -> str:
    """Install by name with pip; run what needs no login."""
    programs = machine.environment_with("twolocks")
    work = machine.home / "work"
    work.mkdir()
    snapshot(work / "one.jsonl", account("st", allowSharedKeyAccess=True))
    commands = {
        "scan --from one.jsonl --out f.json --out r.html --fail-on never": 3,
        "report f.json --out again.html": 0,
        "show places f.json": 0,
        "diff f.json f.json": 0,
    }
    for line, code in commands.items():
        machine.run(programs / "twolocks", *line.split(), code=code, cwd=work)
    need(bool(json.loads((work / "f.json").read_bytes())["findings"]), "no finding")
    return f"ok {machine.run(programs / 'twolocks', '--version').strip()}; {', '.join(commands)}"


def without_arguments(machine: Machine, dist: list[Path]) -> str:
    """Run `twolocks` alone, which names the next steps."""
    text = machine.run(machine.home / "venv-0" / "bin" / "twolocks", code=2)
    for each in ("twolocks demo", "twolocks scan"):
        need(each in text, f"`twolocks` alone does not name `{each}`:\n{text}")
    return "ok it names the demo and the scan"


def with_extras(machine: Machine, dist: list[Path]) -> str:
    """Install each extra by name, and import what it brings."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    need(set(declared) == set(EXTRAS), f"the extras are {sorted(declared)}")
    for extra, modules in EXTRAS.items():
        folder = machine.home / f"extra-{extra}"
        machine.run("uv", "venv", "--quiet", folder)
        machine.run("uv", "pip", "install", "--quiet", "--python", folder, f"twolocks[{extra}]")
        machine.run(folder / "bin" / "python", "-c", f"import scanner, {modules}")
    return f"ok {', '.join(EXTRAS)}"


def from_sdist(machine: Machine, dist: list[Path]) -> str:
    """Build from the sdist of the index where a wheel is refused; compare with the wheel."""
    folder = machine.home / "from-sdist"
    pip = (machine.home / "venv-0" / "bin" / "pip", "wheel", "--quiet", "--no-deps", "--no-binary", "twolocks")
    machine.run(*pip, "--wheel-dir", folder, "twolocks")
    made, released = next(folder.glob("*.whl")), next(file for file in dist if file.suffix == ".whl")
    need(made.read_bytes() == released.read_bytes(), "the sdist gives another wheel than the release has")
    return "ok the same wheel"


def by_pipx(machine: Machine, dist: list[Path]) -> str:
    machine.run("pipx", "install", "twolocks")
    machine.run("twolocks", "demo", "--quiet", "--dir", "demo-pipx")
    machine.run("pipx", "uninstall", "twolocks")
    return "ok pipx install twolocks, twolocks demo"


def by_uv(machine: Machine, dist: list[Path]) -> str:
    machine.run("uvx", "twolocks", "demo", "--quiet", "--dir", "demo-uvx")
    return "ok uvx twolocks demo, with an empty cache"


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def on_github(machine: Machine, dist: list[Path]) -> str:
    """Run the action's own script that installs, and then the one that scans."""
    steps = read(ROOT / "deploy" / "github" / "action.yml")["runs"]["steps"]
    script = next(step["run"] for step in steps if "build.sh" in step.get("run", ""))
    folder = machine.home / "github"
    folder.mkdir()
    variables = {"RUNNER_TEMP": str(folder), "GITHUB_ACTION_PATH": str(ROOT / "deploy" / "github")}
    machine.run("bash", "-euo", "pipefail", "-c", script, env=variables)
    output, summary = folder / "output", folder / "summary"
    files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary), "KEEP_IN": "", "SUMMARY": "true"}
    with running(sandbox(load_estate())) as box:
        more = {**box.environment("github"), **variables, **files, **SCOPE, "CI": "true"}
        more.pop("PATH", None)
        machine.run(ROOT / "deploy" / "github" / "scan.sh", cwd=folder, env=more)
    need("exit-code=1" in output.read_text("utf-8"), output.read_text("utf-8"))
    return "ok the action's steps: installed by hash, scanned the sandbox"


def on_azure_devops(machine: Machine, dist: list[Path]) -> str:
    """Run the pipeline's own script that installs, and then the one that scans."""
    steps = read(ROOT / "deploy" / "azure-devops" / "azure-pipelines.yml")["jobs"][0]["steps"]
    script = next(step["bash"] for step in steps if "build.sh" in step.get("bash", ""))
    folder = machine.home / "azure-devops"
    folder.mkdir()
    variables = {"AGENT_TEMPDIRECTORY": str(folder)}
    machine.run("bash", "-euo", "pipefail", "-c", script, cwd=ROOT, env=variables)
    with running(sandbox(load_estate())) as box:
        more = {**box.environment("azure-pipelines"), **variables, **SCOPE}
        more.pop("PATH", None)
        text = machine.run(ROOT / "deploy" / "azure-devops" / "scan.sh", cwd=folder, env=more)
    need("variable=twolocks.report]true" in text, text)
    return "ok the pipeline's steps: installed by hash, scanned the sandbox"


def in_a_container(machine: Machine, dist: list[Path]) -> str:
    """Run the Dockerfile's step that installs; the image itself needs an engine and its base."""
    lines = (ROOT / "deploy" / "container" / "Dockerfile").read_text("utf-8").splitlines()
    step = next(line for line in lines if line.startswith("RUN /source/"))
    target = machine.home / "opt"
    command = step.removeprefix("RUN ").replace("/source", str(ROOT)).replace("/opt/twolocks", str(target))
    machine.run("sh", "-euc", command)
    machine.run(target / "bin" / "twolocks", "demo", "--quiet", "--dir", "demo-container")
    return "ok the image's step; the image itself: tests/deploy/test_image.py, where an engine is"


def contents(machine: Machine, dist: list[Path]) -> str:
    """Write the list of contents as `make sbom` does."""
    wheel = next(file for file in dist if file.suffix == ".whl")
    file = machine.home / "twolocks.cdx.json"
    machine.run(ROOT / "tests" / "sbom", wheel, file)
    return f"ok {len(json.loads(file.read_bytes())['components'])} packages, valid CycloneDX 1.6"


def verified(machine: Machine, dist: list[Path]) -> str:
    """Run the commands of docs/install.md with an authority of this machine in the place of Sigstore's."""
    if shutil.which("cosign") is None:
        return "skipped cosign is not installed"
    wheel = next(file for file in dist if file.suffix == ".whl")
    return verify.commands(machine, wheel, machine.home / "twolocks.cdx.json")


STEPS: Final[dict[str, Step]] = {
    "pip install twolocks": by_pip,
    "twolocks without arguments": without_arguments,
    "extras": with_extras,
    "from the sdist": from_sdist,
    "pipx": by_pipx,
    "uvx": by_uv,
    "GitHub action": on_github,
    "Azure DevOps": on_azure_devops,
    "container": in_a_container,
    "list of contents": contents,
    "verification": verified,
}
