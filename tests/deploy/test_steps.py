"""The scripts that pipelines run, for real, against the sandbox, with variables and token issuers as it serves them."""

import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import Sandbox, running, sandbox
from tests.deploy.files import DEPLOY, PROGRAMS
from tests.processes import in_shell

GITHUB = DEPLOY / "github"
PIPELINES = DEPLOY / "azure-devops"
TOKEN = DEPLOY / "container" / "with-postgres-token"
SCOPE = {"TWOLOCKS_SCAN_SUBSCRIPTION": "prod-journal", "TWOLOCKS_SCAN_RESOURCE_GROUP": "rg-kart"}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with running(sandbox(load_estate())) as made:
        yield made


def clean(box: Sandbox, auth: str, **more: str) -> dict[str, str]:
    """The environment of a job: PATH, the sandbox, nothing of this machine's logins."""
    return {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HOME": "/nonexistent", **box.environment(auth), **more}


def job(folder: Path) -> Path:
    """A runner's temporary folder, with Twolocks where `build.sh` installs it."""
    (folder / "twolocks" / "bin").mkdir(parents=True)
    command = folder / "twolocks" / "bin" / "twolocks"
    command.write_text(f'#!/bin/sh\nexec {in_shell()} "$@"\n')
    command.chmod(0o755)
    return folder


def call(script: Path, env: dict[str, str], *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *words], env=env, cwd=cwd, check=False, capture_output=True, text=True, timeout=120
    )


# GitHub


def on_github(box: Sandbox, folder: Path, **more: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str], str]:
    """The scan step: what it printed, its outputs, and the summary."""
    output, summary = folder / "output", folder / "summary"
    output.write_text("")
    summary.write_text("")
    env = clean(
        box,
        "github",
        **{
            "CI": "true",
            "RUNNER_TEMP": str(folder),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "KEEP_IN": "",
            "SUMMARY": "true",
            **SCOPE,
            **more,
        },
    )
    done = call(GITHUB / "scan.sh", env, cwd=folder)
    rows = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done, rows, summary.read_text()


def test_the_step_on_github_passes_code_files_and_summary_on(box: Sandbox, tmp_path: Path) -> None:
    done, rows, summary = on_github(box, job(tmp_path))
    assert done.returncode == 0, done.stderr
    assert rows == {"exit-code": "1", "report": "true", "sarif": "true"}, done.stderr
    assert summary.strip()
    assert "(github)" in done.stderr
    names = {path.name for path in (tmp_path / "twolocks-report").iterdir()}
    assert names == {"report.html", "findings.json", "results.sarif", "summary.md"}


def test_a_second_run_on_github_knows_the_first(box: Sandbox, tmp_path: Path) -> None:
    folder = job(tmp_path)
    more = {"KEEP_IN": "artifact", "TWOLOCKS_SCAN_FAIL_ON": "new:high"}
    (folder / "twolocks-history").mkdir()
    _, first, _ = on_github(box, folder, **more)
    assert (first["exit-code"], first["history"]) == ("3", "true")
    done, second, _ = on_github(box, folder, **more)
    assert second["exit-code"] == "3", done.stderr
    assert re.search(r"since \d{4}-\d\d-\d\d: 0 new", done.stderr)


def test_a_scan_that_cannot_sign_in_is_reported_on_github(box: Sandbox, tmp_path: Path) -> None:
    done, rows, summary = on_github(box, job(tmp_path), ACTIONS_ID_TOKEN_REQUEST_TOKEN="another")
    assert done.returncode == 0
    assert rows == {"exit-code": "4"}
    assert summary == "Twolocks ended with 4 and wrote no summary; the log says why.\n"


GH = """#!/bin/sh
# Stands for GitHub's client: four runs, of which one has the artifact.
echo "$*" >> "$GH_LOG"
case "$1 $2" in
  "run list") printf '44\\n33\\n22\\n11\\n' ;;
  "run download") [ "$3" = "$GH_HAS" ] || exit 1
    while [ "$1" != --dir ]; do shift; done
    echo history > "$2/history.db" ;;
esac
"""


def fetch(tmp_path: Path, has: str, **more: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    gh, log = tmp_path / "gh", tmp_path / "log"
    gh.write_text(GH)
    gh.chmod(gh.stat().st_mode | stat.S_IXUSR)
    log.write_text("")
    env = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "GH_LOG": str(log),
        "GH_HAS": has,
        "GITHUB_REPOSITORY": "agency/scans",
        "GITHUB_WORKFLOW_REF": "agency/scans/.github/workflows/nightly.yml@refs/heads/main",
        "GITHUB_REF_NAME": "main",
        **more,
    }
    done = call(GITHUB / "fetch-history.sh", env, str(tmp_path / "history"), cwd=tmp_path)
    return done, log.read_text().splitlines()


def test_the_newest_history_is_brought(tmp_path: Path) -> None:
    done, asked = fetch(tmp_path, "22")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "history" / "history.db").is_file()
    assert "--workflow nightly.yml --branch main" in asked[0]
    assert [line.split()[2] for line in asked[1:]] == ["44", "33", "22"]


def test_a_history_that_is_lost_stops_the_scan(tmp_path: Path) -> None:
    done, _ = fetch(tmp_path, "none")
    assert done.returncode == 1
    assert "baseline" in done.stderr


def test_a_baseline_asks_for_none(tmp_path: Path) -> None:
    done, asked = fetch(tmp_path, "22", BASELINE="true")
    assert (done.returncode, asked) == (0, [])


# Azure Pipelines


def test_the_step_of_the_pipeline(box: Sandbox, tmp_path: Path) -> None:
    env = clean(box, "azure-pipelines", AGENT_TEMPDIRECTORY=str(job(tmp_path)), **SCOPE)
    done = call(PIPELINES / "scan.sh", env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    commands = [line for line in done.stdout.splitlines() if line.startswith("##vso")]
    assert commands == [
        "##vso[task.setvariable variable=twolocks.code]1",
        "##vso[task.setvariable variable=twolocks.report]true",
        "##vso[task.setvariable variable=twolocks.history]true",
        f"##vso[task.uploadsummary]{tmp_path}/report/summary.md",
    ], done.stderr
    assert (tmp_path / "report" / "results.junit.xml").is_file()


# PostgreSQL with a token


def with_token(box: Sandbox, auth: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = clean(box, auth, **more)
    command = [sys.executable, str(TOKEN), *words]
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("auth", ["managed-identity", "workload-identity"])
def test_the_command_gets_a_token_as_the_password(box: Sandbox, auth: str) -> None:
    # The sandbox gives tokens for its own ARM endpoint alone.
    scope = f"{box.url}/.default"
    done = with_token(box, auth, "sh", "-c", 'echo "$PGPASSWORD"; exit 3', TWOLOCKS_POSTGRES_SCOPE=scope)
    assert done.returncode == 3, done.stderr
    assert not isinstance(box.entra.check(f"Bearer {done.stdout.strip()}"), str)


def test_without_a_token_the_command_does_not_run(box: Sandbox) -> None:
    done = with_token(box, "managed-identity", "echo", "ran", IDENTITY_HEADER="another")
    assert (done.returncode, done.stdout) == (4, "")
    assert "error: no token for PostgreSQL: " in done.stderr
    assert done.stderr.endswith("\nexit 4\n")
