"""Small estates for questions from inside, as data: `cases/base.toml` with the changes of a case."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from scanner.evaluate.reach_answers import answers
from scanner.evaluate.reach_targets import ReachQuestion
from scanner.evaluate.run import Evaluation
from scanner.model.message import Message
from scanner.model.verdict import Unread
from scanner.reach.questions.answers import ReachAnswer
from scanner.rulebook.loader import RuleSet, load
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

_NO_PROPERTIES = ("type", "location", "sku", "id")
CASES = Path(__file__).parent / "cases"
GROUP = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers"
Estate = dict[str, dict[str, Any]]


def base() -> Estate:
    return tomllib.loads((CASES / "base.toml").read_text("utf-8"))


def cases() -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = tomllib.loads((CASES / "inside.toml").read_text("utf-8"))["case"]
    return result


@cache
def rules() -> RuleSet:
    return load(packages=False)


def changed(estate: Estate, case: dict[str, Any]) -> Estate:
    """The estate of a case: `set` is laid on properties, `add` are further resources, `drop` are gone.

    `lists` of a body are the lists below it that were read, by their path.
    """
    made = copy.deepcopy(estate)
    made.update(copy.deepcopy(case.get("add", {})))
    for name, properties in case.get("set", {}).items():
        _lay(made[name], properties)
    return {name: body for name, body in made.items() if name not in case.get("drop", ())}


def _lay(body: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if value == "absent":
            body.pop(name, None)
        elif isinstance(value, dict) and isinstance(body.get(name), dict):
            _lay(body[name], value)
        else:
            body[name] = value


def bodies(estate: Estate, whole: Estate) -> list[dict[str, Any]]:
    """The ARM bodies of an estate; ids are those of the whole one, so that what is gone is still named."""
    ids = {name: _id(name, body) for name, body in whole.items()}
    made = []
    for name, body in estate.items():
        if "type" not in body:
            continue
        own = {each: value for each, value in body.items() if each not in (*_NO_PROPERTIES, "lists")}
        if body["type"].lower().endswith("/virtualnetworks"):
            own["subnets"] = own.get(
                "subnets",
                [
                    {"id": ids[each], "name": each, "properties": {k: v for k, v in one.items() if k != "network"}}
                    for each, one in estate.items()
                    if "type" not in one and one.get("network") == name
                ],
            )
        whole_body = {"id": ids[name], "name": name, "type": body["type"], "properties": own}
        whole_body.update({each: body[each] for each in ("location", "sku") if each in body})
        made.append(whole_body)
    return [_resolved(each, ids) for each in made]


def _id(name: str, body: dict[str, Any]) -> str:
    if "id" in body:
        return str(body["id"])
    if "type" not in body:
        return f"{GROUP}/Microsoft.Network/virtualNetworks/{body['network']}/subnets/{name}"
    return f"{GROUP}/{body['type']}/{name}"


def _resolved(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, ids) for each in value]
    if isinstance(value, str) and value.startswith("@"):
        name, _, rest = value[1:].partition("/")
        return ids[name] + (f"/{rest}" if rest else "")
    return value


def asked(
    estate: Estate, whole: Estate, target: str, source: str, port: str, unread: Iterable[str] = ()
) -> list[ReachAnswer]:
    """The answers of `twolocks reach` on an estate. `unread`: types whose list was not read."""
    store = Store(Header(taken="2026-12-01T00:00:00Z", live=False))
    ids = {name: _id(name, body) for name, body in whole.items()}
    for each in bodies(estate, whole):
        store.resource(each, "2025-01-01", "list")
        for path, rows in estate[each["name"]].get("lists", {}).items():
            store.read(f"{each['id']}/{path}", len(rows))
            for name, properties in rows.items():
                row = {"id": f"{each['id']}/{path}/{name}", "properties": _resolved(properties, ids)}
                store.resource(row, "2025-01-01", "list")
    taken = of_store(store)
    evaluation = Evaluation(taken, rules())
    for type in unread:
        evaluation.index.missing[type.lower()] = Unread(type, Message("403, missing a permission"), "/gap")
    return answers(ReachQuestion(target, source, port), evaluation, list(taken.bundles()))


def answers_of(case: dict[str, Any]) -> list[ReachAnswer]:
    """The answers to the question of a case."""
    target, source, port = case["ask"]
    whole = base() | case.get("add", {})
    return asked(changed(base(), case), whole, target, source, port, case.get("unread", ()))
