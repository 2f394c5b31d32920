"""A folder that somebody else wrote, and a host that wants a token."""

from collections.abc import Callable
from functools import partial

from scanner.sandbox import certificates
from scanner.sandbox.server import running
from tests.attacks.lab import Lab, Outcome, attack, result
from tests.azure.hostile import HostileSandbox, Made, link, text
from tests.azure.requests import ESTATE, SUBSCRIPTIONS
from tests.config.hostile import PUBLIC, trusting
from tests.notify.receivers import mail

FOLDER = "config/test_hostile_folder.py::"
PYTHON = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"
ROW = """
[own-sftp]
title = "Storage account has SFTP enabled"
pass_title = "SFTP is disabled"
category = "governance"
severity = "low"
check = { of = "storage.ACCOUNT", path = "properties.isSftpEnabled", good = [false] }
why = "It signs in with local users."
fix = { steps = ["Disable it."], impact = "None." }
"""


@attack(1, "settings of the folder import Python", f"{FOLDER}test_a_settings_file_of_a_folder_runs_no_python")
def settings_import_python(lab: Lab) -> Outcome:
    folder = lab.folder("python")
    (folder / "rules").mkdir()
    (folder / "rules" / "own.py").write_text(PYTHON)
    (folder / "twolocks.toml").write_text('[scan]\nrules = "rules"\n')
    ended = lab.run(folder, "scan", "--from", lab.taken(folder.parent))
    return result(ended, (folder / "rules" / "ran").exists(), "the Python ran", "the Python did not run")


@attack(1, "--rules folder with Python", f"{FOLDER}test_rules_are_rows_and_python_needs_its_own_option")
def rules_with_python(lab: Lab) -> Outcome:
    folder = lab.folder("rows")
    (folder / "rows").mkdir()
    (folder / "rows" / "own.toml").write_text(ROW)
    (folder / "rows" / "own.py").write_text(PYTHON)
    ended = lab.run(folder, "scan", "--from", lab.taken(folder.parent), "--rules", "rows")
    return result(ended, (folder / "rows" / "ran").exists(), "the Python ran", "the Python did not run")


@attack(
    1, "installed package adds rules unseen", f"{FOLDER}test_installed_rule_packages_are_listed_and_can_be_left_out"
)
def package_unseen(lab: Lab) -> Outcome:
    folder = lab.folder("package")
    site = folder.parent / "site"
    (site / "agency_rules").mkdir(parents=True)
    (site / "agency_rules" / "__init__.py").write_text(PYTHON)
    (site / "agency_rules-1.2.dist-info").mkdir()
    (site / "agency_rules-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: agency-rules\nVersion: 1.2\n"
    )
    (site / "agency_rules-1.2.dist-info" / "entry_points.txt").write_text("[twolocks.rules]\nagency = agency_rules\n")
    ended = lab.run(folder, "scan", "--from", lab.taken(folder), env={"PYTHONPATH": str(site)})
    ran = (site / "agency_rules" / "ran").exists()
    return result(ended, ran and "agency-rules" not in ended.err, "it ran, and no line names it", "named at the start")


@attack(1, "settings of the folder name an ARM endpoint", f"{FOLDER}test_a_settings_file_of_a_folder_gets_no_token")
def settings_name_endpoint(lab: Lab) -> Outcome:
    folder = lab.folder("endpoint")
    with lab.evil(folder, f"{PUBLIC}/") as (evil, env):
        (folder / "twolocks.toml").write_text(f'[scan]\narm-endpoint = "{evil.url}"\nauth = "environment"\n')
        ended = lab.run(folder, "scan", env=env)
        return result(ended, bool(evil.tokens), f"it got a token for {_first(evil.tokens)}", "no token, no request")


@attack(1, "endpoint that the user named asks for the public cloud's token",
        f"{FOLDER}test_an_endpoint_that_a_user_named_gets_no_token_for_the_public_cloud")  # fmt: skip
def endpoint_asks_for_public_token(lab: Lab) -> Outcome:
    folder = lab.folder("audience")
    with lab.evil(folder, f"{PUBLIC}/") as (evil, env):
        ended = lab.run(folder, "scan", "--arm-endpoint", evil.url, "--auth", "environment", env=env)
        public = [each for each in evil.tokens if each.startswith(PUBLIC)]
        return result(ended, bool(public), f"it got a token for {_first(public)}", "no token for the public cloud")


def _first(tokens: list[str]) -> str:
    return tokens[0].rstrip("/") if tokens else ""


@attack(1, "settings of the folder send a variable as a password",
        f"{FOLDER}test_a_settings_file_of_a_folder_sends_no_variable_and_no_file")  # fmt: skip
def settings_send_variable(lab: Lab) -> Outcome:
    return _sent(lab, "variable", 'password-env = "DEPLOY_TOKEN"')


@attack(1, "settings of the folder send a file as a password",
        f"{FOLDER}test_a_settings_file_of_a_folder_sends_no_variable_and_no_file")  # fmt: skip
def settings_send_file(lab: Lab) -> Outcome:
    return _sent(lab, "file", 'password-file = "../id_ed25519"')


def _sent(lab: Lab, name: str, secret: str) -> Outcome:
    folder = lab.folder(f"send-{name}")
    (folder.parent / "id_ed25519").write_text("the key of the user")
    env = {"SSL_CERT_FILE": str(certificates.make(folder.parent)), "DEPLOY_TOKEN": "the token of the pipeline"}
    with mail(folder.parent, login=True) as post:
        (folder / "twolocks.toml").write_text(
            '[scan]\nhistory = "h.db"\nnotify = ["x"]\n[notify.x]\nkind = "mail"\nhost = "127.0.0.1"\n'
            f'port = {post.port}\nfrom = "a@b.example"\nto = "a@b.example"\nuser = "x"\n{secret}\n'
        )
        ended = lab.run(folder, "notify", "test", "x", env=env)
        return result(ended, bool(post.logins), f"the mail server got the {name}", "nothing was sent")


@attack(1, "settings of the folder accept everything", f"{FOLDER}test_a_settings_file_of_a_folder_hides_nothing")
def settings_accept_everything(lab: Lab) -> Outcome:
    return _hidden(lab, "intended", '[[intended]]\nresource = "*"\nendpoint = "*"\nreason = "x"\n')


@attack(1, "settings of the folder say fail-on never", f"{FOLDER}test_a_settings_file_of_a_folder_hides_nothing")
def settings_never_fail(lab: Lab) -> Outcome:
    return _hidden(lab, "never", '[scan]\nfail-on = "never"\n')


def _hidden(lab: Lab, name: str, settings: str) -> Outcome:
    folder = lab.folder(f"hide-{name}")
    (folder / "twolocks.toml").write_text(settings)
    ended = lab.run(folder, "scan", "--from", lab.taken(folder.parent))
    return result(ended, ended.code not in (1, 2), "the open account did not count", "refused")


@attack(1, "nextLink carries the token to another host", "azure/test_hostile.py::test_a_hostile_answer_is_a_gap")
def token_by_link(lab: Lab) -> Outcome:
    return _carried(lab, "link", lambda url: link(f"{url}/next"))


@attack(1, "redirect carries the token to another host", "azure/test_hostile.py::test_a_hostile_answer_is_a_gap")
def token_by_redirect(lab: Lab) -> Outcome:
    return _carried(lab, "redirect", lambda url: text(b"", 302, Location=f"{url}/next"))


def _carried(lab: Lab, name: str, made: Callable[[str], Callable[[HostileSandbox, str], Made]]) -> Outcome:
    folder = lab.folder(f"carry-{name}")
    with lab.evil(folder, PUBLIC) as (evil, _):
        box = HostileSandbox(ESTATE, SUBSCRIPTIONS)
        box.made = partial(made(evil.url))
        with running(box):
            trusted = trusting(folder.parent, str(folder.parent / "certificates" / "ca.pem"), box.ca_file)
            env = {**box.environment(), "SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}
            ended = lab.run(folder, "scan", "--no-graph", env=env)
        assert box.count, "the scan did not ask for the list"
        return result(ended, bool(evil.tokens), "it got the token", "no token; the list is a gap")
