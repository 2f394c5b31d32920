"""Hostile lists of subscriptions and tenants, and hostile metadata, each answered to a whole scan.

`python -m tests.azure.hostile_lists` prints the exit code of each, and what the scan says.
"""

import gc
import json
import re
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scanner.cycle_collector import without_cycle_collector
from scanner.sandbox.errors import HttpAnswer, answer
from scanner.sandbox.server import TENANT, endpoints, running
from tests.azure.hostile import HostileSandbox, Made, MadeBy, bomb, lazily, text
from tests.azure.hostile import json as whole
from tests.azure.requests import S1, S2
from tests.terminals import Ended, twolocks

SUBSCRIPTIONS, TENANTS, METADATA = "/subscriptions", "/tenants", "/metadata/endpoints"
OTHER = "bbbbbbbb-0000-0000-0000-00000000000b"
LIMITS = '[limits]\nlist-pages = 20\nlist-rows = 2000\nsubscriptions = 5\nlist-size = "64 MB"\n'
ESCAPES = "\x1b[2J\r\n##vso[task.complete result=Succeeded]\n::error::x\u202e\u0000"
Json = dict[str, Any]


def row(id: Any = S1, **more: Any) -> Json:
    return {"subscriptionId": id, "displayName": "prod", "state": "Enabled", "tenantId": TENANT, **more}


def rows(*result: Any, **more: Any) -> MadeBy:
    return whole({"value": list(result), **more})


def beside(id: Any) -> MadeBy:
    """A list of one subscription as it should be, and of one with this id."""
    return rows(row(), row(id))


def growing(box: HostileSandbox, query: str) -> Made:
    """Each page has another subscription, and links to the next one, for ever."""
    id = f"{S1[:-12]}{box.count:012}"
    return answer(
        {"value": [row(id)], "nextLink": f"{box.url}{box.path}?api-version=2022-12-01&$skiptoken={box.count}"}
    )


def endless(box: HostileSandbox, query: str) -> Made:
    return answer({"value": [], "nextLink": f"{box.url}{box.path}?api-version=2022-12-01&$skiptoken={box.count}"})


def then(second: MadeBy) -> MadeBy:
    """A first page as it should be, and this as the second one."""

    def made(box: HostileSandbox, query: str) -> Made:
        if "skiptoken" in query:
            return second(box, query)
        link = f"{box.url}{box.path}?api-version=2022-12-01&$skiptoken=x"
        return answer({"value": [row()], "nextLink": link})

    return made


IDS: dict[str, Any] = {
    "no GUID": "prod",
    "empty": "",
    "a path upwards": "../../x",
    "a path upwards behind an id": f"{S2}/../{S1}",
    "a path": f"{S2}/resourceGroups/rg",
    "a query": f"{S2}?x=1",
    "a fragment": f"{S2}#x",
    "%2f": f"{S2}%2f..%2f{S1}",
    "%2e%2e": "%2e%2e",
    "a backslash": f"{S2}\\..",
    "a host": "//127.0.0.1:TRAP/x",
    "a user": "x@127.0.0.1:TRAP/",
    "a URL": "https://127.0.0.1:TRAP/",
    "a line end": f"{S2}\r\nX-Header: 1",
    "a line end alone": f"{S2}\n",
    "a null": f"{S2}\x00",
    "digits of other scripts": S2.replace("0", "\u0660"),
    "blanks": f" {S2} ",
    "braces": f"{{{S2}}}",
    "a megabyte": "a" * (1 << 20),
    "a log command": ESCAPES,
    "a number": 7,
    "null": None,
    "true": True,
    "a list": [S2],
    "an object": {"id": S2},
}
"""Ids of a second subscription in the list."""

LISTS: dict[str, MadeBy] = {
    **{f"id: {name}": beside(id) for name, id in IDS.items()},
    "a row without an id": rows(row(), {"displayName": "x", "state": "Enabled"}),
    "one id twice, with another tenant": rows(row(), row(tenantId=OTHER)),
    "one id twice, with another state": rows(row(), row(state="Disabled")),
    "one id twice, in capitals": rows(row(), row(S1.upper())),
    "a state of another kind": rows(row(), row(S2, state=["Enabled"])),
    "an unknown state": rows(row(), row(S2, state=ESCAPES)),
    "no state": rows(row(), {"subscriptionId": S2, "displayName": "test"}),
    "rows of strings": rows(S1),
    "rows of nulls": rows(None),
    "rows of lists": rows([row()]),
    "value is null": whole({"value": None}),
    "value is an object": whole({"value": row()}),
    "an empty list": rows(),
    "an empty object": whole({}),
    "null": whole(None),
    "a number": whole(7),
    "no JSON": text("<html>"),
    "half of JSON": text('{"value": [{"subscriptionId": "'),
    "an error in 200": whole({"error": {"code": "##vso[x]", "message": ESCAPES}}),
    "status 403": whole({"error": {"code": "AuthorizationFailed", "message": ESCAPES}}, 403),
    "status 404": whole({"error": {"code": "NotFound", "message": "x"}}, 404),
    "a redirect": text(b"", 302, Location="https://127.0.0.1:TRAP/"),
    "a closed connection": lambda box, query: None,
    "endless pages": endless,
    "endless pages with subscriptions": growing,
    "more rows than the limit": rows(*[row(f"{S1[:-12]}{n:012}") for n in range(2001)]),
    "more subscriptions than the limit": rows(*[row(f"{S1[:-12]}{n:012}") for n in range(6)]),
    "gzip bomb": lazily(lambda: bomb(200), "gzip"),
    "deep arrays": text('{"value": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    "a link to another host": rows(row(), nextLink="https://127.0.0.1:TRAP/next"),
    "a link that is an object": rows(row(), nextLink={"href": "x"}),
    "a link to itself": lambda box, query: answer({"value": [row()], "nextLink": f"{box.url}{box.path}?{query}"}),
    "fewer rows than it counts": rows(row(), count={"type": "Total", "value": 2}),
    "the second page is refused": then(whole({"error": {"code": "AuthorizationFailed", "message": "x"}}, 403)),
    "the second page is no list": then(whole({"values": []})),
    "the second page has no end": then(text('{"value": [')),
    "the second page is null": then(whole(None)),
}
"""Answers to the list of subscriptions. None of them is a list that was read as a whole."""

REFUSALS: dict[str, MadeBy] = {
    "403": whole({"error": {"code": "AuthorizationFailed", "message": "x"}}, 403),
    "401": whole({"error": {"code": "InvalidAuthenticationTokenTenant", "message": "x"}}, 401),
    "404": whole({"error": {"code": "SubscriptionNotFound", "message": "x"}}, 404),
    "409": whole({"error": {"code": "Conflict", "message": "x"}}, 409),
    "no JSON": text("<html>"),
    "an empty object": whole({}),
    "a number": whole(7),
    "a redirect": text(b"", 302, Location="https://127.0.0.1:TRAP/"),
}
"""What a subscription that is listed answers to every read."""

NAMES: dict[str, Any] = {
    "log commands and escapes": ESCAPES,
    "a megabyte": "n" * (1 << 20),
    "a number": 7,
    "an object": {"a": ESCAPES},
    "the id of another one": S2,
    "a formula": "=1+1",
    "a script": "<script>alert(1)</script>",
}
"""Names of the one subscription, and of a tenant. They stop no scan, and print nothing but themselves."""

TENANT_LISTS: dict[str, MadeBy] = {
    **{f"name: {name}": rows({"tenantId": OTHER, "displayName": each}) for name, each in NAMES.items()},
    "ids of other kinds": rows(*({"tenantId": each, "displayName": "x"} for each in IDS.values())),
    "rows of strings": rows("x"),
    "null": whole(None),
    "no JSON": text("<html>"),
    "status 403": whole({"error": {"code": "x", "message": ESCAPES}}, 403),
    "endless pages": endless,
    "gzip bomb": lazily(lambda: bomb(200), "gzip"),
    "a link to another host": rows({"tenantId": OTHER}, nextLink="https://127.0.0.1:TRAP/next"),
}
"""Answers to the list of tenants, which names other tenants and nothing else."""


def metadata(**login: Any) -> MadeBy:
    """Metadata whose login is this; `SELF` stands for the sandbox."""

    def made(box: HostileSandbox, query: str) -> Made:
        message = json.dumps({**endpoints(box.url), "authentication": login}).replace("SELF", box.url)
        return HttpAnswer(200, message.encode())

    return made


PUBLIC = "https://login.microsoftonline.com/"
METADATAS: dict[str, MadeBy] = {
    "no JSON": text("<html>"),
    "empty": text(b""),
    "null": whole(None),
    "a number": whole(7),
    "a string": whole("https://127.0.0.1:TRAP/"),
    "a list of numbers": whole([1, 2]),
    "an empty list": whole([]),
    "an empty object": whole({}),
    "no login": whole({"authentication": None}),
    "login is a list": whole({"authentication": ["https://127.0.0.1:TRAP/"]}),
    "login is text": whole({"authentication": "https://127.0.0.1:TRAP/"}),
    "authority on another host": metadata(loginEndpoint="https://127.0.0.1:TRAP/", audiences=["SELF"]),
    "authority on this host": metadata(loginEndpoint="SELF", audiences=["SELF"]),
    "authority with http": metadata(loginEndpoint="http://127.0.0.1:TRAP/", audiences=["SELF"]),
    "authority with a user": metadata(loginEndpoint=f"https://login.microsoftonline.com@127.0.0.1:TRAP/{ESCAPES}"),
    "authority with a backslash": metadata(loginEndpoint="https://127.0.0.1:TRAP\\@login.microsoftonline.com/"),
    "authority with a dot at the end": metadata(loginEndpoint="https://login.microsoftonline.com./"),
    "authority in other letters": metadata(loginEndpoint="https://login.microsoft\u043enline.com/"),
    "authority with a port of letters": metadata(loginEndpoint="https://login.microsoftonline.com:abc/"),
    "authority with a broken IPv6 address": metadata(loginEndpoint="https://[::1/"),
    "authority is a number": metadata(loginEndpoint=7),
    "authority is a list": metadata(loginEndpoint=[PUBLIC]),
    "authority is empty": metadata(loginEndpoint=""),
    "authority of a megabyte": metadata(loginEndpoint="https://" + "a" * (1 << 20)),
    "authority with a file": metadata(loginEndpoint="file:///etc/passwd"),
    "audience of the public cloud": metadata(loginEndpoint=PUBLIC, audiences=["https://management.azure.com/"]),
    "audience of another host": metadata(loginEndpoint=PUBLIC, audiences=["https://127.0.0.1:TRAP/"]),
    "audience with line ends": metadata(loginEndpoint=PUBLIC, audiences=[ESCAPES]),
    "audience of a megabyte": metadata(loginEndpoint=PUBLIC, audiences=["https://" + "a" * (1 << 20)]),
    "audiences of numbers": metadata(loginEndpoint=PUBLIC, audiences=[7, None, {}]),
    "another endpoint of ARM": whole(
        {"resourceManager": "https://127.0.0.1:TRAP/", "authentication": {"loginEndpoint": "https://127.0.0.1:TRAP/"}}
    ),
    "deep arrays": text("[" * 50_000 + "]" * 50_000),
    "nesting beyond the limit": text('{"a":' * 105 + "1" + "}" * 105),
    "gzip bomb": lazily(lambda: bomb(200), "gzip"),
    "more bytes than the limit": lazily(lambda: b'{"x": "' + b"0" * (33 << 20) + b'"}'),
    "half of gzip": text(bomb(1)[:500], Content_Encoding="gzip"),
    "status 404": text("<title>x</title>", 404),
    "status 500": text(b"", 500),
    "a redirect": text(b"", 302, Location="https://127.0.0.1:TRAP/"),
    "a closed connection": lambda box, query: None,
    "no HTTP": lambda box, query: b"SSH-2.0-OpenSSH_9.6\r\n",
}
"""Answers of the metadata endpoint of another cloud. With none of them a scan begins."""


class ListSandbox(HostileSandbox):
    """A sandbox that answers one path, or everything below it, with what `made` returns. `TRAP`: the trap's port."""

    below = False
    trap = 0

    def is_hit(self, path: str) -> bool:
        start = self.path.lower()
        return path.lower().startswith(f"{start}/") if self.below else path.lower() == start


@contextmanager
def trap() -> Iterator[tuple[int, list[bytes]]]:
    """A port that nobody may connect to, and what it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    result, _ = listening.accept()
                except OSError:
                    return
                with result:
                    got.append(result.recv(4096))

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1], got
        listening.shutdown(socket.SHUT_RDWR)


def trapped(made: MadeBy, port: int) -> MadeBy:
    """The same, with the port of the trap filled in."""

    def filled(box: HostileSandbox, query: str) -> Made:
        result = made(box, query)
        if isinstance(result, HttpAnswer):
            result.body = result.body.replace(b"TRAP", str(port).encode())
            result.headers.update({name: each.replace("TRAP", str(port)) for name, each in result.headers.items()})
        return result

    return filled


def scan(
    path: str, made: MadeBy, *, below: bool = False, variables: dict[str, str] | None = None
) -> tuple[Ended, Json]:
    """Scan while a path answers so. Returns how the scan ended, with the subscriptions of its findings by id.

    Checks what holds for every answer: nothing connected to the trap, each path names subscriptions by GUID, and
    nothing in the log is a log command or a control character.
    """
    with trap() as (port, got), tempfile.TemporaryDirectory() as folder:
        box = ListSandbox([], [{"subscriptionId": S1, "displayName": "prod"}])
        box.path, box.below = path, below
        box.made = trapped(made, port)
        config, out = Path(folder) / "limits.toml", Path(folder) / "findings.json"
        config.write_text(LIMITS)
        words = ("scan", "--config", config, "--only", "type:Microsoft.KeyVault/vaults", "--fail-on", "never")
        with running(box):
            env = {**box.environment(), **(variables or {})}
            env = {name: each for name, each in env.items() if each}
            ended = twolocks(*words, "--out", out, env=env)
        assert got == []
        for asked in (each.path for each in box.requests if each.path.startswith("/subscriptions/")):
            assert re.match(r"/subscriptions/[0-9a-f-]{36}(/|$)", asked), asked
            assert ".." not in asked
        for line in ended.err.split("\n"):
            assert line.isprintable(), line
            assert "##vso" not in line
            assert not line.startswith("::")
        document = json.loads(out.read_text("utf-8")) if out.exists() else {}
    return ended, document


@contextmanager
def collected() -> Iterator[None]:
    """Run scans without the collector of cycles, which runs once at the end: it looks at all tests, for half a second.

    A scan that ends early leaves TLS connections half closed. Its process ends with them, this one goes on.
    """
    with without_cycle_collector():
        yield
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def said(ended: Ended) -> str:
    """The line of a log that says why: the gap, the error, or the end."""
    matches = [each for each in ended.err.splitlines() if re.match(r"(\S+ +)?(gap|error)", each)]
    return (matches or ended.err.splitlines()[-1:])[0][:160]


GROUPS: dict[str, tuple[str, dict[str, MadeBy]]] = {
    "subscriptions": (SUBSCRIPTIONS, LISTS),
    "refusals": (f"{SUBSCRIPTIONS}/{S1}", REFUSALS),
    "names": (SUBSCRIPTIONS, {name: rows(row(displayName=each)) for name, each in NAMES.items()}),
    "tenants": (TENANTS, TENANT_LISTS),
    "metadata": (METADATA, METADATAS),
}


def of(group: str, name: str) -> tuple[Ended, Json]:
    path, result = GROUPS[group]
    variables = {"AZURE_AUTHORITY_HOST": ""} if group == "metadata" else {}
    return scan(path, result[name], below=group == "refusals", variables=variables)


def main() -> None:
    """Print, for each answer, the exit code and what was said."""
    for group in sys.argv[1:] or GROUPS:
        for name in GROUPS[group][1]:
            with collected():
                ended, _ = of(group, name)
            print(f"{group}\t{name}\t{ended.code}\t{said(ended)}", flush=True)
    print(f"{sum(len(result) for _, result in GROUPS.values())} behaviours")


if __name__ == "__main__":
    main()
