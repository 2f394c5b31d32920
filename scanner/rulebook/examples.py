"""Examples of rules: `cases/<service>.toml`, or the file of rows of the service, read into bundles.

    [[base]]                        what a healthy resource of a type looks like; cases of the type start from it
    type = "Microsoft.Storage/storageAccounts"
    name = "..."                    makes it a case too, with `expect` and the other keys of one
    [base.body]
    [[base.child]]                  path below the resource, and the members of its body
    path = "blobServices/default"

    [[case]]
    name = "an anonymous container behind an open firewall"
    type = "Microsoft.Storage/storageAccounts"                  may be left out where the file has one base
    expect = { storage-anonymous-blob-access = "fail" }         the worst status over the resource and its children
                                                                "ml-*": the rules of the type that are not named.
                                                                A renamed rule may be named by an old id
    exposures = { blob = "shared internet" }
    gaps = ["blobServices/default/containers"]                  reads that were refused
    by = "graph"                                                a thin record; "import": its children too; default "get"
    networks = ["203.0.113.0/24"]                               the organisation's own
    read = false                                                nothing was read below it
    missing = ["Microsoft.Network/..."]                         types of the index that could not be read
    body.properties.x = 1                                       merged into the base; "ABSENT" takes it away, "NULL"
    [[case.child]]                                              replaces the base's child of the same path
    [[case.also]]                                               resources of the index, with their id
    parts = ["network"]                                         more of them, by the names of [[part]] tables; one with
                                                                the id of the resource is merged into its body

    [safe]                          where a missing or unknown value may pass: "rule" or "rule:path" = source
    [never]                         "rule:status" = why no resource can have it, so that no example shows it

Lists that no child is given for were read and are empty; single reads that no child is given for were not read, but for
those in `none`, of which Azure said that there is none. An exposure is "authentication reach", with "app" in front
where it is an app, and "may authentication reach" behind it where an unread part may add something. Its severity
follows by the table of `scanner.model.levels`; what limits it for this endpoint stands behind a comma: "lowered by 1",
"at most low", "at most low up to private", "closed up to selected". In texts "~/" stands for
the providers of a resource group of networks.
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.errors import InputError, nearest
from scanner.model.ids import SUBSCRIPTION as SUBSCRIPTION_TYPE
from scanner.model.ids import bundle_of
from scanner.model.resource import Bundle, Gap, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.rulebook.row_files import EXAMPLE_TABLES
from scanner.text.toml import text_of, toml_tables

SUBSCRIPTION = "5a000000-0000-4000-8000-000000000001"


class Case(Struct):
    """One example, ready to be evaluated."""

    file: str
    name: str
    type: str
    body: dict[str, Any]
    children: dict[str, dict[str, Any]]
    expect: dict[str, str] = field(default_factory=dict)
    exposures: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    none: list[str] = field(default_factory=list)
    by: str = "get"
    networks: list[str] = field(default_factory=list)
    also: list[dict[str, Any]] = field(default_factory=list)
    live: bool = True
    missing: list[str] = field(default_factory=list)
    read: bool = True
    """Whether lists without children were read, and are empty."""

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


class CaseFile(Struct, frozen=True):
    """The cases of a file, its `safe` and `never` tables, and the healthy resource of each type (lower case)."""

    cases: tuple[Case, ...] = ()
    safe: dict[str, str] = field(default_factory=dict)
    never: dict[str, str] = field(default_factory=dict)
    healthy: dict[str, Case] = field(default_factory=dict)


_BEGIN = re.compile(r"^\[\[(?:base|case)\]\]", re.MULTILINE)


def has_examples(path: Path) -> bool:
    """Return whether a file of rows has examples, too."""
    return _BEGIN.search(path.read_text("utf-8", errors="replace")) is not None


def read_cases(path: Path, *, beside_rows: bool = False) -> CaseFile:
    """Return the examples of a file. Raise InputError where it is not one.

    `beside_rows`: it is a file of rows, whose other tables are rules.
    """
    try:
        text = text_of(path)
        parsed = toml_tables(text.replace('"~/', f'"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-net/providers/'))
        if beside_rows:
            parsed = {name: parsed[name] for name in EXAMPLE_TABLES & parsed.keys()}
        return _file(path.stem, parsed)
    except (OSError, ValueError) as error:
        raise InputError(f"a file of examples was not loaded: {error}", at=str(path), do="fix it") from None
    except (KeyError, TypeError, AttributeError) as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"a file of examples was not loaded: {what}", at=str(path), do="fix it") from None


def with_rules(file: CaseFile, rules: Mapping[str, Rule]) -> CaseFile:
    """Return the file with the rules that its patterns mean, and each rule under the id that it has now.

    A pattern or an id that means no rule stays as it is. Raise InputError where an example names a rule by two ids.
    """
    by_old_id = _by_old_id(rules)
    return replace(
        file,
        cases=tuple(replace(case, expect=_expected(case, rules, by_old_id)) for case in file.cases),
        safe={_now(key, by_old_id): source for key, source in file.safe.items()},
        never={_now(key, by_old_id): reason for key, reason in file.never.items()},
    )


def _by_old_id(rules: Mapping[str, Rule]) -> dict[str, list[Rule]]:
    """Return the renamed rules by each of their old ids. An id of a rule that became a part of another one is none."""
    result: dict[str, list[Rule]] = {}
    for rule in rules.values():
        for old in rule.aliases:
            result.setdefault(old, []).append(rule)
    return result


def _now(key: str, by_old_id: Mapping[str, Sequence[Rule]], type: str = "") -> str:
    """Return ID or ID:MORE with the id that the rule has now: of several rules that for a type."""
    id, colon, more = key.partition(":")
    renamed = by_old_id.get(id, ())
    fitting = (rule for rule in renamed if _is_of(rule, type))
    rule = next(fitting, renamed[0] if renamed else None)
    return f"{rule.id if rule else id}{colon}{more}"


def _is_of(rule: Rule, type: str) -> bool:
    return type.lower() in map(str.lower, rule.resource_type.types)


def _expected(case: Case, rules: Mapping[str, Rule], by_old_id: Mapping[str, Sequence[Rule]]) -> dict[str, str]:
    result: dict[str, str] = {}
    for id, status in case.expect.items():
        now = _now(id, by_old_id, case.type)
        if now != id and (now in result or now in case.expect):
            raise InputError(
                f'"{id}" is the rule "{now}", which the example names too', at=case.id, do=f'leave out "{id}"'
            )
        result[now] = status
    for pattern in [id for id in result if "*" in id]:
        of_type = [rule.id for rule in rules.values() if _is_named(rule, pattern) and _is_of(rule, case.type)]
        if of_type:
            status = result.pop(pattern)
            result = {**dict.fromkeys(of_type, status), **result}
    return result


def _is_named(rule: Rule, pattern: str) -> bool:
    """Return whether a pattern means a rule, by its id or by one that it had."""
    return any(fnmatchcase(id, pattern) for id in (rule.id, *rule.aliases))


def _file(stem: str, parsed: dict[str, Any]) -> CaseFile:
    for name in parsed.keys() - EXAMPLE_TABLES:
        near = nearest(name, sorted(EXAMPLE_TABLES), 1)
        raise ValueError(f'unknown table "{name}"' + (f" (nearest: {near[0]})" if near else ""))
    bodies = {entry["name"]: entry["body"] for entry in parsed.get("part", [])}
    for raw in (*parsed.get("base", []), *parsed.get("case", [])):
        raw["also"] = [*(bodies[name] for name in raw.pop("parts", [])), *raw.get("also", [])]
    bases = {base["type"].lower(): base for base in parsed.get("base", [])}
    types = [base["type"] for base in bases.values()]
    only = {"type": types[0]} if len(types) == 1 else {}
    cases = [base for base in bases.values() if "name" in base]
    cases += [{**only, **raw} for raw in parsed.get("case", [])]
    return CaseFile(
        tuple(_case(stem, raw, bases) for raw in cases),
        parsed.get("safe", {}),
        parsed.get("never", {}),
        {type: _case(stem, {"name": "healthy", "type": base["type"]}, bases) for type, base in bases.items()},
    )


def _case(file: str, raw: dict[str, Any], bases: dict[str, Any]) -> Case:
    base = nulls(bases.get(raw["type"].lower(), {}))
    body = merged(base.get("body", {}), raw.get("body", {}))
    children = {child["path"]: _child(child) for child in base.get("child", [])}
    for child in raw.get("child", []):
        children[child["path"]] = merged(children.get(child["path"], {}), _child(child))
    gaps = raw.get("gaps", [])
    children = {path: child for path, child in children.items() if not _below(path, [*gaps, *raw.get("none", [])])}
    keys = ("expect", "exposures", "none", "by", "networks", "also", "live", "missing", "read")
    return Case(
        file, raw["name"], raw["type"], body, children, gaps=gaps, **{key: raw[key] for key in keys if key in raw}
    )


def _below(path: str, gaps: list[str]) -> bool:
    return any(path == gap or path.rsplit("/", 1)[0] == gap for gap in gaps)


def _child(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key != "path"}


def merged(base: Any, over: Any) -> Any:
    """Return `over` laid on `base`, tables member by member; "ABSENT" takes a member away, "NULL" is null."""
    if isinstance(base, dict) and isinstance(over, dict):
        out = {key: copy.deepcopy(value) for key, value in base.items()}
        for key, value in over.items():
            if value == "ABSENT":
                out.pop(key, None)
            else:
                out[key] = merged(out.get(key), value)
        return out
    return nulls(over)


def nulls(value: Any) -> Any:
    """Return a copy of a value with null for each "NULL", and without the members that are "ABSENT"."""
    if isinstance(value, dict):
        return {key: nulls(each) for key, each in value.items() if each != "ABSENT"}
    if isinstance(value, list):
        return [nulls(each) for each in value]
    return None if value == "NULL" else copy.deepcopy(value)


def resource_id(type: str, name: str) -> str:
    """Return the id of a resource of a type, in the resource group of the examples."""
    if type == SUBSCRIPTION_TYPE:
        return f"/subscriptions/{SUBSCRIPTION}"
    namespace, *segments = type.split("/")
    names = [*(f"{name}-{segment.lower()}" for segment in segments[:-1]), name]
    path = "/".join(f"{segment}/{each}" for segment, each in zip(segments, names, strict=True))
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-example/providers/{namespace}/{path}"


def bundle(case: Case, kinds: Iterable[ResourceType]) -> Bundle:
    """Return the bundle that a collection of the example's resource, of these resource types, would make."""
    name = case.body.get("name", "example")
    id = resource_id(case.type, name)
    made = Bundle(bundle_of(id))
    top = {"id": id, "name": name, "type": case.type, "location": "norwayeast", **case.body}
    for extra in (each for each in case.also if str(each.get("id")).lower() == id.lower()):
        top = merged(top, extra)
    made.add(Resource(top, api="", by=case.by, bundle=made))  # type: ignore[arg-type]
    for path, body in sorted(case.children.items()):
        child = {"id": f"{id}/{path}", "name": path.rsplit("/", 1)[-1], **body}
        by = "import" if case.by == "import" else "get"
        made.add(Resource(child, api="", by=by, bundle=made))  # type: ignore[arg-type]
    _reads(case, made, id, kinds)
    return made


def _reads(case: Case, made: Bundle, id: str, kinds: Iterable[ResourceType]) -> None:
    for path in case.gaps:
        url = f"{id}/{path}"
        made.gaps[url.lower()] = Gap(url, 403, "AuthorizationFailed", "an/action")
    for path in case.none:
        made.reads[f"{id}/{path}".lower()] = 0
    if case.read:
        add_reads(made, id, kinds)


def add_reads(made: Bundle, id: str, kinds: Iterable[ResourceType]) -> None:
    """Count the resources of each list below a resource, as a collection that read all of them does."""
    for kind in kinds:
        for child in kind.children:
            for parent in _parents_of(child, made, id):
                url = f"{parent}/{child.path}".lower()
                present = url in made.resources if child.one else child.needed(made.resources[parent.lower()])
                if present and url not in made.gaps:
                    made.reads.setdefault(url, len(made.below.get(url, ())))


def _parents_of(child: Read, made: Bundle, id: str) -> list[str]:
    if isinstance(child.parent, ResourceType):
        return [id]
    result = []
    for grand in _parents_of(child.parent, made, id):
        url = f"{grand}/{child.parent.path}".lower()
        single = [url] if url in made.resources else []
        result += single if child.parent.one else [each.id for each in made.below.get(url, ())]
    return result
