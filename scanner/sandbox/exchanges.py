"""Serves recorded exchanges as they were."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from scanner.sandbox.errors import JSON, Answer, answer
from scanner.sandbox.world import SUBSCRIPTION

HOST = re.compile(rb"https://management\.(?:azure\.com|chinacloudapi\.cn)(?::443)?/")
DROPPED = {"content-length", "content-encoding", "transfer-encoding", "connection", "content-type"}


class Tape:
    """Recorded exchanges: `{"method", "url", "status", "headers", "body", "body_kind"?}`, url with path and query.

    Requests are found by method and by path and query without case; then by path alone, so that another api-version
    than the recorded one is answered too. Several recordings of one request are given in turn, the last for ever. A
    page that was not recorded is empty, and one that leads to itself (its token was taken out) is the last.
    """

    def __init__(self, exchanges: Iterable[Mapping[str, Any]]) -> None:
        self.exact: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.paths: dict[str, Mapping[str, Any]] = {}
        self.given: dict[str, int] = defaultdict(int)
        self.subscriptions: list[str] = []
        self.resources: dict[str, dict[str, Any]] = {}
        for exchange in exchanges:
            key = _key(str(exchange["method"]), str(exchange["url"]))
            self.exact[key].append(exchange)
            self.paths.setdefault(key.partition("?")[0], exchange)
            self._learn(str(exchange["url"]), exchange.get("body") if exchange["status"] == 200 else None)

    def _learn(self, url: str, body: Any) -> None:
        """Note the subscription, and the resources of the body: the fullest of each id."""
        found = SUBSCRIPTION.match(url.partition("?")[0].lower())
        if found and found[1] not in self.subscriptions:
            self.subscriptions.append(found[1])
        rows = body.get("value", [body]) if isinstance(body, dict) else body
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("id"), str):
                kept = self.resources.get(row["id"].lower(), {})
                self.resources[row["id"].lower()] = max(kept, row, key=lambda one: len(str(one)))

    def answer(self, method: str, path: str, query: str, base: str) -> Answer | None:
        """The recorded answer, or None where this was not recorded."""
        key = _key(method, f"{path}?{query}")
        several = self.exact.get(key)
        if several:
            exchange = several[min(self.given[key], len(several) - 1)]
            self.given[key] += 1
        elif "skiptoken" in query.lower() and key.partition("?")[0] in self.paths:
            return answer({"value": []})
        elif key.partition("?")[0] in self.paths:
            exchange = self.paths[key.partition("?")[0]]
        else:
            return None
        body = exchange.get("body")
        link = str(body.get("nextLink") or "") if isinstance(body, dict) else ""
        if "REDACTED" in link and _key("GET", f"/{link.split('/', 3)[-1]}") == key:
            exchange = {**exchange, "body": {**exchange["body"], "nextLink": None}}
        return played(exchange, base)


def played(exchange: Mapping[str, Any], base: str) -> Answer:
    """The recorded answer; ARM's address in it becomes the sandbox's, so that nextLink can be followed."""
    headers = {k: str(v) for k, v in (exchange.get("headers") or {}).items() if k.lower() not in DROPPED}
    kind, body = exchange.get("body_kind"), exchange.get("body")
    if kind == "empty":
        return Answer(int(exchange["status"]), b"", headers)
    if kind == "text":
        return Answer(int(exchange["status"]), str(body).encode(), headers, "text/plain; charset=utf-8")
    raw = HOST.sub(f"{base}/".encode(), msgspec.json.encode(body))
    return Answer(int(exchange["status"]), raw, headers, JSON)


def _key(method: str, url: str) -> str:
    path, _, query = url.partition("?")
    parts = sorted(part.lower() for part in query.replace("%24", "$").split("&") if part)
    return f"{method.upper()} {path.rstrip('/').lower()}?{'&'.join(parts)}"
