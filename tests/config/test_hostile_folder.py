"""What a folder that somebody else wrote can make a scan do: the real command line in it, and real sockets."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.rulebook.loader import load
from scanner.sandbox import certificates
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import serve
from tests.config.hostile import PUBLIC, Endpoint, Ran, audience, endpoint, exposed, run, trusting
from tests.notify.receivers import mail

PYTHON = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
"""
ROW = """
[own-versioning-disabled]
title = "Blob versioning is disabled"
pass_title = "Blob versioning is enabled"
category = "recovery"
severity = "low"
check = { of = "storage.ACCOUNT", path = "properties.own", good = [true] }
why = "A deleted blob is gone."
fix = { steps = ["Enable it."], impact = "None." }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder; what belongs to the user lies beside it."""
    made = tmp_path / "theirs"
    made.mkdir()
    return made


def hostile(folder: Path, text: str) -> None:
    (folder / "twolocks.toml").write_text(text)


def refused(ran: Ran, *keys: str) -> None:
    """The command ended with 2, named file, line and key of each setting, and said how to allow it."""
    assert ran.code == 2, ran.err
    for key in keys:
        assert f"error: {key} " in ran.err, ran.err
    assert "--> twolocks.toml:" in ran.err
    assert "--config ./twolocks.toml" in ran.err


def show(name: str, ran: Ran, *more: object) -> None:
    """Keep what an attack printed, where a person asked for it."""
    if kept := os.environ.get("ATTACKS"):
        text = "\n".join(line for line in ran.err.splitlines() if line.strip())
        with Path(kept).open("a") as file:
            file.write(f"== {name}: exit {ran.code} {' '.join(map(str, more))}\n{text}\n")


def test_a_settings_file_of_a_folder_runs_no_python(folder: Path) -> None:
    (folder / "rules").mkdir()
    (folder / "rules" / "own.py").write_text(PYTHON)
    for key in ("rules", "rules-code"):
        hostile(folder, f'[scan]\n{key} = "rules"\n')
        for words in (("scan", "--from", exposed(folder)), ("waive", "abc123", "--in", "x.json"), ("access", "role")):
            ran = run(folder, *words)
            show(f"{key}, twolocks {words[0]}", ran, (folder / "rules" / "ran").exists())
            assert not (folder / "rules" / "ran").exists()
            refused(ran, f"scan.{key}")


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[Endpoint]:
    (tmp_path / "certificates").mkdir()
    with endpoint(tmp_path / "certificates", [f"{PUBLIC}/"]) as result:
        yield result


def test_a_settings_file_of_a_folder_gets_no_token(folder: Path, evil: Endpoint) -> None:
    hostile(folder, f'[scan]\narm-endpoint = "{evil.url}"\n')
    with serve(load_estate()) as entra:
        env = environment(folder, evil, entra.environment())
        for words in (("scan",), ("access", "check"), ("reach", "x")):
            ran = run(folder, *words, env=env)
            show(f"token, twolocks {' '.join(words)}", ran, evil.tokens, evil.forms)
            assert (evil.tokens, evil.forms) == ([], [])
            refused(ran, "scan.arm-endpoint")


def environment(folder: Path, evil: Endpoint, env: dict[str, str]) -> dict[str, str]:
    """The user's variables: a login at a real authority, and the certificates of the internet."""
    result = {name: value for name, value in env.items() if not name.startswith("TWOLOCKS_")}
    trusted = trusting(folder.parent, str(folder.parent / "certificates" / "ca.pem"), env["SSL_CERT_FILE"])
    return {**result, "SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}


def test_an_endpoint_that_a_user_named_gets_no_token_for_the_public_cloud(folder: Path, evil: Endpoint) -> None:
    with serve(load_estate()) as entra:
        env = environment(folder, evil, entra.environment())
        ran = run(folder, "scan", "--arm-endpoint", evil.url, "--auth", "environment", env=env)
        show("token, --arm-endpoint", ran, evil.tokens)
        assert PUBLIC not in {each.rstrip("/") for each in evil.tokens}
        ran = run(folder, "scan", "--arm-endpoint", evil.url, "--arm-audience", PUBLIC, env=env)
        show("token, --arm-audience of the public cloud", ran, evil.tokens)
        assert evil.tokens == []
        assert (ran.code, f"error: {PUBLIC} is an audience of Azure" in ran.err) == (2, True)


def test_an_endpoint_does_not_choose_who_gets_the_secret_of_the_login(folder: Path, evil: Endpoint) -> None:
    with serve(load_estate()) as entra:
        env = environment(folder, evil, entra.environment())
        del env["AZURE_AUTHORITY_HOST"]
        ran = run(folder, "scan", "--arm-endpoint", evil.url, "--auth", "environment", env=env)
        show("secret of the login", ran, evil.forms)
        assert evil.forms == []
        assert (ran.code, "AZURE_AUTHORITY_HOST" in ran.err) == (2, True)


def test_the_sandbox_gives_tokens_for_itself_only(folder: Path) -> None:
    with serve(load_estate()) as box:
        assert audience(box.token()) == box.url


def test_a_settings_file_of_a_folder_sends_no_variable_and_no_file(folder: Path) -> None:
    (folder.parent / "id_ed25519").write_text("the key of the user")
    trusted = str(certificates.make(folder.parent))
    env = {"SSL_CERT_FILE": trusted, "DEPLOY_TOKEN": "the token of the pipeline"}
    with mail(folder.parent, login=True) as post:
        for number, secret in enumerate(('password-env = "DEPLOY_TOKEN"', 'password-file = "../id_ed25519"')):
            hostile(
                folder,
                f'[scan]\nhistory = "h{number}.db"\nnotify = ["x"]\n[notify.x]\nkind = "mail"\nhost = "127.0.0.1"\n'
                f'port = {post.port}\nfrom = "a@b.example"\nto = "a@b.example"\nuser = "x"\n{secret}\n',
            )
            for words in (("scan", "--from", exposed(folder)), ("notify", "test", "x")):
                ran = run(folder, *words, env=env)
                show(f"{secret}, twolocks {words[0]}", ran, post.logins)
                assert post.logins == []
                refused(ran, *(["scan.notify"] if words[0] == "scan" else []), "notify.x")
                ran = run(folder, *words, "--config", "./twolocks.toml", env=env)
                show(f"{secret}, twolocks {words[0]} --config ./twolocks.toml", ran, post.logins)
                assert post.logins == []
                assert (ran.code, "TWOLOCKS_SECRET_" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[scan]\nfail-on = "never"\n', "scan.fail-on"),
        ('[[intended]]\nresource = "*"\nendpoint = "*"\nreason = "x"\n', "intended"),
        ('[networks]\nall = ["0.0.0.0/2", "64.0.0.0/2"]\n', "networks.all"),
        ("[network]\nwide-ipv4 = 4294967296\n", "network.wide-ipv4"),
        ('[severity.x]\nto = "info"\nreason = "x"\n', "severity.x"),
        ('[scan]\nskip = "*"\n', "scan.skip"),
        ('[scan]\nonly = "vpn-*"\n', "scan.only"),
        ('[scan]\nwaivers = "waivers.toml"\n', "scan.waivers"),
        ("[scan]\nquiet = true\n", "scan.quiet"),
        ("[waivers]\nallow-tag = true\n", "waivers.allow-tag"),
        ("[scan]\nno-rule-packages = true\n", "scan.no-rule-packages"),
        ("[limits]\nlist-pages = 1\n", "limits.list-pages"),
        ('[limits]\nanswer-size = "999 MB"\n', "limits.answer-size"),
    ],
)  # fmt: skip
def test_a_settings_file_of_a_folder_hides_nothing(text: str, key: str, folder: Path) -> None:
    hostile(folder, text)
    ran = run(folder, "scan", "--from", exposed(folder))
    show(f"hides: {key}", ran)
    refused(ran, key)


def test_a_waiver_file_of_a_folder_is_not_used(folder: Path) -> None:
    (folder / "waivers.toml").write_text(
        '[[waiver]]\nrule = "storage-*"\nresource = "*/storageAccounts/*"\nreason = "x"\nowner = "x"\n'
        "expires = 2099-01-01\n"
    )
    assert run(folder, "scan", "--from", exposed(folder), "--fail-on", "low").code == 1


def test_a_settings_file_of_a_folder_writes_nothing(folder: Path) -> None:
    (folder.parent / "mine").write_text("mine")
    for key in ("out", "snapshot", "history", "record"):
        hostile(folder, f'[scan]\n{key} = "../mine"\n')
        refused(run(folder, "scan", "--from", exposed(folder)), f"scan.{key}")
    assert (folder.parent / "mine").read_text() == "mine"


def test_a_named_settings_file_may_say_everything(folder: Path) -> None:
    hostile(folder, '[scan]\nfail-on = "never"\n')
    for words, env in ((("--config", "./twolocks.toml"), {}), ((), {"TWOLOCKS_SCAN_CONFIG": "twolocks.toml"})):
        ran = run(folder, "scan", "--from", exposed(folder), *words, env=env)
        assert ran.code == 3, ran.err
        assert f"settings {Path('twolocks.toml')}" in ran.err


def test_a_settings_file_of_a_folder_may_say_what_cannot_run_send_or_hide(folder: Path) -> None:
    hostile(folder, '[scan]\nverbose = true\n[report]\ntags = ["owner"]\n')
    ran = run(folder, "scan", "--from", exposed(folder))
    assert ran.code == 1, ran.err
    assert "settings twolocks.toml (found in this folder)" in ran.err


def test_a_settings_file_in_the_users_own_folder_may_say_everything(folder: Path) -> None:
    file = folder.parent / "home" / ".config" / "twolocks"
    file.mkdir(parents=True)
    file.chmod(0o755)
    (file / "twolocks.toml").write_text('[scan]\nfail-on = "never"\n')
    (file / "twolocks.toml").chmod(0o644)
    hostile(folder, "[report]\ntags = ['owner']\n")
    ran = run(folder, "scan", "--from", exposed(folder))
    assert ran.code == 3, ran.err
    assert f"settings {file}/twolocks.toml (the user's own); not used: twolocks.toml in this folder" in ran.err
    for path, mode in ((file / "twolocks.toml", 0o666), (file, 0o777)):
        before = path.stat().st_mode
        path.chmod(mode)
        ran = run(folder, "scan", "--from", exposed(folder))
        show("a settings file that others may write", ran)
        assert (ran.code, "others can write to " in ran.err) == (2, True)
        path.chmod(before)


def test_rules_are_rows_and_python_needs_its_own_option(folder: Path) -> None:
    (folder / "rows").mkdir()
    (folder / "rows" / "own.toml").write_text(ROW)
    ran = run(folder, "scan", "--from", exposed(folder), "--rules", "rows", "--only", "own-*")
    assert ran.code == 3, ran.err
    assert "rules    built-in; rows from rows" in ran.err
    (folder / "rows" / "own.py").write_text(PYTHON)
    commands = (
        ("scan", "--from", exposed(folder), "--rules", "rows"),
        ("rules", "list", "--rules", "rows"),
        ("rules", "show", "own-versioning-disabled", "--rules", "rows"),
        ("access", "role", "--rules", "rows"),
        ("diff", "a.json", "b.json", "--rules", "rows"),
        ("rules", "test", "rows"),
    )
    for words in commands:
        ran = run(folder, *words)
        show(f"Python in --rules, twolocks {words[0]} {words[1]}", ran, (folder / "rows" / "ran").exists())
        assert not (folder / "rows" / "ran").exists()
        hint = "--run-code" if "test" in words else "--rules-code rows"
        assert (ran.code, "rows/own.py" in ran.err, hint in ran.err) == (2, True, True), ran.err
    ran = run(folder, "scan", "--from", exposed(folder), "--rules-code", "rows", "--only", "own-*")
    assert (folder / "rows" / "ran").exists()
    assert "rules    built-in; Python from rows" in ran.err


def test_a_tables_folder_of_rows_runs_no_python_either(folder: Path) -> None:
    (folder / "rows" / "tables").mkdir(parents=True)
    (folder / "rows" / "tables" / "own.py").write_text(PYTHON)
    ran = run(folder, "scan", "--from", exposed(folder), "--rules", "rows")
    assert (ran.code, "rows/tables/own.py" in ran.err) == (2, True)
    assert not (folder / "rows" / "tables" / "ran").exists()


def test_a_row_calls_functions_of_rules_only(folder: Path) -> None:
    (folder / "own.toml").write_text(
        ROW.replace('path = "properties.own", good = [true]', 'function = "storage.__spec__"')
    )
    (broken,) = load([folder], packages=False).broken
    assert '"storage.__spec__" is not a variable' in broken.error
    reached = {
        getattr(value, "__module__", None) or type(value).__module__
        for module in load(packages=False).modules.values()
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("__")
    }
    others = {each for each in reached if not each.startswith(("scanner.model.", "scanner.reach.", "scanner.rules."))}
    # Policies of API Management are XML, which rules parse.
    known = {"collections.abc", "typing", "dataclasses", "msgspec", "msgspec._core", "msgspec.structs"}
    assert others <= known | {"pyexpat", "xml.parsers.expat", "xml.sax.saxutils"}


@pytest.fixture
def site(folder: Path) -> Path:
    """A folder of installed packages with one that has rules."""
    site = folder.parent / "site"
    (site / "agency_rules").mkdir(parents=True)
    (site / "agency_rules" / "__init__.py").write_text(PYTHON)
    (site / "agency_rules" / "own.toml").write_text(ROW)
    (site / "agency_rules-1.2.dist-info").mkdir()
    (site / "agency_rules-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: agency-rules\nVersion: 1.2\n"
    )
    (site / "agency_rules-1.2.dist-info" / "entry_points.txt").write_text("[twolocks.rules]\nagency = agency_rules\n")
    return site


def test_installed_rule_packages_are_listed_and_can_be_left_out(folder: Path, site: Path) -> None:
    env = {"PYTHONPATH": str(site)}
    words = ("scan", "--from", exposed(folder), "--fail-on", "never")
    ran = run(folder, *words, "--no-rule-packages", env=env)
    assert not (site / "agency_rules" / "ran").exists()
    assert "rules    built-in; not used: package agency-rules 1.2 (agency)" in ran.err, ran.err
    assert run(folder, *words, "--only", "own-*", "--no-rule-packages", env=env).code == 2
    assert run(folder, *words, "--only", "own-*", env=env | {"TWOLOCKS_SCAN_NO_RULE_PACKAGES": "1"}).code == 2
    shown = run(folder, "config", "show", env=env)
    assert "rule-package\tagency-rules 1.2 (agency)\tused" in shown.out
    ran = run(folder, *words, "--only", "own-*", env=env)
    assert ran.code == 3, ran.err
    assert "rules    built-in; Python from package agency-rules 1.2 (agency)" in ran.err
    assert (site / "agency_rules" / "ran").exists()


def test_every_command_that_loads_rules_says_which_before_they_run(folder: Path, site: Path) -> None:
    (folder / "rows").mkdir()
    (folder / "rows" / "own.toml").write_text(ROW)
    env, package = {"PYTHONPATH": str(site)}, "package agency-rules 1.2 (agency)"
    taken = exposed(folder)
    own = ("--rules", "rows")
    (site / "agency_rules" / "own.toml").unlink()
    (site / "agency_rules" / "__init__.py").write_text("import sys\nprint('it runs', file=sys.stderr)\n")
    commands: list[tuple[tuple[object, ...], tuple[str, ...]]] = [
        (("rules", "list", "--format", "json"), own),
        (("rules", "show", "storage-plain-http", "--format", "json"), own),
        (("access", "role"), own),
        (("access", "check", "--format", "json", "--auth", "environment"), own),
        (("diff", taken, taken, "--format", "json"), own),
        (("reach", "stopen", "--from", taken), ()),
        (("scan", "--from", taken, "--out", "-", "--fail-on", "never"), own),
        (("waive", "abcdef", "--in", "none.json"), own),
    ]
    for words, more in commands:
        ran = run(folder, *words, *more, env=env)
        rows = "rows from rows; " if more else ""
        before, runs, _ = ran.err.partition("it runs")
        assert f"rules    built-in; {rows}Python from {package}" in before, f"{words}: {ran.err}"
        assert runs, f"{words}: {ran.err}"
        assert package not in ran.out
        if "json" in words and ran.out:
            json.loads(ran.out)
    for words in (("rules", "list"), ("rules", "show", "storage-plain-http"), ("access", "role")):
        ran = run(folder, *words)
        assert "rules    built-in" not in ran.err
        assert "settings none" not in ran.err
