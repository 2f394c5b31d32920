"""Each file of deploy/ by the program that knows its kind; and each of these programs on a file with a fault."""

from pathlib import Path

import yaml

from tests.deploy.files import DEPLOY, ROOT, WORKFLOWS, accepted, files, run
from tests.sampled import is_all

ACTION = DEPLOY / "github" / "action.yml"
NIGHTLY = DEPLOY / "github" / "nightly.yml"
PIPELINE = DEPLOY / "azure-devops" / "azure-pipelines.yml"
RELEASE = WORKFLOWS / "release.yml"
CHECK = "check-jsonschema"
WORKFLOW = (CHECK, "--builtin-schema", "vendor.github-workflows")
COMPOSITE = (CHECK, "--builtin-schema", "vendor.github-actions")
PIPELINES = (
    *(CHECK, "--builtin-schema", "vendor.azure-pipelines"),
    *("--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
)
ZIZMOR = ("zizmor", "--offline", "--no-progress", "--no-config")
STRICT = ("kubernetes-validate", "--strict")


def changed(tmp_path: Path, source: Path, old: str, new: str) -> Path:
    """A copy of a file with one thing wrong."""
    text = source.read_text("utf-8")
    assert old in text
    copy = tmp_path / source.name
    copy.write_text(text.replace(old, new), "utf-8")
    return copy


def refused(*words: str | Path) -> None:
    """A program finds what is wrong. The programs are pinned, so that `make test-all` alone asks them."""
    if is_all():
        assert run(*words)[0] != 0, words


def test_every_script_passes_shellcheck() -> None:
    scripts = files("*.sh")
    assert len(scripts) >= 4
    accepted("shellcheck", *scripts)
    assert not [path for path in scripts if not path.stat().st_mode & 0o111]


def test_the_dockerfile_passes_hadolint(tmp_path: Path) -> None:
    file = DEPLOY / "container" / "Dockerfile"
    accepted("hadolint", file)
    refused("hadolint", changed(tmp_path, file, "USER 65532:65532\n", "USER root\n"))


def test_the_dockerfile_names_no_digest_and_no_root() -> None:
    lines = (DEPLOY / "container" / "Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 65532:65532"]
    assert not [line for line in lines if "sha256" in line]
    assert "RUN /source/deploy/container/build.sh /source /opt/twolocks" in lines


def test_the_image_is_built_in_two_stages_and_needs_no_shell_to_run() -> None:
    lines = (DEPLOY / "container" / "Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith(("ARG ", "FROM "))] == [
        "ARG BASE=docker.io/library/python:3.13-slim",
        "FROM ${BASE} AS build",
        "FROM ${BASE}",
    ]
    assert [line for line in lines if line.startswith(("ENTRYPOINT", "CMD"))] == [
        'ENTRYPOINT ["twolocks"]',
        'CMD ["--help"]',
    ]
    helper = (DEPLOY / "container" / "with-postgres-token").read_text("utf-8")
    assert helper.startswith("#!/usr/bin/env python3")


def test_the_image_gets_all_that_the_wheel_is_made_from() -> None:
    kept = {
        line[1:]
        for line in (DEPLOY / "container" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    assert {
        "scanner",
        "rules",
        "templates",
        "locale",
        "pyproject.toml",
        "deploy/pypi/README.md",
        "LICENSE",
        "requirements.lock",
    } <= kept
    assert [name for name in kept if not (ROOT / name).exists()] == []


def test_workflows(tmp_path: Path) -> None:
    both = (RELEASE, NIGHTLY)
    accepted(*WORKFLOW, *both)
    accepted("actionlint", *both)
    accepted(*ZIZMOR, *both)
    for file in both:
        refused(*WORKFLOW, changed(tmp_path, file, "runs-on:", "run-on:"))


def test_the_action(tmp_path: Path) -> None:
    accepted(*COMPOSITE, ACTION)
    accepted(*ZIZMOR, ACTION)
    refused(*COMPOSITE, changed(tmp_path, ACTION, "shell: bash", "shel: bash"))
    (tmp_path / "injected").mkdir()
    worse = changed(tmp_path / "injected", ACTION, 'run: exit "$CODE"', "run: exit ${{ inputs.fail-on }}")
    refused(*ZIZMOR, worse)


def test_no_input_of_the_action_is_text_of_a_script() -> None:
    action = yaml.safe_load(ACTION.read_text("utf-8"))
    assert not [step for step in action["runs"]["steps"] if "${{" in step.get("run", "")]
    used = " ".join(str(step) for step in action["runs"]["steps"])
    assert [name for name in action["inputs"] if f"inputs.{name} " not in used] == []


def test_workflows_grant_nothing_at_their_top() -> None:
    for file in (RELEASE, NIGHTLY):
        assert yaml.safe_load(file.read_text("utf-8"))["permissions"] == {}


def test_the_pipeline(tmp_path: Path) -> None:
    accepted(*PIPELINES, PIPELINE)
    refused(*PIPELINES, changed(tmp_path, PIPELINE, "scriptType: bash", "scriptTipe: bash"))


# Kubernetes


def built(folder: str, tmp_path: Path) -> Path:
    made = tmp_path / f"{Path(folder).name}.yaml"
    made.write_text(accepted("kustomize", "build", DEPLOY / "kubernetes" / folder), "utf-8")
    return made


def test_base_and_overlay_are_valid(tmp_path: Path) -> None:
    both = [built(folder, tmp_path) for folder in ("base", "overlays/example")]
    accepted(*STRICT, *both)
    (tmp_path / "bad").mkdir()
    refused(*STRICT, changed(tmp_path / "bad", both[-1], "backoffLimit: 0", "backOffLimit: 0"))


def test_the_pod_can_do_nothing_but_scan(tmp_path: Path) -> None:
    made = {each["kind"]: each for each in yaml.safe_load_all(built("overlays/example", tmp_path).read_text("utf-8"))}
    job = made["CronJob"]["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0
    pod = job["jobTemplate"]["spec"]["template"]
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["spec"]["containers"]
    held = container["securityContext"]
    assert held["readOnlyRootFilesystem"] is True
    assert held["allowPrivilegeEscalation"] is False
    assert held["capabilities"] == {"drop": ["ALL"]}
    assert "@sha256:" in container["image"]
    assert made["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert made["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert "Secret" not in made


# systemd

UNITS = ("twolocks.service", "twolocks.timer", "twolocks-failed@.service")


def units(tmp_path: Path) -> Path:
    """The units, with a program in the place of one that is not installed here."""
    for name in UNITS:
        text = (DEPLOY / "systemd" / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/opt/twolocks/bin/twolocks", "/bin/true"), "utf-8")
    return tmp_path


def test_the_units(tmp_path: Path) -> None:
    folder = units(tmp_path)
    text = accepted("systemd-analyze", "verify", "--man=no", *(folder / name for name in UNITS))
    assert text == ""
    wrong = folder / UNITS[0]
    wrong.write_text(wrong.read_text("utf-8").replace("DynamicUser=yes", "DynamicUsr=yes"), "utf-8")
    assert "DynamicUsr" in run("systemd-analyze", "verify", "--man=no", wrong)[1]


def test_the_timer_runs_every_day() -> None:
    timer = (DEPLOY / "systemd" / "twolocks.timer").read_text("utf-8")
    (when,) = [line.removeprefix("OnCalendar=") for line in timer.splitlines() if line.startswith("OnCalendar=")]
    assert "Normalized form: *-*-* 02:00:00 UTC" in accepted("systemd-analyze", "calendar", when)


def test_the_service_exposes_little(tmp_path: Path) -> None:
    """`--threshold` is ten times the score; the README says 1.1."""
    service = units(tmp_path) / UNITS[0]
    accepted("systemd-analyze", "security", "--offline=true", "--threshold=12", "--no-pager", service)


def test_no_exit_code_of_the_service_is_hidden() -> None:
    service = (DEPLOY / "systemd" / "twolocks.service").read_text("utf-8")
    settings = [line for line in service.splitlines() if not line.startswith("#")]
    assert "OnFailure=twolocks-failed@%n.service" in settings
    assert not [line for line in settings if line.startswith(("SuccessExitStatus", "Restart="))]
    assert not [line for line in settings if line.startswith("ExecStart=-")]


# Secrets, and what READMEs say


def test_every_way_to_run_has_a_readme() -> None:
    folders = [path for path in DEPLOY.iterdir() if path.is_dir()]
    assert {path.name for path in folders} == {
        *(
            "azure-devops",
            "container",
            "container-apps",
            "fleet",
            "github",
            "kubernetes",
            "pypi",
            "sentinel",
            "systemd",
        ),
    }
    assert [path.name for path in folders if not (path / "README.md").is_file()] == []


def test_links_of_the_readmes_lead_somewhere() -> None:
    import re

    broken = []
    for page in [*files("*.md"), ROOT / "docs" / "operating.md"]:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path) if path else page
            if link.startswith("http"):
                continue
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links them."""
    import re

    heads = [line.lstrip("#").strip() for line in page.read_text("utf-8").splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
