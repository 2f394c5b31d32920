"""Every error of the command line: what, where, what to do, exit code. Nothing is written, nothing half."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import RoleGrant
from scanner.sandbox.server import Sandbox, running
from tests import processes
from tests.terminals import STORAGE, SUB, account, closed, files, snapshot, twolocks


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def snapshot_file(tmp_path: Path) -> str:
    snapshot(tmp_path / "snapshot.jsonl", account("stjournal"))
    return "snapshot.jsonl"


def error(*words: str) -> str:
    return "".join(f"{word}\n" for word in words)


def test_an_unknown_suffix(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--out", "report.htm")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(
        error(
            "error: unknown suffix .htm; nothing was read",
            "--> --out report.htm",
            "hint: nearest: .html; known: .html .json .csv .xlsx .ocsf.jsonl .md .sarif .junit.xml .parquet, "
            "or - for JSON",
            "exit 2",
        )
    )
    assert not Path("report.htm").exists()


def test_findings_are_no_snapshot(snapshot_file: str) -> None:
    assert twolocks("scan", "--from", snapshot_file, "--out", "findings.json", "--fail-on", "never").code in (0, 3)
    ended = twolocks("scan", "--from", "findings.json")
    assert ended.code == 2
    assert ended.err.endswith(
        error(
            "error: this is a findings file, not a snapshot",
            "--> findings.json",
            "hint: twolocks report findings.json --out report.html; scan --snapshot FILE keeps a snapshot",
            "exit 2",
        )
    )


def test_no_suffix(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--out", "report")
    assert ended.code == 2
    assert "error: the name has no suffix; nothing was read\n--> --out report\nhint: known: .html .json" in ended.err


SIGNED = "https://felles.blob.core.windows.net/reports/night{}?sv=2026-02-06&sig=c2VjcmV0"


@pytest.mark.parametrize(
    "words",
    [
        ("scan", "--from", "snapshot.jsonl", "--out", SIGNED.format(".html")),
        ("scan", "--from", SIGNED.format(".jsonl")),
        ("scan", "--snapshot", SIGNED.format(".jsonl")),
        ("report", SIGNED.format(".json"), "--out", "report.html"),
        ("diff", SIGNED.format(".json"), "snapshot.jsonl"),
        ("waive", "80584d52", "--in", SIGNED.format(".json"), "--reason=r", "--owner=o", "--expires=2027-01-01"),
        ("scan", "--from", "snapshot.jsonl", "--out", "az://reports/night.html?sv=2026-02-06&sig=c2VjcmV0"),
    ],
)
@pytest.mark.usefixtures("snapshot_file")
def test_a_url_with_a_signature_is_refused_and_the_signature_is_reported_to_no_one(words: tuple[str, ...]) -> None:
    ended = twolocks(*words)
    assert ended.code == 2
    assert "c2VjcmV0" not in ended.out + ended.err
    assert "URL" in ended.err or "must not contain ?" in ended.err or "--in requires a local file" in ended.err


def test_no_folder(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--out", "reports/night.html")
    assert ended.code == 2
    assert ended.err.endswith(
        error(
            "error: folder reports does not exist; nothing was read",
            "--> --out reports/night.html",
            "hint: mkdir -p reports",
            "exit 2",
        )
    )


@pytest.mark.parametrize("option", ["--snapshot", "--record"])
def test_no_folder_for_what_is_kept(option: str) -> None:
    ended = twolocks("scan", option, "there/is/none.jsonl")
    assert ended.code == 2
    assert "error: folder there/is does not exist; nothing was read" in ended.err


def test_an_unknown_suffix_of_a_snapshot() -> None:
    ended = twolocks("scan", "--snapshot", "night.xml")
    assert ended.code == 2
    assert "error: unknown suffix of a snapshot: .xml; nothing was read\n--> --snapshot night.xml" in ended.err


def test_an_unknown_rule(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--only", "storage-anon-blob")
    assert ended.code == 2
    assert 'error: --only "storage-anon-blob" matches no rule\nhint: nearest: storage-anonymous-blob' in ended.err
    assert "; all: twolocks rules list\nexit 2\n" in ended.err


def test_an_unknown_category(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--skip", "category:networks")
    assert ended.code == 2
    assert ended.err.endswith(
        error(
            'error: --skip "category:networks": unknown category',
            "hint: nearest: network; known: anonymous-access, authentication, network, transport, encryption, recovery,"
            " residency, governance, logging",
            "exit 2",
        )
    )


def test_an_unknown_severity_key_and_no_rule_left(snapshot_file: str) -> None:
    assert "unknown severity" in twolocks("scan", "--from", snapshot_file, "--only", "severity:hihg").err
    assert "unknown key" in twolocks("scan", "--from", snapshot_file, "--only", "sku:basic").err
    ended = twolocks("scan", "--from", snapshot_file, "--only", "storage-*", "--skip", "*")
    assert (ended.code, "select no rule" in ended.err) == (2, True)


def test_a_truncated_snapshot(snapshot_file: str) -> None:
    whole = Path(snapshot_file).read_bytes().splitlines(keepends=True)
    Path(snapshot_file).write_bytes(b"".join(whole[:-1]))
    ended = twolocks("scan", "--from", snapshot_file, "--out", "report.html")
    assert ended.code == 2
    assert ended.err.endswith(
        error(
            "error: the snapshot is unfinished or truncated: it stops without an end line",
            f"--> snapshot.jsonl:{len(whole) - 1}, after 1 resources",
            "hint: collect it again (scan --snapshot snapshot.jsonl); a partial snapshot is not evaluated",
            "exit 2",
        )
    )
    assert files() == ["snapshot.jsonl"]


def test_no_json(snapshot_file: str) -> None:
    Path(snapshot_file).write_text('{"id": "/subscriptions/x"}\n{"id": 1 "name"}\n')
    ended = twolocks("scan", "--from", snapshot_file)
    assert ended.code == 2
    assert "error: this is not JSON: " in ended.err
    assert "--> snapshot.jsonl:2\n" in ended.err
    assert (
        'hint: give a snapshot, {"value": [...]}, the output of az graph query, or JSON lines of resources' in ended.err
    )


def test_no_such_file() -> None:
    ended = twolocks("scan", "--from", "none.jsonl")
    assert ended.code == 2
    assert "error: none.jsonl cannot be read: No such file or directory\n--> --from none.jsonl" in ended.err


def test_from_reads_a_file_and_no_management_group(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--management-group", "prod")
    assert (ended.code, "--from reads a file, so --management-group has no effect" in ended.err) == (2, True)


@pytest.fixture
def broken_rules() -> str:
    """Return a folder in the current one with a rule file that does not import."""
    Path("my-rules").mkdir()
    Path("my-rules/sql.py").write_text('"""Mine."""\n\nimport yaml_that_is_not_there\n')
    return "my-rules"


def test_a_rule_file_that_does_not_import(snapshot_file: str, broken_rules: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--rules-code", broken_rules, "--out", "findings.json")
    assert ended.code == 2
    assert "error: rule file not loaded: ModuleNotFoundError: No module named 'yaml_that_is_not_there'" in ended.err
    assert "--> my-rules/sql.py:3\nhint: fix it; the " in ended.err
    assert "other rules ran, and all outputs were written" in ended.err
    assert Path("findings.json").exists()
    assert "exit 2: 1 rule file was not loaded" in ended.last[-1]


def test_a_rule_of_a_file_that_was_not_loaded(snapshot_file: str, broken_rules: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--rules-code", broken_rules, "--only", "sql-of-mine")
    assert ended.code == 2
    assert 'error: --only "sql-of-mine" matches no rule' in ended.err
    assert "my-rules/sql.py:3 was not loaded: ModuleNotFoundError: No module named" in ended.err


def test_a_rules_folder_that_is_not_there(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--rules", "nowhere")
    assert (ended.code, "error: folder nowhere does not exist\n--> --rules nowhere" in ended.err) == (2, True)


CRASHING = '''"""Mine."""
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, rule

ACCOUNT = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")

FIX = FixTemplate(az="az version", impact="")

@rule(ACCOUNT, "my-plain-tls", title="It is plain", category="transport", severity="low", why="Because.", fix=FIX)
def plain(account, index):
    raise KeyError("minimalTlsVersion")
'''


def test_a_rule_that_crashes(snapshot_file: str) -> None:
    Path("my-rules").mkdir()
    Path("my-rules/mine.py").write_text(CRASHING)
    ended = twolocks(
        "scan", "--from", snapshot_file, "--rules-code", "my-rules", "--only", "my-plain-tls", "--fail-on", "never"
    )
    assert ended.code == 1
    assert (
        "error: rule my-plain-tls crashed on stjournal: KeyError: 'minimalTlsVersion'\n--> my-rules/mine.py"
        in ended.err
    )
    assert (
        'hint: report this defect; the other rules ran; 1 check has the status "error", which never counts as passed'
        in ended.err
    )
    assert "exit 1: 1 rule crashed" in ended.last[-1]


WAIVER = """[[waiver]]
rule = "storage-plain-http"
resource = "*"
reason = "Closed in March"
owner = "kari"
{line}
"""


def test_a_wrong_key_in_a_waiver(snapshot_file: str) -> None:
    Path("waivers.toml").write_text(WAIVER.format(line='expires = 2026-12-31\nexpiry = "x"'))
    ended = twolocks("scan", "--from", snapshot_file, "--waivers", "waivers.toml")
    assert ended.code == 2
    assert ended.err.endswith(
        error('error: a waiver has no key "expiry"', "--> waivers.toml:7", "hint: nearest: expires", "exit 2")
    )


@pytest.mark.parametrize("line", ["expires = 2026-13-01", 'expires = "2026-13-01"'])
def test_a_wrong_date_in_a_waiver(snapshot_file: str, line: str) -> None:
    Path("waivers.toml").write_text(WAIVER.format(line=line))
    ended = twolocks("scan", "--from", snapshot_file, "--waivers", "waivers.toml")
    assert ended.code == 2
    assert 'error: "2026-13-01" is not a date\n--> waivers.toml:6\nhint: write ' in ended.err


def test_all_faults_of_a_waiver_file_at_once(snapshot_file: str) -> None:
    Path("waivers.toml").write_text(
        '[[waiver]]\nrule = "storage-plane-http"\nresource = "*"\nowner = "kari"\n[[gaps]]\n'
    )
    ended = twolocks("scan", "--from", snapshot_file, "--waivers", "waivers.toml")
    assert ended.code == 2
    assert [line for line in ended.last if line.startswith("-->")] == ["--> waivers.toml:1"] * 2 + [
        "--> waivers.toml:2",
        "--> waivers.toml:5",
    ]
    assert ended.err.count("exit 2") == 1


def test_a_wrong_setting(snapshot_file: str) -> None:
    Path("twolocks.toml").write_text('# ours\n\n[scan]\nfail_on = "low"\n')
    ended = twolocks("scan", "--from", snapshot_file)
    assert ended.code == 2
    assert ended.err.endswith(
        error(
            "error: unknown setting scan.fail_on",
            "--> twolocks.toml:4",
            "hint: nearest: scan.fail-on; all: twolocks config show",
            "exit 2",
        )
    )


def test_settings_that_are_no_toml_and_not_there(snapshot_file: str) -> None:
    Path("twolocks.toml").write_text("[scan]\nout = \n")
    ended = twolocks("scan", "--from", snapshot_file)
    assert (ended.code, "error: the file is not TOML: invalid value\n--> twolocks.toml:2" in ended.err) == (2, True)
    ended = twolocks("scan", "--config", "ours.toml")
    assert (ended.code, "error: ours.toml cannot be read" in ended.err) == (2, True)


def test_an_unknown_severity_wherever_it_stands(snapshot_file: str) -> None:
    ended = twolocks("scan", "--from", snapshot_file, "--fail-on", "hihg")
    assert ended.err.endswith(
        error(
            'error: unknown severity "hihg"',
            "--> --fail-on hihg",
            "hint: nearest: high; known: critical, high, medium, low, info, never, new:SEVERITY",
            "exit 2",
        )
    )
    ended = twolocks("scan", "--from", snapshot_file, env={"TWOLOCKS_SCAN_FAIL_ON": "hihg"})
    assert (ended.code, "--> TWOLOCKS_SCAN_FAIL_ON\n" in ended.err) == (2, True)


def test_an_unknown_option_command_and_a_missing_value() -> None:
    ended = twolocks("scan", "--fail-no", "high")
    assert ended.err == error(
        "error: unknown option --fail-no", "hint: nearest: --fail-on; all: twolocks scan --help", "exit 2"
    )
    ended = twolocks("scam")
    assert ended.err == error('error: unknown command "scam"', "hint: nearest: scan; all: twolocks --help", "exit 2")
    ended = twolocks("rules", "lost")
    assert 'error: unknown command "lost"\nhint: nearest: list; all: twolocks rules --help' in ended.err
    ended = twolocks("scan", "--out")
    assert (ended.code, "--out" in ended.err, "Traceback" in ended.err) == (2, True, False)
    assert twolocks("report").code == 2


def test_a_disk_that_is_full(snapshot_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("report.html").write_text("the old one")
    import scanner.report.html.rendering

    def full(document: Any, out: Any, language: str = "en", **_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scanner.report.html.rendering, "write_html", full)
    ended = twolocks("scan", "--from", snapshot_file, "--out", "report.html", "--out", "findings.json")
    assert ended.code == 2
    assert (
        "error: no space left for report.html; the old one is unchanged, findings.json was written\n--> . ("
        in ended.err
    )
    assert "hint: free space, then: twolocks report findings.json --out report.html\n" in ended.err
    assert Path("report.html").read_text() == "the old one"
    assert files() == ["findings.json", "report.html", "snapshot.jsonl"]
    assert "exit 2: report.html was not written" in ended.last[-1]


def test_a_defect_of_ours(snapshot_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import scanner.evaluate.run

    def broken(*_: Any) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr(scanner.evaluate.run, "index_of", broken)
    ended = twolocks("scan", "--from", snapshot_file, "--out", "report.html")
    assert ended.code == 70
    assert ended.err.endswith(
        error(
            "error: twolocks failed: TypeError in evaluate/run; no file was written",
            "hint: run again with --verbose, and report the output as a defect",
            "exit 70",
        )
    )
    assert "Traceback" not in ended.err
    assert "Traceback" in twolocks("scan", "--from", snapshot_file, "--verbose").err
    assert files() == ["snapshot.jsonl"]


def test_a_findings_file_that_is_none(snapshot_file: str) -> None:
    ended = twolocks("report", snapshot_file, "--out", "report.html")
    assert (ended.code, "error: the file is a snapshot, which holds" in ended.err) == (2, True)
    Path("old.json").write_text('{"schema": "twolocks/0", "findings": []}')
    ended = twolocks("report", "old.json", "--out", "report.html")
    assert (ended.code, "error: the file has schema twolocks/0; this version supports twolocks/2" in ended.err) == (
        2,
        True,
    )
    Path("cut.json").write_text('{"schema": "twolocks/2", "findings": [], "exposures": [{}]}')
    assert twolocks("report", "cut.json", "--out", "report.html").code == 2
    assert twolocks("report", "none.json", "--out", "report.html").code == 2
    ended = twolocks("report", "cut.json")
    assert (ended.code, "hint: twolocks report cut.json --out report.html" in ended.err) == (2, True)
    assert not Path("report.html").exists()


def test_a_hostile_name_forges_no_line() -> None:
    ended = twolocks("scan", "--from", "a\n::error::b\x1b[2J\u202e.jsonl")
    assert ended.code == 2
    assert "a<U+000A><U+003A>:error::b<U+001B>[2J<U+202E>.jsonl" in ended.err
    assert not [line for line in ended.last if line.startswith("::")]


# What needs somebody who answers: the sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    subscriptions = [
        {"subscriptionId": SUB, "displayName": "prod-journal"},
        {"subscriptionId": "8b21d0c4-1f6e-4d0b-8e77-52c9a6e0f913", "displayName": "prod-journal-dr"},
    ]
    with running(Sandbox([closed("stlukket")], subscriptions)) as sandbox:
        yield sandbox


def test_an_unknown_subscription(box: Sandbox) -> None:
    ended = twolocks("scan", "-s", "prod-jurnal", env=box.environment())
    assert ended.code == 2
    assert 'error: subscription "prod-jurnal" is none of the 2 that this login can read\n' in ended.err
    assert "hint: nearest: prod-journal, prod-journal-dr; all: az account list --output table\nexit 2" in ended.err


def test_no_login() -> None:
    ended = twolocks("scan", "--auth", "environment")
    assert ended.code == 4
    assert "error: no login was found\n--> environment: not set\nhint: set AZURE_TENANT_ID" in ended.err


def test_no_login_of_the_cli_is_reported_in_our_words_alone(tmp_path: Path) -> None:
    # A process of its own: pytest's handlers take what libraries log.
    ended = processes.run("scan", "--auth", "cli", env={"PATH": str(tmp_path)})
    assert ended.returncode == 4
    *_, rest = ended.stderr.partition("built-in\n")
    assert rest.splitlines() == [
        "error: no login was found",
        "--> Azure CLI: not installed",
        "hint: az login",
        "exit 4",
    ]


def test_an_unknown_sign_in_method_cloud_and_endpoint() -> None:
    ended = twolocks("scan", "--auth", "clip")
    assert (
        ended.code,
        'error: unknown login method "clip"\n--> --auth clip\nhint: nearest: cli' in ended.err,
    ) == (2, True)
    ended = twolocks("scan", "--cloud", "publik", "--auth", "environment")
    assert (ended.code, "hint: nearest: public; known: public, us-government, china" in ended.err) == (2, True)
    ended = twolocks("scan", "--arm-endpoint", "http://127.0.0.1", "--auth", "environment")
    assert (ended.code, "--> --arm-endpoint http://127.0.0.1" in ended.err) == (2, True)
    ended = twolocks("scan", "--cloud", "china", "--arm-endpoint", "https://127.0.0.1")
    assert (ended.code, "error: --cloud and --arm-endpoint exclude each other" in ended.err) == (2, True)


def test_an_expired_login() -> None:
    body = (
        '{"error": "invalid_grant", "error_description": "AADSTS7000222: The provided client secret keys are expired.",'
        ' "error_codes": [7000222]}'
    )
    fault = Fault("status", "*/oauth2/v2.0/token", status=400, body=body)
    with running(Sandbox([closed("st")], [SUB], faults=[fault])) as box:
        ended = twolocks("scan", env=box.environment())
    assert ended.code == 4
    assert "error: the environment login has expired (AADSTS7000222)\nhint: set AZURE_TENANT_ID" in ended.err


def test_a_wrong_tenant(box: Sandbox) -> None:
    ended = twolocks("scan", "--tenant", "7d1f2b3c-0a4e-4c55-8d21-9b6a5f0ce20c", env=box.environment())
    assert ended.code == 4
    assert "does not belong to tenant 7d1f2b3c-0a4e-4c55-8d21-9b6a5f0ce20c (AADSTS90002)" in ended.err or (
        "(AADSTS90002)" in ended.err
    )


def test_a_login_that_can_read_nothing() -> None:
    with running(Sandbox([closed("st")], [SUB], grants=[RoleGrant("/subscriptions/of-others")])) as box:
        ended = twolocks("scan", env=box.environment())
    assert ended.code == 4
    assert "error: this login cannot read any subscription\n--> Twolocks sandbox, tenant " in ended.err
    assert "hint: request the Reader role, or a smaller role: twolocks access role > role.json\nexit 4" in ended.err


def test_tls_interception(box: Sandbox) -> None:
    env = {name: value for name, value in box.environment().items() if not name.endswith(("_FILE", "_BUNDLE"))}
    ended = twolocks("scan", env=env)
    assert ended.code == 4
    assert "error: 127.0.0.1 presents a certificate from" in ended.err
    assert "which this machine does not trust\nhint: export REQUESTS_CA_BUNDLE=" in ended.err
    assert "the check cannot be disabled" in ended.err


def test_a_proxy_that_refuses(box: Sandbox) -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            taken.recv(4096)
            taken.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            taken.close()

    threading.Thread(target=refuse, daemon=True).start()
    proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
    env = {name: value for name, value in box.environment().items() if name != "NO_PROXY"}
    ended = twolocks("scan", env={**env, "HTTPS_PROXY": proxy, "https_proxy": proxy})
    listener.close()
    assert ended.code == 4
    assert "407 Proxy Authentication Required" in ended.err
    assert (
        f"--> HTTPS_PROXY, {proxy.removeprefix('http://')}\nhint: put user and password into HTTPS_PROXY" in ended.err
    )


def test_a_resource_that_is_not_there(box: Sandbox) -> None:
    ended = twolocks("scan", "--resource", f"{STORAGE}/stborte", env=box.environment())
    assert (ended.code, "error: no such resource" in ended.err) == (2, True)
    ended = twolocks("scan", "--resource", "stlukket", env=box.environment())
    assert (ended.code, "--> --resource stlukket" in ended.err) == (2, True)


def test_a_management_group_that_is_not_there(box: Sandbox) -> None:
    ended = twolocks("scan", "--management-group", "nowhere", env=box.environment())
    assert ended.code in (2, 4)
    assert 'management group "nowhere"' in ended.err


def test_a_tag_without_value(box: Sandbox) -> None:
    ended = twolocks("scan", "--tag", "owner", env=box.environment())
    assert (ended.code, 'error: "owner" is not a tag\n--> --tag owner\nhint: write --tag NAME=VALUE' in ended.err) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    "words",
    [
        "history show \udcff --history h.db",
        "history upgrade --history \udcff.db",
        "diff \udcffo.json o.json --format json",
        "scan --resource-group \udcff --history h.db",
        "scan --tag a=\udcff --snapshot t.jsonl",
        f"scan --resource {STORAGE}/\udcff",
        f"reach {STORAGE}/\udcff",
        "config show --config \udcff.toml --format json",
        "rules new own-x --fix-terraform \udcff",
    ],
)
def test_a_word_that_is_not_utf_8(words: str) -> None:
    """No output can hold it; each ended with 70."""
    Path("\udcff.toml").touch()
    ended = twolocks(*words.split())
    assert (ended.code, "<U+DCFF>" in ended.err, " is not UTF-8\n" in ended.err) == (2, True, True), ended.err
    assert files() == ["\udcff.toml"]


REFUSED = ["rules list --rules", "rules test", "rules show x --rules-code", "rules new a-b --into"]


@pytest.mark.parametrize("words", REFUSED)
def test_a_path_that_the_system_refuses(words: str) -> None:
    """It ended with 70."""
    ended = twolocks(*words.split(), "x" * 300)
    assert ended.code == 2, ended.err


def test_a_folder_that_may_not_be_read_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Path.is_dir` raises where a folder above may not be searched. It ended with 70."""

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    ended = twolocks("rules", "test", "own")
    assert (ended.code, " cannot be used: Permission denied\n" in ended.err) == (2, True), ended.err
