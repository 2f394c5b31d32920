"""What fixes write in Bicep, and what the schema of each type has of it: `bicep_paths.json`.

    .venv/bin/python -m tests.rules.bicep_paths [SCHEMA]

writes the file. SCHEMA is a file of JSON lines, made of Azure/bicep-types-az: `type`, `api` and `paths`, by path: `t`
the kind, `v` the values, `open` whether others are allowed, `ro` read-only, `rq` required; of an object of several
kinds `disc`, the member that says which, and `by`, what each needs besides. Without it, it is that of TWOLOCKS_FACTS,
which does not say what is required: then what the file has of an object and of the entries of a list stays, and that of
a new one is written by hand. What the schema does not have is left out, so that `test_bicep.py` fails.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from scanner.evaluate.fixes import sample_bicep
from scanner.fix.sample_commands import below, sample
from scanner.model.ids import type_of
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.rulebook.derived import STRANGE
from tests.rules import examples, schema
from tests.rules.simulate import everything, fix_of

FILE = Path(__file__).parent / "bicep_paths.json"
BLOCK = re.compile(r"^resource \w+ '([^'@]+)@([^']+)' = (\{\n.*?^\})$", re.MULTILINE | re.DOTALL)
COMMON = ("name", "parent", "location", "tags", "identity", "sku", "kind", "zones")
"""Members of every resource, which the list of properties does not have."""
TOKEN = re.compile(
    r"'(?:[^'\\\n]|\\(?:[\\'nrt$]|u\{[0-9a-f]+\}))*'|json\('[^']*'\)|-?\d+(?![\w.])|[A-Za-z_][\w.]*(?:\([^()]*\))?(?:\.\w+)?"
    r"|[{}\[\]:/]"
)
ESCAPE = re.compile(r"\\(u\{([0-9a-f]+)\}|.)")
PLAIN = {"n": "\n", "r": "\r", "t": "\t"}

Facts = dict[str, dict[str, Any]]
Has = Callable[[str, str, str], bool]
"""Whether a type at an api-version has a path."""

BY_HAND: dict[tuple[str, str], dict[str, Any]] = {
    ("microsoft.alertsmanagement/actionrules", "2021-08-08"): {
        "properties": {"t": "Object", "rq": 0},
        "properties.enabled": {"t": "Boolean"},
    },
    ("microsoft.compute/galleries/images/versions", "2025-12-03"): {
        "properties": {"t": "Object", "rq": 0},
        "properties.publishingProfile": {"t": "Object", "rq": 0},
        "properties.publishingProfile.targetRegions": {"t": "Array"},
        "properties.publishingProfile.targetRegions[]": {"t": "Object"},
        "properties.publishingProfile.targetRegions[].name": {"t": "String", "rq": 1},
    },
    ("microsoft.dbforpostgresql/flexibleservers/administrators", "2025-08-01"): {
        "properties": {"t": "Object", "rq": 1},
        "properties.principalName": {"t": "String"},
        "properties.principalType": {"t": "Union", "v": ["Group", "ServicePrincipal", "Unknown", "User"], "open": True},
    },
    ("microsoft.sql/servers/databases/syncgroups", "2025-01-01"): {
        "properties": {"t": "Object", "rq": 0},
        "properties.usePrivateLinkConnection": {"t": "Boolean"},
    },
    ("microsoft.sql/servers/devopsauditingsettings", "2025-01-01"): {
        "properties": {"t": "Object", "rq": 0},
        "properties.isAzureMonitorTargetEnabled": {"t": "Boolean"},
        "properties.state": {"t": "Union", "v": ["Disabled", "Enabled"], "open": False, "rq": 1},
    },
    ("microsoft.logic/workflows", "2019-05-01"): {
        "properties.accessControl.triggers.sasAuthenticationPolicy": {"t": "Object", "rq": 0},
        "properties.accessControl.triggers.sasAuthenticationPolicy.state": {
            "t": "String",
            "v": ["Disabled", "Enabled"],
        },
    },
}
"""What the file of the schema lacks: azure-rest-api-specs, AlertProcessingRule and GalleryImageVersion;
azure-mgmt-postgresqlflexibleservers 3.0.0 AdministratorMicrosoftEntra; azure-mgmt-sql 4.0.0 SyncGroup and
ServerDevOpsAuditingSettings; Microsoft Learn, logic-apps/logic-apps-securing-a-logic-app, which sets
`sasAuthenticationPolicy` at this version."""


class Expression(str):
    """An expression that is no literal: its value is not known."""

    __slots__ = ()


class Reader:
    """Reads an expression as `scanner.fix.bicep.text` and rows write it."""

    def __init__(self, written: str) -> None:
        self.tokens = TOKEN.findall(written)

    def value(self) -> Any:
        token = self.tokens.pop(0)
        if token == "{":
            return dict(self.members())
        if token == "[":
            return list(self.items())
        if token.startswith("json("):
            return float(token[6:-2])
        known = {"true": True, "false": False, "null": None}
        if token in known:
            return known[token]
        if token.startswith("'"):
            return string(token)
        return int(token) if token.lstrip("-").isdecimal() else Expression(token)

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yield the members up to the closing brace. A key may be the path of a child."""
        while self.tokens[0] != "}":
            key = self._key()
            while self.tokens[0] == "/":
                self.tokens.pop(0)
                key += f"/{self._key()}"
            assert self.tokens.pop(0) == ":"
            yield key, self.value()
        self.tokens.pop(0)

    def _key(self) -> str:
        token = self.tokens.pop(0)
        assert token[0] not in "{}[]:/"
        return string(token) if token.startswith("'") else token

    def items(self) -> Iterator[Any]:
        while self.tokens[0] != "]":
            yield self.value()
        self.tokens.pop(0)


def string(token: str) -> str:
    assert "${" not in re.sub(r"\\.", "", token), "an interpolation runs what Azure returned"
    return ESCAPE.sub(lambda hit: chr(int(hit[2], 16)) if hit[2] else PLAIN.get(hit[1], hit[1]), token[1:-1])


class Written(NamedTuple):
    """A resource that Bicep writes, or a part of one: its type (lower case), its api-version and its body."""

    where: str
    type: str
    api: str
    body: dict[str, Any]


def of_blocks(where: str, bicep: str) -> Iterator[Written]:
    """Yield the resources of generated blocks."""
    for type, api, body in BLOCK.findall(bicep):
        members = re.sub(r"^  parent: \w+\n", "", body, flags=re.MULTILINE)
        yield Written(where, type.lower(), api, _own(Reader(members).value()))


def of_row(rule: Rule, has: Has) -> Iterator[Written]:
    """Yield what the Bicep of a row writes: members of the properties of what it is about, or of what its fix changes;
    or the path of a child, and members of it.
    """
    if not rule.fix.bicep:
        return
    tree = _own(Reader("{" + rule.fix.bicep + "}").value())
    of = rule.subject or rule.resource_type
    for kind in dict.fromkeys([of, *_changed(rule), *(each for each in _reads(rule) if each.is_extension)]):
        own = [f"properties.{each.lower()}" for each in tree if "/" not in each]
        if len(own) == len(tree) and all(has(kind.types[0].lower(), kind.api, each) for each in own):
            yield Written(rule.id, kind.types[0].lower(), kind.api, {"properties": tree})
            return
    for key, value in tree.items():
        child = next((each for each in _reads(rule) if _is_path(each, rule, key)), None)
        if child is None:
            yield Written(rule.id, of.types[0].lower(), of.api, {"properties": {key: value}})
        else:
            body = value if isinstance(value, dict) and "properties" in value else {"properties": value}
            yield Written(rule.id, child.types[0].lower(), child.api, _own(body))


def _own(body: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in body.items() if key not in COMMON}


def _reads(rule: Rule) -> tuple[Read, ...]:
    return (*rule.resource_type.children, *rule.reads)


def _is_path(child: Read, rule: Rule, key: str) -> bool:
    """Return whether a key is the path of a child, its first part, or a child with its name."""
    path, spelled = f"{child.path}/".lower(), f"{key}/".lower()
    is_own = child.parent in (rule.subject, rule.resource_type)
    return is_own and (path.startswith(spelled) or (not child.one and spelled.startswith(path)))


def _changed(rule: Rule) -> Iterator[ResourceType | Read]:
    """Yield what the changes of a fix are made in."""
    top = sample(rule.resource_type.type)
    subject = top if rule.subject is None else below(rule.subject, top)
    types = [type_of(each.resource).lower() for each in rule.fix.changes(subject, top)]
    kinds: tuple[ResourceType | Read, ...] = (rule.resource_type, *_reads(rule))
    yield from (each for type in types for each in kinds if type in map(str.lower, each.types))


def all_written(has: Has) -> list[Written]:
    """Return what the Bicep of every failing example, and of every rule, writes."""
    texts = {fix_of(each).bicep: each.id for each in everything()}
    texts |= {sample_bicep(rule): rule.id for rule in examples.all_rules()}
    blocks = [each for text, where in texts.items() for each in of_blocks(where, text)]
    return [*blocks, *(each for rule in examples.all_rules() for each in of_row(rule, has))]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every path of a value (lower case), those of objects and lists too."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key.lower()}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, f"{path}[]")


# What is wrong


def problems(facts: Facts, written: Written) -> Iterator[str]:
    """Yield what the schema of a type refuses of what is written."""
    known = facts.get(f"{written.type}@{written.api}", {})
    for path, value in leaves(written.body):
        fact = known.get(path)
        if fact is None:
            yield f"has no {path}: see tests.rules.bicep_paths"
        elif fact.get("ro"):
            yield f"{path} is read-only"
        elif not isinstance(value, Expression) and not is_of_kind(value, fact["t"]):
            yield f"{path} is {fact['t']}, not {json.dumps(value)}"
        elif isinstance(value, dict) and "rq" not in fact:
            yield f"{path}: look up which of its members are required"
        elif isinstance(value, dict) and path != "properties":  # the template has the others
            lacking = needed(fact, value) - {key.lower() for key in value}
            yield from (f"{path} needs {name}" for name in sorted(lacking))
        elif isinstance(value, str) and not is_open(value) and value.lower() not in values(fact, value):
            yield f"{path}: {value}"


def values(fact: dict[str, Any], value: str) -> set[str]:
    """Return the values (lower case) that a text may be; itself where any may stand there."""
    return {str(each).lower() for each in fact.get("v") or [value]}


def is_open(value: str) -> bool:
    """Return whether a text is for the user to fill in, or what an example of an unknown value has."""
    return isinstance(value, Expression) or "<" in value or value == STRANGE


KINDS: dict[type, str] = {
    dict: "Object",
    list: "Array",
    bool: "Boolean",
    int: "Integer",
    float: "Integer",
    str: "String",
}


def is_of_kind(value: Any, kind: str) -> bool:
    """Return whether a value may stand where the schema has a kind."""
    return value is None or "Any" in kind or KINDS[type(value)] in kind.split("/")


def needed(fact: dict[str, Any], value: dict[str, Any]) -> set[str]:
    """Return the members (lower case) without which Azure refuses an object."""
    names = set(fact.get("rq", ()))
    member = fact.get("disc", "")
    if member:
        which = next((each for key, each in value.items() if key.lower() == member), "")
        names |= {member, *fact.get("by", {}).get(str(which).lower(), ())}
    return names


@lru_cache
def known() -> Facts:
    """Return the facts of the file."""
    result: Facts = json.loads(FILE.read_text("utf-8"))
    return result


def is_known(type: str, api: str, path: str) -> bool:
    """Return whether the file has a path."""
    return path in known().get(f"{type}@{api}", {})


# The file


class Schema:
    """A schema by path in lower case."""

    def __init__(self, paths: dict[str, Any]) -> None:
        self.paths = {path.lower(): each for path, each in paths.items()}

    def fact(self, path: str, before: dict[str, Any]) -> dict[str, Any] | None:
        """Return what it has of a path; None where it has none. A map has any name. `before`: what the file has."""
        spelled = self.spelled(path)
        if spelled is None or spelled in ("any", "ro"):
            return {"t": "Any"} if spelled == "any" else {"ro": 1} if spelled else None
        if spelled not in self.paths:  # an entry of a list
            return before or {"t": "Any"}
        document = self.paths[spelled]
        kind = "/".join(each for each in document["t"].split("/") if each != "Union") or "String"
        fact: dict[str, Any] = {"t": kind.replace("DiscriminatedObject", "Object").replace("StringLiteral", "String")}
        if document.get("v") and not document.get("open"):
            fact["v"] = document["v"]
        if "Object" in fact["t"] or "Any" in fact["t"]:
            names = [each for each in self.members(spelled) if self.paths[f"{spelled}.{each}"].get("rq")]
            text = any("rq" in each for each in self.paths.values())
            fact |= {"rq": names} if text else {key: before[key] for key in ("rq", "disc", "by") if key in before}
            if text and document.get("disc"):
                by = {kind.lower(): sorted(map(str.lower, each)) for kind, each in document["by"].items()}
                fact |= {"disc": document["disc"].lower(), "by": by}
        return fact

    def members(self, path: str) -> Iterator[str]:
        """Yield the members of an object that can be written."""
        for each, document in self.paths.items():
            name = each.removeprefix(f"{path}.")
            if name != each and not {".", "*", "["} & set(name) and not document.get("ro"):
                yield name

    def spelled(self, path: str) -> str | None:
        """Return the path as the schema has it; "any" below what may be anything, "ro" where it is read-only."""
        known = ""
        for step in path.split("."):
            name = step.replace("[]", "")
            spelled = f"{known}.{name}".lstrip(".")
            if spelled not in self.paths:
                spelled = f"{known}.*"
            value = self.paths.get(spelled)
            if value is None:
                above = self.paths.get(known, self.paths.get(known.removesuffix("[]"), {}))
                return "any" if "Any" in above.get("t", "") else None
            if value.get("ro"):
                return "ro"
            known = spelled + "[]" * step.count("[]")
        return known


def main(file: str = "") -> int:
    if file:
        rows = [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]
        schemas = {(row["type"], row["api"]): row["paths"] or {} for row in rows}
    else:
        schemas = dict(schema.whole())
    if not schemas:
        print(f"{FILE.name} stays as it is: name the folder of the schema as FACTS", file=sys.stderr)
        return 0
    for key, more in BY_HAND.items():
        schemas[key] = {**schemas.get(key, {}), **more}
    made = {key: Schema(paths) for key, paths in schemas.items()}

    def has(type: str, api: str, path: str) -> bool:
        return (type, api) in made and made[type, api].spelled(path) is not None

    facts: Facts = {}
    for each in all_written(has):
        one = f"{each.type}@{each.api}"
        for path, _ in leaves(each.body):
            own = made.get((each.type, each.api))
            fact = None if own is None else own.fact(path, known().get(one, {}).get(path, {}))
            if fact is not None:
                facts.setdefault(one, {})[path] = fact
    text = ",\n".join(
        f'"{type}": {{\n'
        + ",\n".join(f"{json.dumps(path)}: {json.dumps(each)}" for path, each in sorted(document.items()))
        + "\n}"
        for type, document in sorted(facts.items())
    )
    FILE.write_text(f"{{\n{text}\n}}\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
