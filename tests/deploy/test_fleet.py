"""deploy/fleet: each file by the program that knows its kind, both jobs closed, one place and one broker for all."""

from pathlib import Path
from typing import Any

import azure.mgmt.appcontainers.models as apps
import pytest
import yaml

from scanner.fleet.queue import QUEUE
from tests.deploy import bicep
from tests.deploy.files import DEPLOY, accepted, run
from tests.deploy.test_container_apps import KEYS, MODELS, unknown
from tests.deploy.test_external_checks import STRICT, changed

FOLDER = DEPLOY / "fleet"
MAIN = FOLDER / "container-apps" / "main.bicep"


def made() -> dict[str, bicep.Made]:
    return {each.symbol: each for each in bicep.resources(bicep.parse(MAIN))}


def test_every_property_is_one_that_azure_knows() -> None:
    models = {**MODELS, "Microsoft.App/containerApps": apps.ContainerApp}
    checked = {
        each.symbol: list(unknown(each.body, models[each.type])) for each in made().values() if each.type in models
    }
    assert {"broker", "worker", "coordinator", "parts"} <= set(checked)
    assert [wrong for wrong in checked.values() if wrong] == []


def test_no_key_is_used_and_the_broker_is_inside() -> None:
    assert not KEYS.search(MAIN.read_text("utf-8"))
    ingress = made()["broker"].body["properties"]["configuration"]["ingress"]
    assert (ingress["external"], ingress["transport"]) == ("false", "tcp")
    assert made()["parts"].body["properties"]["publicAccess"] == "None"


def test_workers_scale_on_the_queue_of_celery() -> None:
    job = made()["worker"].body["properties"]["configuration"]["eventTriggerConfig"]
    (rule,) = job["scale"]["rules"]
    (trigger,) = scaled_job()["spec"]["triggers"]
    for each in (rule, trigger):
        assert (each["type"], each["metadata"]["listName"]) == ("redis", QUEUE)


# Kubernetes


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(accepted("kustomize", "build", FOLDER / "kubernetes")))


def scaled_job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "kubernetes" / "workers.yaml").read_text("utf-8"))
    return found


def test_the_cluster_gets_valid_files(built: list[dict[str, Any]], tmp_path: Path) -> None:
    """The pod of a ScaledJob is checked in the Job that KEDA makes of it."""
    (scaled,) = [each for each in built if each["kind"] == "ScaledJob"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "w"}, "spec": scaled["spec"]["jobTargetRef"]}
    file = tmp_path / "made.yaml"
    file.write_text(yaml.safe_dump_all([job, *(each for each in built if each is not scaled)]), "utf-8")
    accepted(*STRICT, file)
    (tmp_path / "bad").mkdir()
    assert run(*STRICT, changed(tmp_path / "bad", file, "backoffLimit: 0", "backOffLimit: 0"))[0] == 1


def test_workers_are_as_closed_as_the_scan(built: list[dict[str, Any]]) -> None:
    made = {(each["kind"], each["metadata"]["name"]): each for each in built}
    worker = made["ScaledJob", "twolocks-worker"]["spec"]["jobTargetRef"]["template"]["spec"]
    scan = made["CronJob", "twolocks"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    broker = made["Deployment", "broker"]["spec"]["template"]["spec"]
    for pod in (worker, broker):
        assert pod["automountServiceAccountToken"] is False
        assert pod["containers"][0]["securityContext"] == scan["containers"][0]["securityContext"]
        assert "@sha256:" in pod["containers"][0]["image"]
    settings = [next(one for one in pod["volumes"] if one["name"] == "settings") for pod in (worker, scan)]
    assert settings[0]["configMap"] == settings[1]["configMap"]
    assert not [each for each in built if each["kind"] == "Secret"]


# systemd


def test_the_units(tmp_path: Path) -> None:
    name = "twolocks-worker@.service"
    unit = tmp_path / name
    text = (FOLDER / "systemd" / name).read_text("utf-8").replace("/opt/twolocks/bin/twolocks", "/bin/true")
    unit.write_text(text, "utf-8")
    service = (DEPLOY / "systemd" / "twolocks.service").read_text("utf-8")
    (tmp_path / "twolocks.service").write_text(service.replace("/opt/twolocks/bin/twolocks", "/bin/true"), "utf-8")
    (tmp_path / "twolocks-failed@.service").write_text((DEPLOY / "systemd" / "twolocks-failed@.service").read_text())
    drop_in = tmp_path / "twolocks.service.d" / "fleet.conf"
    drop_in.parent.mkdir()
    drop_in.write_text((FOLDER / "systemd" / "twolocks.conf").read_text("utf-8"), "utf-8")
    assert accepted("systemd-analyze", "verify", "--man=no", unit, tmp_path / "twolocks.service") == ""
    accepted("systemd-analyze", "security", "--offline=true", "--threshold=13", "--no-pager", unit)
    unit.write_text(text.replace("KillMode=mixed", "KillMod=mixed"), "utf-8")
    assert "KillMod" in run("systemd-analyze", "verify", "--man=no", unit)[1]
