"""Answers requests as they were recorded."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from scanner.sandbox.errors import JSON, HttpAnswer, answer
from scanner.sandbox.paths import SUBSCRIPTION

HOST = re.compile(rb"https://management\.(?:azure\.com|chinacloudapi\.cn)(?::443)?/")
DROPPED = {"content-length", "content-encoding", "transfer-encoding", "connection", "content-type"}


class RecordedAnswers:
    """Recorded exchanges: `{"method", "url", "status", "headers", "body", "body_kind"?}`, url with path and query.

    A request is found by method, path and query without case, else by path alone, so that other api-versions than the
    recorded one are answered too. Several recordings of one request are given in turn, and the last one repeatedly. A
    page that was not recorded is empty. A page that leads to itself (its token was redacted) is the last one.
    """

    def __init__(self, exchanges: Iterable[Mapping[str, Any]]) -> None:
        self.exact: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.paths: dict[str, Mapping[str, Any]] = {}
        self.times: dict[str, int] = defaultdict(int)
        self.subscriptions: list[str] = []
        self.resources: dict[str, dict[str, Any]] = {}
        for exchange in exchanges:
            key = _key(str(exchange["method"]), str(exchange["url"]))
            self.exact[key].append(exchange)
            self.paths.setdefault(key.partition("?")[0], exchange)
            self._learn(str(exchange["url"]), exchange.get("body") if exchange["status"] == 200 else None)

    def _learn(self, url: str, body: Any) -> None:
        """Keep the subscription, and the resources of the body: of each id the one with the most text."""
        match = SUBSCRIPTION.match(url.partition("?")[0].lower())
        if match and match[1] not in self.subscriptions:
            self.subscriptions.append(match[1])
        rows = body.get("value", [body]) if isinstance(body, dict) else body
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("id"), str):
                kept = self.resources.get(row["id"].lower(), {})
                self.resources[row["id"].lower()] = max(kept, row, key=lambda one: len(str(one)))

    def answer(self, method: str, path: str, query: str, base: str) -> HttpAnswer | None:
        """Return the recorded answer, or None where the request was not recorded."""
        key = _key(method, f"{path}?{query}")
        several = self.exact.get(key)
        if several:
            exchange = several[min(self.times[key], len(several) - 1)]
            self.times[key] += 1
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


def played(exchange: Mapping[str, Any], base: str) -> HttpAnswer:
    """Return a recorded answer. ARM's address in it becomes the sandbox's, so that nextLink can be followed."""
    headers = {k: str(v) for k, v in (exchange.get("headers") or {}).items() if k.lower() not in DROPPED}
    kind, body = exchange.get("body_kind"), exchange.get("body")
    if kind == "empty":
        return HttpAnswer(int(exchange["status"]), b"", headers)
    if kind == "text":
        return HttpAnswer(int(exchange["status"]), str(body).encode(), headers, "text/plain; charset=utf-8")
    raw = HOST.sub(f"{base}/".encode(), msgspec.json.encode(body))
    return HttpAnswer(int(exchange["status"]), raw, headers, JSON)


def _key(method: str, url: str) -> str:
    path, _, query = url.partition("?")
    segments = sorted(segment.lower() for segment in query.replace("%24", "$").split("&") if segment)
    return f"{method.upper()} {path.rstrip('/').lower()}?{'&'.join(segments)}"
