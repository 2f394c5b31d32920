"""What every workflow, action and example of one keeps to, besides what zizmor and actionlint find."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import ROOT, accepted, run

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NIGHTLY = ROOT / "deploy" / "github" / "nightly.yml"
ACTION = ROOT / "deploy" / "github" / "action.yml"
FILES = [*WORKFLOWS, NIGHTLY, ACTION]
USES = re.compile(r"uses:\s*(\S+?)@(\S+)(?:\s+# (.+))?$", re.M)
ZIZMOR = ("zizmor", "--offline", "--no-progress", "--no-config")
PLACEHOLDER = "0" * 40


def read(file: Path) -> dict[Any, Any]:
    result: dict[Any, Any] = yaml.safe_load(file.read_text("utf-8"))
    return result


def test_zizmor_finds_nothing_by_its_defaults() -> None:
    text = accepted(*ZIZMOR, ".github", "deploy")
    assert "No findings to report" in text
    assert list((ROOT / ".github").glob("zizmor.*")) == list(ROOT.glob("zizmor.*")) == []
    assert not [file for file in FILES if "zizmor: ignore" in file.read_text("utf-8")]


def test_zizmor_finds_an_action_that_is_not_pinned(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    (folder / "test.yml").write_text(USES.sub(r"uses: \1@v7", text), "utf-8")
    assert run(*ZIZMOR, tmp_path)[0] != 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_action_is_named_by_its_commit_and_version(file: Path) -> None:
    for name, commit, version in USES.findall(file.read_text("utf-8")):
        assert re.fullmatch("[0-9a-f]{40}", commit), name
        own = name == "OWNER/twolocks/deploy/github"
        assert (commit == PLACEHOLDER) == own
        assert own or re.fullmatch(r"v\d+\.\d+\.\d+", version), name


def test_an_action_has_one_commit_everywhere() -> None:
    result: dict[str, set[str]] = {}
    for file in FILES:
        for name, commit, _ in USES.findall(file.read_text("utf-8")):
            result.setdefault(name, set()).add(commit)
    assert {name: commits for name, commits in result.items() if len(commits) != 1} == {}


@pytest.mark.parametrize("file", [*WORKFLOWS, NIGHTLY], ids=lambda file: file.name)
def test_jobs_are_granted_what_they_need_and_no_more(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert isinstance(job["permissions"], dict), name
        assert job["timeout-minutes"] <= 240
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), "a template in a script"
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_release_needs_the_tests_green_and_only_its_last_jobs_sign() -> None:
    jobs = read(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    tested = read(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]
    assert jobs["test"] == tested
    assert [step["run"] for step in tested["steps"] if "run" in step] == ["make test"]
    for name in jobs:
        assert name == "test" or "test" in needed(jobs, name), name
    signing = [name for name, job in jobs.items() if "id-token" in job["permissions"]]
    assert signing == ["publish", "pypi"]
    for name in signing:
        assert not [step for step in jobs[name]["steps"] if "checkout" in step.get("uses", "")]
    assert (jobs["publish"]["environment"], jobs["pypi"]["environment"]) == ("release", "pypi")


def needed(jobs: dict[str, Any], name: str) -> set[str]:
    """The jobs that must have ended well before a job begins."""
    above = jobs[name].get("needs", [])
    above = [above] if isinstance(above, str) else above
    return {*above, *(each for one in above for each in needed(jobs, one))}


def test_pull_requests_run_without_secrets() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "test.yml")
    assert set(workflow[True]) == {"push", "pull_request"}
    assert workflow["jobs"]["test"]["permissions"] == {"contents": "read"}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")


def test_pins_of_actions_are_renewed_where_they_are_a_week_old() -> None:
    """Dependabot reads `.github/workflows` for the folder /, and each YAML file of any other folder that is named."""
    updates = {each["package-ecosystem"]: each for each in read(ROOT / ".github" / "dependabot.yml")["updates"]}
    named = {file.parent.relative_to(ROOT).as_posix() for file in FILES if USES.search(file.read_text("utf-8"))}
    folders = {"/" if each == ".github/workflows" else f"/{each}" for each in named}
    assert set(updates["github-actions"]["directories"]) == folders
    assert all(each["cooldown"]["default-days"] >= 7 for each in updates.values())


def test_the_image_is_built_by_no_frontend_that_a_tag_names() -> None:
    """`# syntax=docker/dockerfile:1` downloads the program that reads the file: who moves the tag runs in the build."""
    file = ROOT / "deploy" / "container" / "Dockerfile"
    named = re.findall(r"(?m)^#\s*syntax\s*=\s*(\S+)", file.read_text("utf-8"))
    assert [each for each in named if "@sha256:" not in each] == []
