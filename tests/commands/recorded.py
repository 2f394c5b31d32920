"""Runs `az` commands of fixes with the real Azure CLI against a recording stand-in of Azure Resource Manager.

    .venv/bin/python -m tests.commands.recorded_cases | .venv-az/bin/python tests/commands/recorded.py

Each case brings the bodies of its resources; the stand-in serves and changes them as the CLI asks. The bodies must then
hold what the overlay of the fix holds. `recorded.json` lists rules, or single fixes, where that fails, and why.
Needs only the environment of the Azure CLI: nothing of the scanner is imported.
"""

import contextlib
import copy
import datetime as dt
import io
import ipaddress
import json
import os
import re
import shlex
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TENANT = "7e000000-0000-4000-8000-000000000001"
API = "2025-01-01"


RETURNED: dict[str, Any] = {
    "microsoft.operationalinsights/workspaces": {
        "properties": {"features": {"enableLogAccessUsingOnlyResourcePermissions": True}}
    },
    "microsoft.containerservice/managedclusters": {
        "identity": {"type": "SystemAssigned"},
        "properties": {"servicePrincipalProfile": {"clientId": "msi"}, "agentPoolProfiles": [], "dnsPrefix": "box"},
    },
    "microsoft.documentdb/databaseaccounts": {
        "properties": {
            "consistencyPolicy": {
                "defaultConsistencyLevel": "Session", "maxStalenessPrefix": 100, "maxIntervalInSeconds": 5
            },
            "locations": [{"locationName": "norwayeast", "failoverPriority": 0}],
        }
    },
}  # fmt: skip
"""What Azure returns besides, and a command needs."""


class Arm:
    """The bodies of one case, by id in lower case, and the requests that changed them."""

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {}
        self.seen: list[str] = []
        self.kinds: list[str] = []

    def load(self, bodies: dict[str, Any]) -> None:
        self.bodies = {}
        self.seen = []
        for id, body in bodies.items():
            made = {"name": id.rsplit("/", 1)[-1], "location": "norwayeast", **body, "id": id}
            made.setdefault("type", kind(id))
            if kind(id).lower() in RETURNED:
                made = merged(RETURNED[kind(id).lower()], made)
            self.bodies[id.lower()] = made
        self.kinds = [kind(id) for id in bodies]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return status and body of a request."""
        key = path.lower().rstrip("/")
        if method != "GET":
            self.seen.append(f"{method} {path} {json.dumps(body)[:300]}")
        if method == "GET":
            return self.get(key, path)
        if method == "DELETE":
            self.mirror(key, None)
            return (200, {}) if self.bodies.pop(key, None) is not None else (204, {})
        if method in ("PUT", "PATCH") and isinstance(body, dict):
            known = self.bodies.get(key, {"id": path, "name": path.rsplit("/", 1)[-1], "type": kind(path)})
            made = merged(known, body) if method == "PATCH" else {**known, **body}
            if method == "PUT" and isinstance(body.get("properties"), dict):
                made["properties"] = merged(read_only(known.get("properties")), body["properties"])
            self.bodies[key] = made
            self.mirror(key, made)
            return 200, made
        return 200, self.bodies.get(key, {})

    def mirror(self, key: str, made: Any) -> None:
        """Write a child that its parent lists too: security rules, peerings, connections."""
        for parent in [id for id in self.bodies if key.startswith(f"{id}/")]:
            name, _, rest = key[len(parent) + 1 :].partition("/")
            items = next((v for k, v in self.bodies[parent].get("properties", {}).items() if k.lower() == name), None)
            if isinstance(items, list) and "/" not in rest:
                same = [each for each in items if isinstance(each, dict) and str(each.get("name", "")).lower() == rest]
                for each in same:
                    if made is None:
                        items.remove(each)
                    else:
                        items[items.index(each)] = {**each, "properties": made.get("properties")}

    def shows(self, key: str, bodies: dict[str, Any]) -> bool:
        """Return whether the body of a parent has a child in a list of properties."""
        parent, name, own = key.rsplit("/", 2)
        items = member(bodies.get(parent), f"properties.{name}")
        return isinstance(items, list) and any(str(member(each, "name")).lower() == own for each in items)

    def get(self, key: str, path: str) -> tuple[int, Any]:
        if key in self.bodies:
            return 200, self.bodies[key]
        provider = re.fullmatch(r"/subscriptions/[^/]+/providers/([^/]+)", path)
        if provider:
            known = [*self.kinds, *(kind(id) for id in self.bodies)]
            types = [
                each.split("/", 1)[1] for each in map(str.lower, known) if each.startswith(f"{provider[1].lower()}/")
            ]
            rows = [{"resourceType": each, "apiVersions": [API], "locations": []} for each in types_of(types)]
            return 200, {"namespace": provider[1], "registrationState": "Registered", "resourceTypes": rows}
        below = [body for id, body in self.bodies.items() if id.startswith(f"{key}/") and "/" not in id[len(key) + 1 :]]
        if below:
            return 200, {"value": below}
        listed = [
            body
            for body in self.bodies.values()
            if (body["id"].count("/") == 8 and key.endswith(body["type"].lower()))
            or (key.count("/") == 5 and key.endswith(f"/providers/{kind(body['id']).lower()}"))
        ]
        if listed:
            return 200, {"value": listed}
        return self.child(key)

    def child(self, key: str) -> tuple[int, Any]:
        """Return a child that only its parent's body lists."""
        for parent, body in self.bodies.items():
            if key.startswith(f"{parent}/"):
                name, _, rest = key[len(parent) + 1 :].partition("/")
                items = next((v for k, v in body.get("properties", {}).items() if k.lower() == name), None)
                for each in items if isinstance(items, list) else ():
                    if isinstance(each, dict) and str(each.get("name", "")).lower() == rest:
                        return 200, {"id": key, **each}
        return 404, {"error": {"code": "ResourceNotFound", "message": f"nothing at {key}"}}


def read_only(value: Any) -> dict[str, Any]:
    """Return nothing: a PUT replaces what can be written."""
    return {}


def kind(id: str) -> str:
    """Return the ARM type of an id."""
    tail = id.rpartition("/providers/")[2].split("/")
    return "/".join([tail[0], *tail[1::2]])


def types_of(types: list[str]) -> list[str]:
    return sorted({"/".join(each.split("/")[:depth]) for each in types for depth in range(1, each.count("/") + 2)})


def merged(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


def member(body: Any, path: str) -> Any:
    """Return the value below a dotted path whatever the case of its keys; None without one."""
    for step in path.split("."):
        if not isinstance(body, dict):
            return None
        body = next((value for key, value in body.items() if key.lower() == step.lower()), None)
    return body


def alike(seen: Any, wanted: Any) -> bool:
    """Return whether a body holds what is wanted: texts without case, more members than wanted."""
    if isinstance(wanted, dict):
        return isinstance(seen, dict) and all(alike(member(seen, key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(seen or []) == len(wanted) and all(map(alike, seen or [], wanted))
    numbers = [each for each in (seen, wanted) if isinstance(each, int | float) and not isinstance(each, bool)]
    return seen == wanted if len(numbers) == 2 else str(seen).lower() == str(wanted).lower()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for this machine; return it and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(1))
        .add_extension(alternatives, critical=False).add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, private = folder / "box.pem", folder / "box.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


def serve(arm: Arm, pem: Path, private: Path) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def reply(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(size)
            body = json.loads(text) if text else None
            path = re.sub("/{2,}", "/", unquote(urlsplit(self.path).path))
            status, made = arm.answer(self.command, path, body)
            data = b"" if status == 204 else json.dumps(made).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    for method in ("GET", "PUT", "PATCH", "POST", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler.reply)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Token:
    """A credential that asks nobody."""

    def get_token(self, *scopes: str, **more: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("token", int(time.time()) + 3600)

    def get_token_info(self, *scopes: str, **more: Any) -> Any:
        from azure.core.credentials import AccessTokenInfo

        return AccessTokenInfo("token", int(time.time()) + 3600)


def sign_in(folder: Path, subscriptions: set[str]) -> None:
    """Make the CLI use these subscriptions and the credential above."""
    from azure.cli.core._profile import Profile

    rows = [
        {
            "id": each, "name": each, "state": "Enabled", "isDefault": position == 0, "tenantId": TENANT,
            "homeTenantId": TENANT, "environmentName": "AzureCloud", "managedByTenants": [],
            "user": {"name": "box", "type": "servicePrincipal"},
        }
        for position, each in enumerate(sorted(subscriptions))
    ]  # fmt: skip
    (folder / "azureProfile.json").write_text(json.dumps({"subscriptions": rows, "installationId": TENANT}))

    def credentials(self: Any, *args: Any, subscription_id: str | None = None, **more: Any) -> Any:
        return Token(), subscription_id or rows[0]["id"], TENANT

    Profile.get_login_credentials = credentials
    Profile.get_raw_token = lambda self, *args, **more: (("Bearer", "token", {}), rows[0]["id"], TENANT)


def run(case: dict[str, Any], arm: Arm, url: str) -> str:
    """Run the commands of one case. Return "" where the bodies then hold what is wanted."""
    if problem := invoke(case["commands"], url):
        return problem
    for id, path, wanted in case["wanted"]:
        seen = member(arm.bodies.get(id.lower()), path)
        if not alike(seen, wanted):
            return f"{path} is {json.dumps(seen)[:150]}, not {json.dumps(wanted)[:150]}; sent: {arm.seen[-2:]}"
    left = [id for id in case["gone"] if id.lower() in arm.bodies]
    return f"still there: {left}" if left else ""


def invoke(commands: list[str], url: str) -> str:
    """Run commands, each in a CLI of its own; what one prints into a file is written there. Return the first error."""
    from azure.cli.core import get_default_cli

    output = io.StringIO()
    for command in parts_of(commands):
        words, file = shlex.split(command)[1:], ""
        if words[-2:-1] == [">"]:
            words, file = words[:-2], words[-1]
        cli = get_default_cli()
        cli.cloud.endpoints.resource_manager = url
        out = io.StringIO()
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(io.StringIO()):
            try:
                code = cli.invoke(words, out_file=out)
            except SystemExit as end:
                code = end.code
            except Exception as error:  # noqa: BLE001 - the CLI may raise anything
                return f"{type(error).__name__}: {str(error)[:300]}"
        if code:
            return f"exit {code}: {output.getvalue().strip()[:300]}"
        if file == CHECK and out.getvalue().strip() != "true":
            return f"the check answers {out.getvalue().strip()}"
        if file and file != CHECK:
            Path(file).write_text(out.getvalue(), "utf-8")
    return ""


CHECK = "check"
STOP = re.compile(r" \| grep -qx true \|\| \{ echo '[^']*' >&2; false; \} && ")
"""What stands between a check and its command, as in scanner/fix/checked.py."""


def parts_of(commands: list[str]) -> Iterator[str]:
    """Yield commands; of one behind a check, the check, whose output goes to CHECK, and then the command."""
    for command in commands:
        *checks, last = STOP.split(command)
        yield from (f"{each} > {CHECK}" for each in checks)
        yield last


def unstopped(case: dict[str, Any], arm: Arm, url: str) -> str:
    """Return a check that lets its command run although another entry came before those of its list, "" for none."""
    for command in case["commands"]:
        *checks, _ = STOP.split(command)
        for check in checks:
            arm.load({id: shifted(body) for id, body in case["bodies"].items()})
            if not invoke([f"{check} > {CHECK}"], url):
                return f"does not stop: {check}"
    return ""


def shifted(value: Any) -> Any:
    """Return a body with another entry at the start of each list."""
    if isinstance(value, dict):
        return {key: shifted(each) for key, each in value.items()}
    if isinstance(value, list):
        first = value[0] if value else "x"
        other = dict.fromkeys(first, "other") if isinstance(first, dict) else "other"
        return [other, *value]
    return value


def undone(case: dict[str, Any], arm: Arm, url: str, before: dict[str, Any]) -> str:
    """Run the undo of one case, whose fix ran. Return "" where the bodies are then what they were before it."""
    if problem := invoke(case["undo"], url):
        return problem
    for id in sorted({*before, *arm.bodies}):
        if id not in before and arm.shows(id, before):
            continue  # the parent's body has it
        if (id in before) != (id in arm.bodies):
            return f"{id} is {'still there' if id in arm.bodies else 'still gone'}; sent: {arm.seen[-2:]}"
        wanted = [path.lower() for each, path, _ in case["wanted"] if each.lower() == id]
        was = before[id]
        for path, value in case["defaults"]:
            if member(was, path) is None and alike(member(arm.bodies[id], path), value):
                was = with_member(was, path, value)
        matches = list(differences(present(arm.bodies[id]), present(was)))
        # A model of the CLI leaves out what it does not know, which is nothing that the fix or the undo says.
        left = [
            each for each in matches if each[1] is not None or any(f"{each[0]}.".startswith(f"{p}.") for p in wanted)
        ]
        if left:
            return f"{id}: {'; '.join(f'{path} is {new}, and was {old}' for path, new, old in left)[:400]}"
    return ""


def with_member(body: Any, path: str, value: Any) -> Any:
    """Return a body with a value below a dotted path."""
    first, _, rest = path.partition(".")
    body = body if isinstance(body, dict) else {}
    key = next((key for key in body if key.lower() == first.lower()), first)
    return {**body, key: with_member(body.get(key), rest, value) if rest else value}


def present(value: Any) -> Any:
    """Return a body without what says nothing: null and empty members, which Azure returns or leaves out, and texts in
    lower case.
    """
    if isinstance(value, dict):
        result = {key.lower(): present(each) for key, each in value.items()}
        return {key: each for key, each in sorted(result.items()) if each not in (None, {}, [])}
    if isinstance(value, list):
        return [present(each) for each in value]
    return value.lower() if isinstance(value, str) else value


def differences(new: Any, old: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield path, new and old value of each member that differs."""
    if new == old:
        return
    if isinstance(new, dict) and isinstance(old, dict):
        for key in sorted({*new, *old}):
            yield from differences(new.get(key), old.get(key), f"{path}.{key}" if path else key)
    else:
        yield path, new, old


def listed_as(case: dict[str, Any], known: dict[str, str]) -> str:
    """Return the key under which a fix or its rule is listed, "" where it is not."""
    return next((case[each] for each in ("id", "rule") if case[each] in known), "")


@contextlib.contextmanager
def signed_in(subscriptions: set[str]) -> Iterator[tuple[Path, Arm, str]]:
    """Sign the Azure CLI in to a stand-in for Azure Resource Manager. Yield the folder of both, the stand-in and its
    address.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pem, private = certificate(folder)
        os.environ |= {
            "AZURE_CONFIG_DIR": name, "AZURE_CORE_COLLECT_TELEMETRY": "false", "AZURE_CORE_NO_COLOR": "true",
            "REQUESTS_CA_BUNDLE": str(pem), "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
        }  # fmt: skip
        arm = Arm()
        server = serve(arm, pem, private)
        sign_in(folder, subscriptions)
        yield folder, arm, f"https://127.0.0.1:{server.server_address[1]}/"


def main() -> int:
    cases = [json.loads(line) for line in sys.stdin]
    only = sys.argv[1:]
    known: dict[str, str] = json.loads((Path(__file__).parent / "recorded.json").read_text("utf-8"))
    unproven: dict[str, str] = json.loads((Path(__file__).parent / "undone.json").read_text("utf-8"))
    wrong, right, undos, listed, used = 0, 0, 0, set(), set()
    ids = {hit for case in cases for hit in re.findall(r"/subscriptions/([0-9a-f-]{36})", json.dumps(case))}
    with signed_in(ids) as (folder, arm, url):
        os.chdir(folder)
        for case in cases:
            if only and case["rule"] not in only:
                continue
            key = listed_as(case, known)
            if key and not only:
                listed.add(key)
                continue
            stopped = unstopped(case, arm, url)
            arm.load(case["bodies"])
            before = copy.deepcopy(arm.bodies)
            problem = stopped or invoke(case["save"], url) or run(case, arm, url)
            if not problem and case["undo"] and not case["words"]:
                problem = undone(case, arm, url, before)
                undos += not problem
                why = listed_as(case, unproven)
                if problem and why and not only:
                    used.add(why)
                    problem = ""
                problem = problem and f"not undone by {case['undo']}\n  {problem}"
            right += not problem
            wrong += bool(problem)
            if problem:
                print(f"{case['id']}\n  {case['commands']}\n  {problem}\n", flush=True)
    for key in [] if only else sorted(unproven.keys() - used):
        print(f"undone.json lists {key}, whose undo is proven")
        wrong += 1
    print(
        f"{right} fixes ran and changed what their overlay changes, {wrong} did not, {len(listed)} are listed; "
        f"{undos} were undone"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
