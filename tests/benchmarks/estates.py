"""`twolocks scan` over estates of everyday resources at 60 ms a call: one subscription, ten times as many, twenty.

    python -m tests.benchmarks.estates [NAME...]     A, B and C by default; prints figures as JSON
    python -m tests.benchmarks.estates deadlines NAME SECONDS...
                       what a scan with each deadline finds, where Azure limits reads as ARM does; 0: no deadline
    python -m tests.benchmarks.estates sight NAME
                       when a terminal shows critical endpoints, under the same limits, and how many
    python -m tests.benchmarks.estates ages NAME COUNT
                       the reads of as many daily scans with `--max-age low=7d`, and findings that need an earlier one
    python -m tests.benchmarks.estates until NAME SEVERITY...
                       the same of a scan with `--until`, and no deadline

A: one subscription of about 250 resources in two regions. B: ten times as many in one subscription. C: twenty
subscriptions like A. Each is scanned by the command as a user calls it (`scan`, `again`), and its GETs are then sent by
a bare concurrent reader (`bare`). The sandbox is a process of its own, and refuses nothing.
"""

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec

from scanner.model.ids import name_of, type_of
from scanner.sandbox.copies import GROUP
from scanner.sandbox.estate import Estate, load_estate
from tests.benchmarks.scan import bare
from tests.fleet.broker import ROOT
from tests.scan.answers import file_in, make_older

LATENCY = 0.06
DAY = 86_400
SOURCE, FIRST = "c4e0f7d2-7a31-4b8e-8d0c-91b6f2a3e5d4", "5b1d7c1e-0d2a-4c6b-9f53-2f6a1c0e7a10"
"""The subscriptions of the sample estate."""
MIX = {
    "Microsoft.Storage/storageAccounts": 50,
    "Microsoft.KeyVault/vaults": 10,
    "Microsoft.Sql/servers": 10,
    "Microsoft.DBforPostgreSQL/flexibleServers": 5,
    "Microsoft.DBforMySQL/flexibleServers": 3,
    "Microsoft.DocumentDB/databaseAccounts": 5,
    "Microsoft.Compute/virtualMachines": 10,
    "Microsoft.Compute/disks": 10,
    "Microsoft.Network/virtualNetworks": 5,
    "Microsoft.Network/networkSecurityGroups": 15,
    "Microsoft.Network/networkInterfaces": 20,
    "Microsoft.Network/publicIPAddresses": 10,
    "Microsoft.Network/privateEndpoints": 10,
    "Microsoft.Network/loadBalancers": 2,
    "Microsoft.Network/applicationGateways": 1,
    "Microsoft.Web/sites": 5,
    "Microsoft.ServiceBus/namespaces": 3,
    "Microsoft.EventHub/namespaces": 4,
    "Microsoft.ContainerRegistry/registries": 2,
    "Microsoft.ContainerService/managedClusters": 2,
    "Microsoft.Cache/redis": 2,
    "Microsoft.CognitiveServices/accounts": 2,
    "Microsoft.OperationalInsights/workspaces": 3,
    "Microsoft.Insights/components": 5,
}
"""How many resources of each type a subscription has."""
ESTATES = {"A": (1, 1), "B": (1, 10), "C": (20, 1)}
"""Subscriptions, and how many times the mix each of them has."""


def estate(subscriptions: int, times: int) -> Estate:
    """Return subscriptions with the mix, each resource a copy of one of the sample estate in a group of its own."""
    result = load_estate()
    bodies: dict[str, dict[str, list[Any]]] = {}
    tops = {each["id"].lower(): each for each in result.resources if type_of(each["id"]) in MIX}
    for top in tops:
        bodies.setdefault(type_of(tops[top]["id"]), {})[top] = []
    for each in result.resources:
        lower = each["id"].lower()
        top = next((top for top in _above(lower) if top in tops), None)
        if top is not None:
            bodies[type_of(tops[top]["id"])][top].append(each)
    (own,) = [each for each in result.subscriptions if each["subscriptionId"] == SOURCE]
    made: list[Any] = []
    names: list[Any] = []
    for number in range(subscriptions):
        id = str(uuid5(UUID(SOURCE), str(number)))
        copy = msgspec.json.decode(msgspec.json.encode(own).decode().replace(SOURCE, id))
        names.append({**copy, "displayName": f"sub-{number:03}", "view": "full"})
        groups = set()
        for type, count in MIX.items():
            kinds = list(bodies[type].items())
            for position in range(count * times):
                group = f"rg-{position % (10 * times)}"
                top, bundle = kinds[position % len(kinds)]
                name = name_of(tops[top]["id"])
                text = msgspec.json.encode(bundle).decode().replace(name, f"{name}{position}")
                if position % 2:
                    text = text.replace('"location":"norwayeast"', '"location":"norwaywest"')
                made += _moved(text, id, group)
                groups.add(group)
        made += [
            {"id": f"/subscriptions/{id}/resourceGroups/{group}", "name": group, "location": "norwayeast"}
            for group in sorted(groups)
        ]
    seen: dict[str, Any] = {each["id"].lower(): each for each in made}
    return Estate(result.tenant, names, list(seen.values()), grants=[], refusals=[], overrides={})


def _above(id: str) -> list[str]:
    """Return an id in lower case, and all that it is below."""
    segments = id.split("/")
    return ["/".join(segments[:end]) for end in range(len(segments), 0, -1)]


def _moved(text: str, subscription: str, group: str) -> list[Any]:
    for old in (FIRST, SOURCE):
        text = text.replace(old, subscription)
    moved = GROUP.sub(rf"\g<1>{group}", text)
    made: list[Any] = msgspec.json.decode(moved)
    return made


def serve(name: str, limited: bool) -> None:
    """Serve until standard input ends; print what a client needs first. `limited`: as ARM limits reads."""
    from scanner.sandbox.server import running, sandbox
    from scanner.sandbox.throttle import ThrottleLimits

    with running(sandbox(estate(*ESTATES[name]), latency=LATENCY, limits=ThrottleLimits() if limited else None)) as box:
        stated = {"url": box.url, "ca": str(box.ca_file), "environment": box.environment(), "token": box.token()}
        print(json.dumps(stated), flush=True)
        sys.stdin.read()


def environment(server: dict[str, Any], folder: Path) -> dict[str, str]:
    """Return the environment of a scan of a server."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        **server["environment"],
        "TWOLOCKS_SCAN_ARM_ENDPOINT": server["url"],
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def scan(server: dict[str, Any], folder: Path, *more: str) -> dict[str, Any]:
    """Return wall and CPU seconds, peak MB and requests of `twolocks scan`."""
    env = environment(server, folder)
    words = ["scan", "--out", "findings.json", *more]
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "scanner", *words], cwd=folder, env=env, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit": process.returncode,
        "wall_s": round(time.perf_counter() - began, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


@contextmanager
def served(name: str, limited: bool = False) -> Iterator[tuple[dict[str, Any], Path]]:
    """Serve an estate; yield what a client needs, and a folder to scan in."""
    with tempfile.TemporaryDirectory() as directory:
        words = [sys.executable, "-m", "tests.benchmarks.estates", "serve", name, "limited" if limited else "free"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as box:
            assert box.stdin is not None
            assert box.stdout is not None
            yield json.loads(box.stdout.readline()), Path(directory)
            box.stdin.close()


def measure(name: str) -> dict[str, Any]:
    """Return the figures of one estate."""
    with served(name) as (server, folder):
        figures: dict[str, Any] = {"scan": scan(server, folder, "--record", "requests.jsonl")}
        requests = _lines(folder / "requests.jsonl")
        figures["requests"] = len(requests)
        figures["again"] = [scan(server, folder) for _ in range(2)]
        paths = [each["path"] for each in requests if each["method"] == "GET"]
        figures["bare"] = [bare(server, paths) for _ in range(2)]
        document = msgspec.json.decode((folder / "findings.json").read_bytes())
        figures["resources"] = document["scan"]["resources"]
        figures["gaps"] = Counter(each["code"] for each in document["gaps"])
    return figures


def limited(name: str, *words: str) -> dict[str, Any]:
    """Return what a scan with these options finds under ARM's limits: critical endpoints, and reads by kind."""
    with served(name, limited=True) as (server, folder):
        figures = scan(server, folder, "--record", "requests.jsonl", *words)
        requests = _lines(folder / "requests.jsonl")
        answered = [each for each in requests if each["method"] == "GET" and each["status"] == 200]
        kinds = Counter(each["path"].split("?")[0].rstrip("/").rsplit("/", 1)[-1].lower() for each in answered)
        document = msgspec.json.decode((folder / "findings.json").read_bytes())
        exposures = document["exposures"]
        severe = Counter(each["severity"] for each in exposures if each["state"] == "open")
        return {
            **figures,
            "critical": severe["critical"],
            "high": severe["high"],
            "inconclusive": sum(each["status"] == "unknown" for each in document["findings"]),
            "reads": len(answered),
            "kinds": dict(kinds.most_common(12)),
        }


def sight(name: str) -> dict[str, Any]:
    """Return when a terminal shows critical endpoints, how many, and how many there are in the end."""
    with served(name, limited=True) as (server, folder):
        terminal, end = pty.openpty()
        env = {**environment(server, folder), "TERM": "xterm", "COLUMNS": "120"}
        words = [sys.executable, "-m", "scanner", "scan", "--out", "findings.json"]
        began, text, shown = time.perf_counter(), "", 0.0
        with subprocess.Popen(words, cwd=folder, env=env, stderr=end):
            os.close(end)
            # Linux ends what a terminal gives by EIO.
            with suppress(OSError):
                while data := os.read(terminal, 1 << 16):
                    text += data.decode("utf-8", "replace")
                    if not shown and "so far; the scan goes on" in text:
                        shown = time.perf_counter() - began
        os.close(terminal)
        counts = re.findall(r"(\d+) critical endpoints? so far", text)
        exposures = msgspec.json.decode((folder / "findings.json").read_bytes())["exposures"]
        return {
            "shown_after_s": round(shown, 1),
            "shown": int(counts[0]) if counts else 0,
            "critical": sum(each["state"] == "open" and each["severity"] == "critical" for each in exposures),
            "wall_s": round(time.perf_counter() - began, 1),
        }


def daily(name: str, count: int) -> Iterator[dict[str, Any]]:
    """Yield the requests of each of some daily scans, and how many findings need a read of an earlier one."""
    with served(name) as (server, folder):
        for day in range(1, count + 1):
            if day > 1:
                make_older(file_in(folder / ".cache"), DAY)
            figures = scan(server, folder, "--record", "requests.jsonl", "--max-age", "low=7d")
            document = msgspec.json.decode((folder / "findings.json").read_bytes())
            requests = len(_lines(folder / "requests.jsonl"))
            (folder / "requests.jsonl").unlink()
            aged = sum("read_at" in each for each in document["findings"])
            yield {"day": day, **figures, "requests": requests, "findings": len(document["findings"]), "aged": aged}


def _lines(path: Path) -> list[Any]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def main(words: list[str]) -> None:
    if words[:1] == ["serve"]:
        serve(words[1], limited=words[2] == "limited")
        return
    if words[:1] == ["deadlines"]:
        for seconds in words[2:]:
            given = ("--deadline", f"{seconds}s") if int(seconds) else ()
            print(json.dumps({words[1]: {seconds: limited(words[1], *given)}}), flush=True)
        return
    if words[:1] == ["until"]:
        for severity in words[2:]:
            print(json.dumps({words[1]: {severity: limited(words[1], "--until", severity)}}), flush=True)
        return
    if words[:1] == ["sight"]:
        print(json.dumps({words[1]: sight(words[1])}), flush=True)
        return
    if words[:1] == ["ages"]:
        for each in daily(words[1], int(words[2])):
            print(json.dumps({words[1]: each}), flush=True)
        return
    for name in words or ESTATES:
        print(json.dumps({name: measure(name)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
