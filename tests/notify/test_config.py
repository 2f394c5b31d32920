"""The tables [notify.NAME]: every fault with its line, and secrets that are read, never shown."""

from pathlib import Path

import pytest

from scanner.config.channels import CHANNELS, COMMON, keys_of
from scanner.config.notifications import loopback
from scanner.config.settings import Settings, resolve
from scanner.errors import InputError
from scanner.notify import after_scan
from tests.terminals import twolocks

HOOK = "https://hooks.agency.example/workflows/7f3a?sig=c2VjcmV0LXNpZ25hdHVyZQ"
SIGN = "0123456789abcdef0123456789abcdef"
MAIL = "kind = 'mail'\nhost = 'mail.example'\nfrom = 'two@agency.example'\nto = ['ops@agency.example']\n"


def settings(folder: Path, text: str, *, name: str = "ops") -> Settings:
    (folder / "twolocks.toml").write_text(f"[notify.{name}]\n{text}\n")
    return resolve("scan", {"history": "night.db", "notify": [name]}, {}, config=folder / "twolocks.toml")


def faults(folder: Path, text: str, *, name: str = "ops") -> list[tuple[str, str, str]]:
    with pytest.raises(InputError) as raised:
        settings(folder, text, name=name)
    result = getattr(raised.value, "all", [raised.value])
    return [(each.what, each.at.rpartition(":")[2], each.do) for each in result]


@pytest.mark.parametrize(
    ("text", "what", "line", "do"),
    [
        ("kind = 'temas'", 'unknown kind of notification "temas"', "2", "nearest: teams; known: teams, slack, web"),
        ("kind = 'slack'", "notify.ops requires url-env", "1", 'add url-env = "TWOLOCKS_SECRET_OPS"'),
        ("kind = 'slack'\nurl-evn = 'A'", 'notify.ops (slack) has no key "url-evn"', "3",
         "nearest: url-env"),
        ("kind = 'slack'\nurl-file = 'x'", "url-file: a settings file names no file with a secret", "3",
         'write url-env = "TWOLOCKS_SECRET_OPS", and set TWOLOCKS_SECRET_OPS_FILE to the path of the file'),
        ("kind = 'slack'\nurl-env = 'OPS_HOOK'", "notify.ops.url-env must name a variable TWOLOCKS_SECRET_...", "3",
         'write "TWOLOCKS_SECRET_OPS_HOOK", and set that variable'),
        ("kind = 'slack'\nurl-env = 'hunter2'", "notify.ops.url-env must name a variable TWOLOCKS_SECRET_...", "3",
         'write "TWOLOCKS_SECRET_OPS", and set that variable'),
        ("kind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_X_FILE'", "notify.ops.url-env must name a", "3",
         'write "TWOLOCKS_SECRET_X", and set that variable'),
        ("kind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_A'\nmin-severity = 'hihg'", "unknown notify.ops.min-sev", "4",
         "nearest: high; known: critical, high"),
        ("kind = 'slack'\nurl-env = ''", "notify.ops.url-env must be text", "3", ""),
        ("kind = 'slack'\nurl-env = 7", "notify.ops.url-env must be text", "3", ""),
        ("kind = 'webhook'\nurl-env = 'TWOLOCKS_SECRET_A'", "notify.ops requires secret-env", "1", "add secret-env"),
        ("kind = 'github'\nurl-env = 'TWOLOCKS_SECRET_A'", 'notify.ops (github) has no key "url-env"', "3", ""),
        (MAIL + "port = 70000", "notify.ops.port must be a port, a number from 1 to 65535", "6", ""),
        (MAIL + "tls = 'startls'", 'unknown notify.ops.tls "startls"', "6", "nearest: starttls; known:"),
        (MAIL + "tls = 'none'", "mail without TLS is allowed on this machine only", "6", 'write tls = "starttls"'),
        (MAIL + "user = 'two'", "notify.ops requires password-env", "1", "a login consists of a user and a password"),
        (MAIL + "password-env = 'TWOLOCKS_SECRET_P'", "notify.ops requires user", "1", "a login consists of"),
        (MAIL.replace("['ops@agency.example']", "[]"), "notify.ops.to must be a list of addresses", "5", ""),
        (MAIL.replace("['ops@agency.example']", "['a@b.example', 'ops']"), '"ops" is not a mail address', "5", "write"),
        (MAIL.replace("two@agency.example", "two@agency.example\\nBcc: x@y.example"),
         '"two@agency.example\\nBcc: x@y.example" is not a mail address', "4", "write name@agency.example, in ASCII"),
        (MAIL.replace("'two@agency.example'", '"two@x\\nBcc: x@y.example"'),
         '"two@x\nBcc: x@y.example" is not a mail address', "4", "write name@agency.example, in ASCII"),
        (MAIL.replace("from", "form"), 'notify.ops (mail) has no key "form"', "4", "nearest: from"),
    ],
)  # fmt: skip
def test_a_fault_has_its_line_and_what_helps(text: str, what: str, line: str, do: str, tmp_path: Path) -> None:
    matches = faults(tmp_path, text)
    assert [each for each in matches if each[0].startswith(what) and each[1] == line and each[2].startswith(do)], (
        matches
    )


@pytest.mark.parametrize("word", ["url", "secret", "password"])
def test_a_secret_in_the_settings_is_refused_and_not_repeated(word: str, tmp_path: Path) -> None:
    kind = {"url": "teams", "secret": "webhook", "password": "mail"}[word]
    matches = faults(tmp_path, f"kind = '{kind}'\n{word} = '{HOOK}'")
    stated = (f"{word} is a secret and must not be in the settings", "3")
    assert stated in [each[:2] for each in matches]
    assert f'{word}-env = "TWOLOCKS_SECRET_OPS"' in str(matches)
    assert not [each for each in matches if f"needs {word}-env" in each[0]]
    assert "c2VjcmV0" not in str(matches)


@pytest.mark.parametrize("key", ["url-env", "url-file"])
def test_a_secret_in_the_place_of_its_name_is_refused_and_not_repeated(key: str, tmp_path: Path) -> None:
    matches = faults(tmp_path, f"kind = 'teams'\n{key} = '{HOOK}'")
    assert "c2VjcmV0" not in str(matches)
    assert "hooks.agency.example" not in str(matches)
    assert "must name a variable" in matches[0][0] or "names no file" in matches[0][0]


@pytest.mark.parametrize("name", ["'o p'", '"o\\np"', "'øps'", "''", "'::error'"])
def test_a_name_is_letters_and_digits(name: str, tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text(f"[notify.{name}]\nkind = 'github'\n")
    with pytest.raises(InputError, match="is not a valid name of a notification"):
        resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    matches = faults(tmp_path, "kind = 'mail'\nhots = 'a'\nport = 0\ntls = 'x'")
    assert len(matches) == 6


def test_every_kind_has_the_common_keys() -> None:
    for kind in CHANNELS:
        assert {"kind", "min-severity", "owner"} == {key.name for key in COMMON}
        assert len({key.name for key in keys_of(kind)}) == len(keys_of(kind))


# Secrets


def ready(folder: Path, text: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, **options: object) -> str:
    """The target's address, or the whole error."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (folder / "twolocks.toml").write_text(f"[notify.ops]\n{text}\n")
    given = {"history": "night.db", "notify": ["ops"], **options}
    try:
        targets = after_scan.checked(resolve("scan", given, {}, config=folder / "twolocks.toml"))
    except InputError as error:
        return f"{error.what} | {error.at.rpartition('/')[2]} | {error.do}"
    return targets[0].url


def test_the_address_comes_from_a_variable_or_a_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, text = "TWOLOCKS_SECRET_HOOK", "kind = 'teams'\nurl-env = 'TWOLOCKS_SECRET_HOOK'"
    assert ready(tmp_path, text, {name: f" {HOOK}\n"}, monkeypatch) == HOOK
    (tmp_path / "hook").write_text(HOOK + "\n")
    both = ready(tmp_path, text, {f"{name}_FILE": str(tmp_path / "hook")}, monkeypatch)
    assert both == f"{name} and {name}_FILE exclude each other; nothing was read | the environment | unset one of them"
    monkeypatch.delenv(name)
    assert ready(tmp_path, text, {}, monkeypatch) == HOOK


TEAMS = "kind = 'teams'\nurl-env = 'TWOLOCKS_SECRET_HOOK'"


@pytest.mark.parametrize("name", ["HOOK", "TWOLOCKS_SECRET_HOOK"])
def test_a_file_that_the_command_line_names_wins_over_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWOLOCKS_SECRET_HOOK", raising=False)
    file = tmp_path / "a=hook"
    file.write_text(f"{HOOK}\n")
    given = [f"{name}={file}"]
    assert ready(tmp_path, TEAMS, {}, monkeypatch, secret_file=given) == HOOK
    assert ready(tmp_path, TEAMS, {"TWOLOCKS_SECRET_HOOK": "https://x.example"}, monkeypatch, secret_file=given) == HOOK
    file.unlink()
    assert ready(tmp_path, TEAMS, {}, monkeypatch, secret_file=given).startswith(
        f'notification "ops" requires the file {file}, which cannot be read: No such file or directory'
    )


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["HOOK"], '"HOOK" is not NAME=PATH'),
        (["=x"], '"=x" is not NAME=PATH'),
        (["HOOK="], '"HOOK=" is not NAME=PATH'),
        (["hook=x"], '"hook=x" is not NAME=PATH'),
        (["HOOK_FILE=x"], '"HOOK_FILE=x" is not NAME=PATH'),
        (["HOOK=x", "TWOLOCKS_SECRET_HOOK=y"], "TWOLOCKS_SECRET_HOOK has two files"),
        (["HOKK=x"], "no notification or tenant has the secret TWOLOCKS_SECRET_HOKK"),
        (["PATH=x"], "no notification or tenant has the secret TWOLOCKS_SECRET_PATH"),
    ],
)
def test_a_secret_file_that_cannot_be_meant(
    given: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ready(tmp_path, TEAMS, {}, monkeypatch, secret_file=given)
    assert text.startswith(f"{what}; nothing was read | ")
    assert "HOKK" not in given[0] or text.endswith("nearest: TWOLOCKS_SECRET_HOOK")


def test_a_settings_file_names_no_secret_file(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text(f"[scan]\nsecret-file = 'HOOK=/etc/passwd'\n[notify.ops]\n{TEAMS}\n")
    with pytest.raises(InputError, match=r"scan\.secret-file is no setting of a file") as raised:
        resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")
    assert raised.value.do == "use --secret-file or TWOLOCKS_SCAN_SECRET_FILE"


def test_an_output_does_not_replace_a_file_with_a_secret(tmp_path: Path) -> None:
    (tmp_path / "named.toml").write_text(f"[notify.ops]\n{TEAMS}\n")
    (tmp_path / "hook.json").write_text(HOOK)
    words = ("scan", "--config", tmp_path / "named.toml", "--history", tmp_path / "h.db", "--notify", "ops")
    ended = twolocks(*words, "--secret-file", f"HOOK={tmp_path}/hook.json", "--out", tmp_path / "hook.json")
    assert (ended.code, "is also --secret-file HOOK=" in ended.err) == (2, True), ended.err
    assert (tmp_path / "hook.json").read_text() == HOOK


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("http://hooks.agency.example/geheim", "is not https"),
        ("http://127.0.0.1.agency.example/geheim", "is not https"),
        ("ftp://hooks.agency.example/geheim", "is not a web address"),
        ("hooks.agency.example/geheim", "is not a web address"),
        ("https://", "is not a web address"),
        ("https://hooks.agency.example:port/geheim", "is not a web address"),
        ("https://[::1/geheim", "is not a web address"),
        ("https://kari:geheim@hooks.agency.example/", "contains a login"),
        ("https://hooks.agency.example/ge heim", "contains characters that are not allowed in a URL"),
        ("https://hooks.agency.example/ge\r\nHost: x", "contains characters that are not allowed in a URL"),
        ("https://høks.agency.example/geheim", "contains characters that are not allowed in a URL"),
    ],
)
def test_an_address_that_is_wrong_is_refused_and_not_repeated(
    value: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ready(
        tmp_path, "kind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_HOOK'", {"TWOLOCKS_SECRET_HOOK": value}, monkeypatch
    )
    assert text.startswith(f'the address of notification "ops" {why}; nothing was read | twolocks.toml:1 | ')
    assert "heim" not in text
    assert "agency" not in text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.7.7.7", "[::1]"])
def test_this_machine_may_be_asked_without_tls(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://{host}:8080/x"
    assert (
        ready(tmp_path, "kind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_HOOK'", {"TWOLOCKS_SECRET_HOOK": url}, monkeypatch)
        == url
    )
    assert loopback(host)


def test_what_is_missing_is_reported_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, hook = "TWOLOCKS_SECRET_HOOK", tmp_path / "hook"
    monkeypatch.delenv(name, raising=False)
    slack = f"kind = 'slack'\nurl-env = '{name}'"
    assert ready(tmp_path, slack, {}, monkeypatch) == (
        f'notification "ops" requires the variable {name}, which is not set; nothing was read | twolocks.toml:1 | '
        f"set {name} from your secret store, or {name}_FILE to the path of a file, or --secret-file HOOK=PATH"
    )
    file = {f"{name}_FILE": str(hook)}
    assert ready(tmp_path, slack, file, monkeypatch).startswith(
        f'notification "ops" requires the file {hook}, which cannot be read: No such file or directory'
    )
    hook.write_bytes(b" \n")
    assert "is empty" in ready(tmp_path, slack, file, monkeypatch)
    hook.write_bytes(b"\xff\xfe")
    assert "it is not text" in ready(tmp_path, slack, file, monkeypatch)
    monkeypatch.delenv(f"{name}_FILE")
    webhook = f"kind = 'webhook'\nurl-env = '{name}'\nsecret-env = 'TWOLOCKS_SECRET_SIGN'"
    text = ready(tmp_path, webhook, {name: HOOK, "TWOLOCKS_SECRET_SIGN": "short"}, monkeypatch)
    assert text.startswith('the secret of notification "ops" has fewer than 16 characters')
    assert "short" not in text
    assert ready(tmp_path, webhook, {"TWOLOCKS_SECRET_SIGN": SIGN}, monkeypatch) == HOOK


def test_options_that_cannot_work_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ready(tmp_path, "kind = 'github'", {}, monkeypatch, history="") == (
        "notifications require a history to detect changes; nothing was read | --notify ops | add --history FILE"
    )
    assert ready(tmp_path, "kind = 'github'", {}, monkeypatch, out=["-"]).startswith(
        'notification "ops" writes to standard output, and so does --out -; nothing was read | --notify ops | '
    )
    assert ready(tmp_path, "kind = 'github'\nowner = 'kari'", {}, monkeypatch) == (
        'notification "ops" filters by owner, but no owner tag is set; nothing was read | twolocks.toml:3 | '
        "set owner-tag in [report]"
    )


def test_no_secret_is_in_a_targets_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOLOCKS_SECRET_HOOK", HOOK)
    monkeypatch.setenv("TWOLOCKS_SECRET_SIGN", SIGN)
    monkeypatch.setenv("TWOLOCKS_SECRET_PASSWORD", "geheim-passord")
    (tmp_path / "twolocks.toml").write_text(
        f"[notify.ops]\nkind = 'webhook'\nurl-env = 'TWOLOCKS_SECRET_HOOK'\nsecret-env = 'TWOLOCKS_SECRET_SIGN'\n"
        f"[notify.post]\n{MAIL}user = 'two'\npassword-env = 'TWOLOCKS_SECRET_PASSWORD'\n"
    )
    result = resolve("scan", {"history": "h.db", "notify": ["ops", "post"]}, {}, config=tmp_path / "twolocks.toml")
    targets = after_scan.checked(result)
    shown = f"{targets} {targets[0]!r} {result} {result.rows()}"
    assert "two@agency.example" in shown
    for secret in (HOOK, "c2VjcmV0", SIGN, "geheim"):
        assert secret not in shown
    ended = twolocks(
        "config",
        "show",
        "--config",
        tmp_path / "twolocks.toml",
        env={"TWOLOCKS_SECRET_HOOK": HOOK, "TWOLOCKS_SECRET_SIGN": SIGN},
    )
    assert ended.code == 0
    assert "notify.ops.url-env" in ended.out
    assert "c2VjcmV0" not in ended.out


@pytest.mark.parametrize(
    ("tls", "port"), [("", 587), ("tls = 'implicit'\n", 465), ("tls = 'starttls'\nport = 2525\n", 2525)]
)
def test_ports_follow_the_way_of_tls(tls: str, port: int, tmp_path: Path) -> None:
    mailbox = after_scan.checked(settings(tmp_path, MAIL + tls))[0].mail
    assert mailbox is not None
    assert (mailbox.port, mailbox.to, mailbox.sender) == (port, ("ops@agency.example",), "two@agency.example")
