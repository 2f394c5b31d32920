"""The history of Azure Pipelines over several nights: what a run of the steps leaves, and what the next run finds.

The steps, their order, conditions and inputs are those of the file. Azure DevOps is a model of what Microsoft
documents: a condition sees the status of the job so far; DownloadPipelineArtifact@2 takes the newest run of the branch
that has every tag and an allowed result, and fails where that run has no such artifact.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.deploy.files import DEPLOY

PIPELINE = DEPLOY / "azure-devops" / "azure-pipelines.yml"
TAG = re.compile(r"##vso\[build\.addbuildtag\]([\w.-]+)")
VARIABLES = {"twolocks.history": "true", "twolocks.report": "true", "twolocks.code": "0"}


@dataclass
class Night:
    """One run: the step that kills the machine (`dies`), or that fails (`fails`), by its display name."""

    name: str
    dies: str = ""
    fails: str = ""
    baseline: bool = False
    result: str = "succeeded"
    tags: set[str] = field(default_factory=set)
    artifacts: set[str] = field(default_factory=set)
    found: str = ""


def holds(condition: str, night: Night, variables: dict[str, str]) -> bool:
    """Whether a step runs, by its condition; without one, while nothing has failed."""
    text = condition.replace("${{ parameters.baseline }}", str(night.baseline).lower())
    text = text.replace("and(", "both(")
    names = {
        "both": lambda *parts: all(parts),
        "always": lambda: True,
        "succeeded": lambda: night.result == "succeeded",
        "eq": lambda left, right: left == right,
        "ne": lambda left, right: left != right,
        "variables": {"twolocks.history": "", "twolocks.report": "", "twolocks.code": ""} | variables,
    }
    return bool(eval(text, {"__builtins__": {}}, names))


def source(inputs: dict[str, Any], before: list[Night]) -> Night | None:
    """The run that the download takes."""
    results = {"succeeded"} | ({"failed"} if inputs.get("allowFailedBuilds") else set())
    tags = {tag for tag in str(inputs.get("tags", "")).split(",") if tag}
    fits = [night for night in before if night.result in results and tags <= night.tags]
    return fits[-1] if fits else None


def act(step: dict[str, Any], night: Night, before: list[Night]) -> bool:
    """What a step does to the run; whether it ended well."""
    inputs = step.get("inputs", {})
    if step.get("task") == "DownloadPipelineArtifact@2":
        taken = source(inputs, before)
        night.found = taken.name if taken and inputs["artifactName"] in taken.artifacts else ""
        return bool(night.found)
    if step.get("displayName") == night.fails:
        return False
    if step.get("task") == "PublishPipelineArtifact@1":
        night.artifacts.add(inputs["artifact"])
    night.tags |= set(TAG.findall(step.get("bash", "")))
    return True


def run(night: Night, before: list[Night]) -> Night:
    (job,) = yaml.safe_load(PIPELINE.read_text("utf-8"))["jobs"]
    variables: dict[str, str] = {}
    for step in job["steps"]:
        if not holds(step.get("condition", "succeeded()"), night, variables):
            continue
        if night.dies and step.get("displayName") == night.dies:
            night.result = "failed"
            break
        if not act(step, night, before):
            night.result = "failed"
        elif step.get("displayName") == "Scan":
            variables = VARIABLES
    before.append(night)
    return night


def over(*nights: Night) -> list[str]:
    """The history that each night began with."""
    before: list[Night] = []
    return [run(night, before).found for night in nights]


def test_each_night_begins_with_the_history_of_the_night_before() -> None:
    assert over(Night("1", baseline=True), Night("2"), Night("3")) == ["", "1", "2"]


def test_a_night_that_died_in_the_scan_does_not_cost_the_history() -> None:
    assert over(Night("1", baseline=True), Night("2", dies="Scan"), Night("3"), Night("4")) == ["", "1", "1", "3"]


def test_nights_that_died_before_they_scanned_are_passed_over() -> None:
    dead = (Night("2", dies="Install Twolocks by hash"), Night("3", fails="Install Twolocks by hash"))
    assert over(Night("1", baseline=True), *dead, Night("4")) == ["", "", "", "1"]


def test_a_history_that_was_not_published_is_not_looked_for() -> None:
    unpublished = Night("2", fails="History for the next run")
    assert over(Night("1", baseline=True), unpublished, Night("3")) == ["", "1", "1"]
    assert unpublished.tags == set()


def test_a_night_with_findings_hands_its_history_on() -> None:
    found = Night("2", fails="The scan's exit code")
    assert over(Night("1", baseline=True), found, Night("3")) == ["", "1", "2"]
    assert found.result == "failed"


def test_a_lost_history_stops_the_run_before_the_scan() -> None:
    first = Night("1")
    assert over(first) == [""]
    assert (first.result, first.artifacts, first.tags) == ("failed", set(), set())
