"""Who gets a token for Azure's databases: real sockets, the real command line, and the hosts one by one."""

import json
import socket
import struct
import sys
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.history.database import database_at
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import serve
from tests.config.hostile import PROGRAM, exposed, run
from tests.deploy.files import DEPLOY
from tests.history.server import Server

PUBLIC = "https://ossrdbms-aad.database.windows.net"
CHECKED = "?sslmode=verify-full&sslrootcert=system"


def token(audience: str = PUBLIC, issuer: str = "") -> str:
    """Return a text in the form of a token for this audience."""
    claims = ({"alg": "RS256", "typ": "JWT"}, {"aud": audience, "iss": issuer})
    return ".".join([*(urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in claims), "sig"])


@dataclass(slots=True)
class Receiver:
    """A server that says it is PostgreSQL. `got`: the passwords that it was sent."""

    port: int
    got: list[str] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1", query: str = "") -> str:
        return f"postgresql+psycopg://two@{host}:{self.port}/two{query}"


def _talk(connection: socket.socket, result: Receiver) -> None:
    """Ask a client for its password in plain text, as Azure's servers ask for a token."""
    with connection, connection.makefile("rb") as file:
        while head := file.read(8):
            size, code = struct.unpack("!ii", head)
            file.read(size - 8)
            if code == 0x00030000:
                break
            connection.sendall(b"N")
        connection.sendall(b"R" + struct.pack("!ii", 8, 3))
        if file.read(1) == b"p":
            (size,) = struct.unpack("!i", file.read(4))
            result.got.append(file.read(size - 4).rstrip(b"\0").decode())


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve on loopback until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = Receiver(server.getsockname()[1])

        def serve_all() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                _talk(connection, result)

        threading.Thread(target=serve_all, daemon=True).start()
        yield result
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as result:
        yield result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "theirs"
    made.mkdir()
    return made


def test_a_token_goes_to_no_host_that_is_neither_azures_nor_named(folder: Path, receiver: Receiver) -> None:
    url, env = receiver.url(), {"PGPASSWORD": token()}
    commands = (
        ("history", "list"),
        ("history", "upgrade"),
        ("scan", "--from", exposed(folder), "--out", "findings.json"),
    )
    for words in commands:
        ran = run(folder, *words, "--history", url, env=env)
        assert receiver.got == []
        assert ran.code == 2, ran.err
        assert "*.postgres.database.azure.com" in ran.err
        assert "hint: if 127.0.0.1 is yours: --postgres-token-host 127.0.0.1" in ran.err
    assert not (folder / "findings.json").exists()


def test_a_token_of_the_wrapper_goes_to_no_other_host_either(folder: Path, receiver: Receiver) -> None:
    wrapper = str(DEPLOY / "container" / "with-postgres-token")
    with serve(load_estate()) as box:
        env = box.environment("managed-identity") | {"TWOLOCKS_POSTGRES_SCOPE": f"{box.url}/.default"}
        words = ("history", "list", "--history", receiver.url())
        ran = run(folder, wrapper, str(PROGRAM), *words, env=env, program=sys.executable)
        assert (ran.code, receiver.got) == (2, []), ran.err
        ran = run(folder, wrapper, str(PROGRAM), *words, *NAMED, env=env, program=sys.executable)
        assert len(receiver.got) == 1, ran.err
        assert not isinstance(box.entra.check(f"Bearer {receiver.got[0]}"), str)


NAMED = ("--postgres-token-host", "127.0.0.1")


def test_a_user_names_the_host_in_three_ways(folder: Path, receiver: Receiver) -> None:
    words, env = ("history", "list", "--history", receiver.url()), {"PGPASSWORD": token()}
    (folder / "named.toml").write_text('[scan]\npostgres-token-host = "127.0.0.1"\n')
    for more, variables in (
        (NAMED, {}),
        ((), {"TWOLOCKS_SCAN_POSTGRES_TOKEN_HOST": "db.example,127.0.0.1"}),
        (("--config", "named.toml"), {}),
    ):
        receiver.got.clear()
        run(folder, *words, *more, env=env | variables)
        assert receiver.got == [env["PGPASSWORD"]]


def test_a_settings_file_of_a_folder_names_no_host_for_tokens(folder: Path, receiver: Receiver) -> None:
    (folder / "twolocks.toml").write_text('[scan]\npostgres-token-host = "127.0.0.1"\n')
    ran = run(folder, "history", "list", "--history", receiver.url(), env={"PGPASSWORD": token()})
    assert (ran.code, receiver.got) == (2, []), ran.err
    assert "error: scan.postgres-token-host can send data or credentials to another host" in ran.err


def test_a_plain_password_goes_where_the_url_says(folder: Path, receiver: Receiver) -> None:
    for password in ("right", "a.b.c", f"{urlsafe_b64encode(b'[]').decode()}.e30.x"):
        receiver.got.clear()
        run(folder, "history", "list", "--history", receiver.url(), env={"PGPASSWORD": password})
        assert receiver.got == [password]


def test_a_server_of_ones_own_keeps_a_history_with_a_token(folder: Path, server: Server) -> None:
    name = server.database()
    for words in (("history", "upgrade"), ("scan", "--from", exposed(folder), "--fail-on", "never")):
        ran = run(folder, *words, "--history", server.url(name), *NAMED, env={"PGPASSWORD": token()})
        assert ran.code in (0, 3), ran.err
    assert server.run("SELECT count(*) FROM scans", name) == [(1,)]
    server.drop(name)


def refused(url: str, monkeypatch: pytest.MonkeyPatch, *hosts: str, **more: str) -> str:
    """Return why a token is not sent to the database at a URL, "" where it would be."""
    for name, value in {"PGPASSWORD": token(), **more}.items():
        monkeypatch.setenv(name, value)
    try:
        database_at(f"postgresql+psycopg://two@{url}", token_hosts=hosts).close()
    except InputError as error:
        return error.what
    return ""


APPLICATION = "123cd850-d9df-40bd-94d5-c9f07b7fa203"
"""The id of the application of Azure's databases, which tokens of version 2.0 have as the audience."""
AZURE = "x.postgres.database.azure.com"


@pytest.mark.parametrize(
    ("audience", "issuer", "host"),
    [
        (PUBLIC, "", AZURE),
        (PUBLIC, "", "X.Postgres.Database.Azure.com."),
        (PUBLIC, "", "x.private.postgres.database.azure.com"),
        (PUBLIC, "", "c-x.abc.postgres.cosmos.azure.com"),
        ("https://ossrdbms-aad.database.usgovcloudapi.net", "", "x.postgres.database.usgovcloudapi.net"),
        ("https://ossrdbms-aad.database.chinacloudapi.cn", "", "x.postgres.database.chinacloudapi.cn"),
        (APPLICATION, "https://login.microsoftonline.us/t/v2.0", "x.postgres.database.usgovcloudapi.net"),
    ],
)  # fmt: skip
def test_a_token_goes_to_servers_of_its_cloud(
    audience: str, issuer: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"PGPASSWORD": token(audience, issuer)}
    assert refused(f"{host}/two{CHECKED}", monkeypatch, **given) == ""
    other = AZURE if "azure.com" not in host.lower() else "x.postgres.database.usgovcloudapi.net"
    assert refused(f"{other}/two{CHECKED}", monkeypatch, **given) != ""


@pytest.mark.parametrize(
    "url",
    [
        "db.example/two",
        "postgres.database.azure.com/two",
        "xpostgres.database.azure.com/two",
        f"{AZURE}.evil.example/two",
        f"{AZURE}/two?host=evil.example",
        f"/two?host={AZURE}&host=evil.example",
        f"/two?host={AZURE},evil.example",
        f"/two?host={AZURE},",
        f"{AZURE}/two?hostaddr=203.0.113.7",
        f"{AZURE}/two?conninfo=hostaddr%3D203.0.113.7",
        f"{AZURE}/two?service=evil",
        f"/two?host=/tmp/.{AZURE}",
        f"/two?host=@{AZURE}",
        f"evil.example%00.{AZURE}/two",
        "/two",
    ],
)
def test_no_spelling_of_another_host_gets_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = f"{url}{CHECKED.replace('?', '&') if '?' in url else CHECKED}"
    assert refused(checked, monkeypatch) != ""


@pytest.mark.parametrize(
    ("name", "value"), [("PGHOSTADDR", "203.0.113.7"), ("PGSERVICE", "evil"), ("PGHOST", "evil.example")]
)
def test_a_variable_of_the_driver_does_not_choose_another_host(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = "" if name == "PGHOST" else AZURE
    assert refused(f"{host}/two{CHECKED}", monkeypatch, **{name: value}) != ""


def test_the_host_that_a_variable_of_the_driver_names_is_checked_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refused(f"/two{CHECKED}", monkeypatch, PGHOST=AZURE) == ""


def test_a_server_whose_certificate_is_not_checked_gets_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "certificate" in refused(f"{AZURE}/two", monkeypatch)
    assert "certificate" in refused(f"{AZURE}/two?sslmode=require", monkeypatch)
    assert refused(f"{AZURE}/two", monkeypatch, PGSSLMODE="verify-full") == ""


def test_a_token_whose_cloud_is_not_known_goes_to_named_hosts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    issued = token("https://evil.example", "https://sts.windows.net/t/")
    for given in ({"PGPASSWORD": issued}, {"PGPASSWORD": "opaque", "TWOLOCKS_POSTGRES_SCOPE": "x"}):
        assert refused(f"{AZURE}/two{CHECKED}", monkeypatch, **given) != ""
        assert refused(f"{AZURE}/two{CHECKED}", monkeypatch, AZURE.upper(), **given) == ""
        assert refused(f"db.example/two?host={AZURE}", monkeypatch, "db.example", **given) != ""


def test_a_token_in_the_url_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql+psycopg://two:{token()}@db.example/two"
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(InputError, match=r"db\.example"):
        database_at(url)
