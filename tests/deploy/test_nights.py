"""The history of Azure Pipelines over several nights: what a run of the steps leaves, and what the next run finds.

The steps, their order, conditions and inputs are those of the file. Azure DevOps is a model of what Microsoft
documents: a condition sees the status of the job so far; DownloadPipelineArtifact@2 takes the run that it is told, and
fails where that has no such artifact. `last-run` runs for real against a server that answers as the REST API does:
`Builds - List` with the filters that it knows, newest first, and `Artifacts - List`.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.deploy.files import DEPLOY

PIPELINE = DEPLOY / "azure-devops" / "azure-pipelines.yml"
LAST_RUN = DEPLOY / "azure-devops" / "last-run"
VARIABLE = re.compile(r"##vso\[task\.setvariable variable=([\w.]+)\](.*)")
VARIABLES = {"twolocks.history": "true", "twolocks.report": "true", "twolocks.code": "0"}
PROJECT, BRANCH, DEFINITION, TOKEN = "a project", "refs/heads/main", "7", "the token of the job"
BUILDS = "/an organization/a%20project/_apis/build/builds".replace(" ", "%20")


@dataclass
class Night:
    """One run: the step in which the machine dies (`dies`), that fails (`fails`), or in which somebody cancels the run
    (`canceled`), by its display name. `status`: as the list of runs has it.
    """

    name: str
    dies: str = ""
    fails: str = ""
    canceled: str = ""
    baseline: bool = False
    result: str = "succeeded"
    status: str = "inProgress"
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


def answer(before: list[Night], path: str, query: dict[str, list[str]]) -> list[dict[str, Any]] | None:
    """What the REST API has of the runs; None where it has nothing at a path."""
    if path == BUILDS:
        assert query["definitions"] == [DEFINITION]
        assert query["branchName"] == [BRANCH]
        assert query["queryOrder"] == ["finishTimeDescending"]
        known = [night for night in reversed(before) if night.status in query.get("statusFilter", [night.status])]
        fits = [night for night in known if night.result in query.get("resultFilter", [night.result])]
        return [{"id": int(night.name), "result": night.result} for night in fits[: int(query["$top"][0])]]
    run = re.fullmatch(rf"{BUILDS}/(\d+)/artifacts", path)
    night = next((each for each in before if run and each.name == run[1]), None)
    return None if night is None else [{"name": name} for name in sorted(night.artifacts)]


@contextmanager
def azure_devops(before: list[Night]) -> Iterator[str]:
    """The address of a server that answers for these runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            rows = answer(before, url.path, parse_qs(url.query)) if known else None
            self.send_response(401 if not known else 404 if rows is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"value": rows}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/an%20organization/"
        server.shutdown()


def last_run(before: list[Night], token: str = TOKEN) -> tuple[int, str, dict[str, str]]:
    """Run `last-run`: its exit code, what it printed, and the variables that it sets."""
    with azure_devops(before) as address:
        env = {
            "SYSTEM_COLLECTIONURI": address,
            "SYSTEM_TEAMPROJECTID": PROJECT,
            "SYSTEM_DEFINITIONID": DEFINITION,
            "BUILD_SOURCEBRANCH": BRANCH,
            "SYSTEM_ACCESSTOKEN": token,
        }
        done = subprocess.run(
            [sys.executable, str(LAST_RUN)], env=env, check=False, capture_output=True, text=True, timeout=60
        )
    return done.returncode, done.stdout + done.stderr, dict(VARIABLE.findall(done.stdout))


def act(step: dict[str, Any], night: Night, before: list[Night], variables: dict[str, str]) -> bool:
    """What a step does to the run; whether it ended well."""
    inputs = step.get("inputs", {})
    if step.get("bash", "").endswith("/last-run"):
        code, _, made = last_run([*before, night])
        variables |= made
        return code == 0
    if step.get("task") == "DownloadPipelineArtifact@2":
        assert inputs["buildVersionToDownload"] == "specific"
        assert inputs["pipelineId"] == "$(twolocks.from)"
        taken = next((each for each in before if each.name == variables.get("twolocks.from")), None)
        night.found = taken.name if taken and inputs["artifactName"] in taken.artifacts else ""
        return bool(night.found)
    if step.get("displayName") == night.fails:
        return False
    if step.get("task") == "PublishPipelineArtifact@1":
        night.artifacts.add(inputs["artifact"])
    if step.get("displayName") == "Scan":
        variables |= VARIABLES
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
        if night.canceled and step.get("displayName") == night.canceled:
            night.result = "canceled"
        elif not act(step, night, before, variables):
            night.result = "failed"
    night.status = "completed"
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
    assert unpublished.artifacts == {"twolocks-report"}


def test_a_night_that_was_cancelled_after_it_published_counts() -> None:
    late = Night("2", canceled="Report and findings")
    assert over(Night("1", baseline=True), late, Night("3")) == ["", "1", "2"]
    assert (late.result, late.artifacts) == ("canceled", {"twolocks-history"})


def test_a_night_that_was_cancelled_before_it_published_is_passed_over() -> None:
    early = [Night("2", canceled="Scan"), Night("3", canceled="History for the next run")]
    assert over(Night("1", baseline=True), *early, Night("4")) == ["", "1", "1", "1"]
    assert [night.result for night in early] == ["canceled", "canceled"]


def test_the_api_is_asked_with_the_token_of_the_job() -> None:
    night = Night("1", status="completed", artifacts={"twolocks-history"})
    code, text, made = last_run([night], "another")
    assert (code, made) == (1, {})
    assert "401" in text
    assert "another" not in text
    assert last_run([night])[2] == {"twolocks.from": "1"}


def test_where_no_run_has_a_history_the_step_says_what_to_do() -> None:
    code, text, made = last_run([Night("1", status="completed"), Night("2", artifacts={"twolocks-history"})])
    assert (code, made) == (1, {})
    assert "None of the last 1 runs of this branch has a history" in text
    assert "baseline" in text


def test_a_night_with_findings_hands_its_history_on() -> None:
    found = Night("2", fails="The scan's exit code")
    assert over(Night("1", baseline=True), found, Night("3")) == ["", "1", "2"]
    assert found.result == "failed"


def test_a_lost_history_stops_the_run_before_the_scan() -> None:
    first = Night("1")
    assert over(first) == [""]
    assert (first.result, first.artifacts) == ("failed", set())
