"""deploy/fleet: each file by the program that knows its kind, both jobs closed, one place and one broker for all."""

import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import azure.mgmt.appcontainers.models as apps
import pytest
import yaml

from scanner.fleet.broker import QUEUE
from tests import processes
from tests.deploy import bicep
from tests.deploy.files import DEPLOY, accepted, program, run
from tests.deploy.test_container_apps import KEYS, MODELS, unknown
from tests.deploy.test_external_checks import STRICT, changed
from tests.fleet.broker import wait_until

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
    """The secrets of the broker are named by the key vault that has them."""
    text = MAIN.read_text("utf-8")
    assert not KEYS.search(text.replace("secretRef", ""))
    assert "listKeys" not in text
    assert text.count("keyVaultUrl: '${vaultUri}/secrets/broker-") == 6
    ingress = made()["broker"].body["properties"]["configuration"]["ingress"]
    assert (ingress["external"], ingress["transport"]) == ("false", "tcp")
    assert made()["parts"].body["properties"]["publicAccess"] == "None"


def test_workers_scale_on_the_queue() -> None:
    job = made()["worker"].body["properties"]["configuration"]["eventTriggerConfig"]
    (rule,) = job["scale"]["rules"]
    (trigger,) = scaled_job()["spec"]["triggers"]
    for each in (rule, trigger):
        assert (each["type"], each["metadata"]["listName"]) == ("redis", QUEUE)
        assert each["metadata"]["enableTLS"] == "true"
    assert {each["triggerParameter"]: each["secretRef"] for each in rule["auth"]} == {
        "password": "password",
        "ca": "ca",
    }
    assert trigger["authenticationRef"] == {"name": "broker"}


def test_every_broker_has_tls_and_a_password(built: list[dict[str, Any]]) -> None:
    """By reference: the files hold neither."""
    app = made()["broker"].body["properties"]
    (container,) = app["template"]["containers"]
    assert container["args"][:3] == ["--port", "0", "--tls-port"]
    assert container["command"] == ["valkey-server", "/etc/broker/conf"]
    (pod,) = (each["spec"]["template"]["spec"] for each in built if each["kind"] == "Deployment")
    (one,) = pod["containers"]
    assert one["args"][:4] == ["--port", "0", "--tls-port", "6379"]
    assert one["command"] == ["valkey-server", "/etc/broker/password.conf"]
    assert pod["volumes"][0]["secret"]["secretName"] == "broker"
    plain = (FOLDER / "systemd" / "redis.conf").read_text("utf-8").splitlines()
    assert {"port 0", "tls-port 6379", "include /etc/redis/password.conf"} <= set(plain)
    for each in (container["args"], one["args"], plain):
        assert not [
            word for word in map(str, each) if "protected-mode" in word or "requirepass" in word.split("#")[0][:11]
        ]


def test_no_file_holds_a_secret_or_a_broker_without_tls() -> None:
    for file in FOLDER.rglob("*"):
        if file.is_file():
            text = file.read_text("utf-8")
            assert not re.search(r"\bredis://|\bamqp://", text), file
            assert not re.search(r"rediss://:(?!PASSWORD@|%s@)", text), file


def test_both_jobs_get_the_broker_by_reference(built: list[dict[str, Any]]) -> None:
    by_kind = {each["kind"]: each for each in built}
    worker = by_kind["ScaledJob"]["spec"]["jobTargetRef"]["template"]["spec"]["containers"][0]
    scan = by_kind["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    for each in (worker, scan):
        env = {one["name"]: one for one in each["env"]}
        assert env["TWOLOCKS_SCAN_BROKER"]["valueFrom"] == {"secretKeyRef": {"name": "broker", "key": "url"}}
        assert env["SSL_CERT_FILE"]["value"] == "/etc/broker/ca.crt"
        assert "broker" in {one["name"] for one in each["volumeMounts"]}
    for name in ("worker", "coordinator"):
        (container,) = made()[name].body["properties"]["template"]["containers"]
        env = {one["name"]: one for one in container["env"]}
        document = env.get("TWOLOCKS_FLEET_BROKER") or env["TWOLOCKS_SCAN_BROKER"]
        assert document["secretRef"] == "url"


def answers(port: int) -> bool:
    """Return whether something listens at a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_redis_accepts_the_settings_for_plain_machines(tmp_path: Path) -> None:
    """With the certificate that README.md makes, and with the password alone a client gets in."""
    made = re.search(r"(?s)```sh\n(umask 077.*?)```", (FOLDER / "README.md").read_text("utf-8"))
    assert made is not None
    subprocess.run(
        ["bash", "-e", "-c", made[1].replace("broker.twolocks.svc.cluster.local", "localhost")],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    settings = (FOLDER / "systemd" / "redis.conf").read_text("utf-8").replace("BROKER_ADDRESS", "127.0.0.1")
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        port = result.getsockname()[1]
    settings = settings.replace("/etc/redis/", f"{tmp_path}/").replace("tls-port 6379", f"tls-port {port}")
    (tmp_path / "redis.conf").write_text(settings)
    url = (tmp_path / "url").read_text().replace("6379", str(port))
    served = subprocess.Popen([program("redis-server"), "redis.conf"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), 10)
        env = {"TWOLOCKS_FLEET_BROKER": url, "SSL_CERT_FILE": str(tmp_path / "ca.crt"), "TWOLOCKS_FLEET_PARTS": "p"}
        assert asked(env) == "0"
        assert "certificate" in asked({**env, "SSL_CERT_FILE": "/nowhere"})
        assert "invalid username-password" in asked(
            {**env, "TWOLOCKS_FLEET_BROKER": re.sub(r":[0-9a-f]{64}@", ":x@", url)}
        )
        assert "does not answer" in asked({**env, "TWOLOCKS_FLEET_BROKER": url.replace("rediss", "redis")})
    finally:
        served.terminate()
        served.wait(10)


def asked(env: dict[str, str]) -> str:
    """What the queue answers to a process with these variables."""
    lines = (
        "import os; from scanner.config.settings import resolve; from scanner.errors import InputError\n"
        "from scanner.fleet.queue import Queue, open_broker\n"
        "try: print(Queue(open_broker(resolve('fleet worker', {}, os.environ, use_file=False))).length())\n"
        "except InputError as error: print(error.what)\n"
    )
    done = processes.run(code=lines, env={**env, "PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


# Kubernetes


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(accepted("kustomize", "build", FOLDER / "kubernetes")))


def scaled_job() -> dict[str, Any]:
    result: dict[str, Any] = yaml.safe_load((FOLDER / "kubernetes" / "workers.yaml").read_text("utf-8"))
    return result


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
