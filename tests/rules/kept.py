"""`make paths`: writes which paths of each ARM type the built-in rules read, to `rules/kept.json`.

Rows name their paths. Those of Python code are noted while all examples, the examples that follow from rows, and the
sample estate are evaluated.
"""

import asyncio
import copy
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.examples import worst_statuses
from scanner.evaluate.policy import Policy
from scanner.evaluate.reach_answers import answers
from scanner.evaluate.reach_targets import ReachQuestion
from scanner.evaluate.results import BundleResult
from scanner.evaluate.run import Evaluation
from scanner.fix.undo import Undo
from scanner.model.ids import resource_type_of, type_of
from scanner.model.json_paths import MISSING, get_path, text_at, value_at
from scanner.model.kept import ENVELOPE, KeptPaths
from scanner.model.resource import Bundle, Resource
from scanner.model.verdict import Evidence
from scanner.rulebook.kept import FILE
from scanner.rulebook.loader import RuleSet
from scanner.rulebook.pinned_paths import pinned_name
from scanner.snapshot.bundles import of_store
from scanner.snapshot.store import Store
from tests.benchmarks.copies import collected
from tests.reach import inside
from tests.reach.compare import compare
from tests.reach.estates import Maker
from tests.real_input.recorded import stored
from tests.rules import examples, pinned
from tests.rules.examples import Case
from tests.rules.hostile import without
from tests.rules.mutated import Example, path_of
from tests.rules.traced import Log, TracedList, TracedObject, plain, traced

KEPT = Path(__file__).parents[2] / "rules" / FILE
MACHINE = "microsoft.compute/virtualmachines"
CALLERS = ("microsoft.compute/", "microsoft.network/")
CONNECTIONS = "properties.privateendpointconnections"
_OWN_FORM = re.compile(r"\.properties\.properties\.|\.registryprivate").search
"""Whether a type has its connections in a form of its own."""
PERIMETERS = "/networksecurityperimeterconfigurations"
ALIKE = (
    ("microsoft.web/sites", "microsoft.web/sites/slots"),
    ("microsoft.web/sites/config", "microsoft.web/sites/slots/config"),
)
"""Types with one body, and so with one list."""
_NETWORKS = "microsoft.network/virtualnetworks"
_SUBNETS = "properties.subnets[]."
_ENVELOPE = {path.partition(".")[0].lower() for path in ENVELOPE} - {"properties"} | {"tags"}


def written() -> str:
    """Return the text of the file: a type a line."""
    lines = [f"{json.dumps(type)}: {json.dumps(paths)}" for type, paths in sorted(read_paths().items()) if paths]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_paths() -> dict[str, list[str]]:
    """Return the paths that are read of each ARM type, in lower case."""
    logs: dict[str, Log] = defaultdict(set)
    lacking = _without()
    with tracing(logs):
        evaluate_examples()
        for example, key, body in lacking:
            example.statuses(key, body)
        evaluate_estate()
        for case in inside.cases():
            inside.answers_of(case)
        for seed in range(1, 21):
            list(compare(Maker(seed, doubtful=seed % 3 == 0), 3))
    result = {type: set(_paths(log)) for type, log in logs.items()}
    for type, listed in (*_listed(), *_hosts()):
        result.setdefault(type.lower(), set()).update(each.lower() for each in listed)
    subnets = {each.removeprefix(_SUBNETS) for each in result[_NETWORKS] if each.startswith(_SUBNETS)}
    result.setdefault(f"{_NETWORKS}/subnets", set()).update(subnets)
    for one, other in ALIKE:
        result[one] = result[other] = result[one] | result[other]
    _share(result, lambda type, path: CONNECTIONS if path.startswith(CONNECTIONS) and not _OWN_FORM(path) else "")
    _share(result, lambda type, path: PERIMETERS if type.endswith(PERIMETERS) else "")
    return {type: sorted(paths) for type, paths in result.items()}


def _listed() -> Iterator[tuple[str, list[str]]]:
    """Yield the paths that are listed by hand, by ARM type."""
    types: dict[str, str] = {}
    for kind in examples.rules().kinds:
        types |= {type.lower(): type for type in kind.types}
        for read in kind.children:
            if read.is_extension:
                continue  # it is pinned by its own type
            names = (pinned_name(type, read) for type in read.tops)
            types |= {name.lower(): own for name, own in zip(names, read.types, strict=True)}
    for name, entry in pinned.by_hand().items():
        yield types.get(name.lower(), name), [*entry.get("paths", ()), *entry.get("more", ())]


def _hosts() -> Iterator[tuple[str, list[str]]]:
    """Yield the paths of further host names, by ARM type: examples need not show each of them."""
    for kind in examples.rules().kinds:
        for host_path in (host_path for each in kind.endpoint_list for host_path in each.hosts):
            read, path = (kind, host_path) if isinstance(host_path, str) else host_path
            condition = re.search(r"^(.*)\[(\w+)=\w+\]", path)
            paths = [re.sub(r"\[\w+=\w+\]", "[]", path)] + ([f"{condition[1]}[].{condition[2]}"] if condition else [])
            for type in read.types:
                yield type, [each.removesuffix("[]") for each in paths]


def _share(result: dict[str, set[str]], group: Callable[[str, str], str]) -> None:
    """Give all types what is read of any, of the paths that one function reads for all of them."""
    whole: dict[str, set[str]] = defaultdict(set)
    for type, paths in result.items():
        for path in paths:
            whole[group(type, path)].add(path)
    for type, paths in result.items():
        for name in {group(type, path) for path in paths} - {""}:
            paths.update(whole[name])


def evaluate_examples() -> None:
    """Evaluate all examples, and those that follow from rows; ask what can be reached in those with machines."""
    followed = (case for rule in examples.all_rules() for case in examples.of_rule(rule))
    for case in (*examples.cases(), *followed):
        worst_statuses(examples.evaluation(case), examples.bundle(case))
        if case.type.lower() == MACHINE:
            bodies = [each.body for each in examples.bundle(case).resources.values()] + examples.nulls(case.also)
            _ask(stored([(body, "", "get") for body in bodies], read=True))


def _without() -> list[tuple[Example, str, Any]]:
    """Return examples with a body that lacks one of its values, once for each path of each type."""
    result: dict[tuple[str, str], tuple[Example, str, Any]] = {}
    for example in map(Example, examples.cases()):
        bodies: dict[str, Any] = {}
        for key, at in example.paths():
            body = bodies[key] if key in bodies else bodies.setdefault(key, example.body(key))
            property_path = resource_type_of(body["id"]).lower(), path_of(at)
            if property_path not in result:
                result[property_path] = (example, key, without(body, at))
    return list(result.values())


def evaluate_estate() -> None:
    """Evaluate the sample estate, and ask from outside and inside whether each endpoint in it can be reached."""
    rules = examples.rules()
    store = asyncio.run(collected(rules))
    with closing(store), closing(Writer()) as writer:
        Evaluation(of_store(store), rules, Policy()).run(writer)
        _ask(store)


def _ask(store: Store) -> None:
    rules, taken = examples.rules(), of_store(store)
    evaluation, bundles = Evaluation(taken, rules), list(taken.bundles())
    for question in _questions(bundles, rules):
        with suppress(InputError):
            answers(question, evaluation, bundles)


def _questions(bundles: Sequence[Bundle], rules: RuleSet) -> Iterator[ReachQuestion]:
    """Yield questions about one resource of each type, from one of each type, and about every machine."""
    judged = {type.lower() for kind in rules.kinds if kind.endpoint_function for type in kind.types}
    ids = [each.id for each in bundles]
    one_of_each = {type_of(id).lower(): id for id in ids}
    machines = [id for id in ids if type_of(id).lower() == MACHINE]
    for type, id in one_of_each.items():
        if type in judged:
            yield ReachQuestion(id, machines[0], "")
        if type.startswith(CALLERS):
            yield ReachQuestion(machines[0], id, "")
    for id in machines:
        yield ReachQuestion(id, machines[0], "")
        yield ReachQuestion(id, "internet", "tcp/22")


def _paths(log: Log) -> list[str]:
    matches = {path.lower().removesuffix("[]") for path in plain(log)}
    whole = {path.removesuffix(".**") for path in matches if path.endswith(".**")}
    return sorted(
        path
        for path in matches
        if path.split(".")[0].split("[")[0] not in _ENVELOPE
        and path != "properties"
        and not any(
            path == each or (path.startswith((f"{each}.", f"{each}[")) and path != f"{each}.**") for each in whole
        )
    )


class WholeEvidence(Evidence, frozen=True):
    """Evidence that notes all of a value that it shows as read."""

    def __post_init__(self) -> None:
        if isinstance(self.value, TracedObject | TracedList):
            self.value.note_whole()
        super().__post_init__()


@contextmanager
def tracing(logs: dict[str, Log]) -> Iterator[None]:
    """Note in `logs`, by type in lower case, what is looked up in the bodies of resources that are made meanwhile."""
    make = Resource.__init__

    def resource(self: Resource, body: dict[str, Any], **more: Any) -> None:
        if not isinstance(body, TracedObject):
            body = traced(body, logs[resource_type_of(text_at(body, "id")).lower()])
        make(self, body, **more)

    watched: dict[str, Callable[..., Any]] = {
        "get_path": partial(whole_path, get_path),
        "value_at": partial(whole_path, value_at),
        "Evidence": WholeEvidence,
        "undo_of": lambda *_: Undo(),  # it reads what a fix changes, and saves first what was not kept
    }
    modules = [vars(each) for name, each in sys.modules.items() if name.startswith("scanner.")]
    readers = [(each, name, each[name]) for each in modules for name in watched if name in each]
    Resource.__init__ = resource  # type: ignore[method-assign]
    for module, name, _ in readers:
        module[name] = watched[name]
    try:
        yield
    finally:
        Resource.__init__ = make  # type: ignore[method-assign]
        for module, name, function in readers:
            module[name] = function


def whole_path(look_up: Callable[[Any, str], Any], body: Any, path: str) -> Any:
    """Look up a path, and note all of it where its beginning is missing already."""
    result = look_up(body, path)
    if result is MISSING and isinstance(body, TracedObject):
        body.log.add((f"{body.at}.{path}".lstrip("."), False))
    return result


def kept_resource(resource: Resource, kept: KeptPaths, bundle: Bundle | None = None) -> Resource:
    """Return a resource as a snapshot has it."""
    body = kept.partial_body(copy.deepcopy(kept.cut(resource.body, resource.type)), resource.type)
    return Resource(body, api=resource.api, by=resource.by, bundle=bundle)


def kept_bundle(whole: Bundle, kept: KeptPaths) -> Bundle:
    """Return a bundle as a snapshot has it."""
    made = Bundle(whole.id, reads=whole.reads, skips=whole.skips, gaps=whole.gaps)
    for each in whole.resources.values():
        made.add(kept_resource(each, kept, made))
    return made


def rows(case: Case, bundle: Bundle, kept: KeptPaths) -> list[Any]:
    """Return what an example comes to beside its index, of which `kept` is kept: statuses, messages and evidence."""
    run = examples.evaluation(case)
    for key, each in list(run.index.resources.items()):
        run.index.resources[key].body = kept_resource(each, kept).body
    return rows_of(run.evaluate(bundle))


def rows_of(bundle_result: BundleResult) -> list[Any]:
    """Return the rows of a result, without what undoes fixes: a value that was not kept is saved before the fix."""
    findings = [replace(each, fix=each.fix and each.fix.without_undo) for each in bundle_result.findings]
    return [
        *bundle_result.exposures,
        *findings,
        sorted(bundle_result.passed.items()),
        sorted(bundle_result.not_applicable.items()),
    ]


if __name__ == "__main__":
    KEPT.write_text(written(), "utf-8")
