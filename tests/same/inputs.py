"""Write the inputs of the comparison: `python inputs.py TREE FOLDER [RECORDED]`.

Run by the interpreter of TREE. `Tree` is the only part that knows modules of TREE; it fits every commit that has
`tests/rules/examples.py`, `tests/reach/estates.py` and `tests/real_input/recorded.py` as 0e3411b8 has them. Fixed seeds
only.
"""

import copy
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from itertools import islice
from operator import getitem
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TAKEN = "2026-11-25T00:00:00Z"
STRANGE: tuple[Any, ...] = (
    *("", "text", "0.0.0.0/0", "*", 0, -7, 2**70, 1.5, True, False, "true", "Enabled", "Disabled"),
    *([], [None], ["text"], [{}], [{"id": 7, "name": None, "properties": []}], {}, {"id": ["x"]}, {"properties": None}),
)
ESTATES = range(1, 201)
TOGETHER = (150, 15)
"""Variants in one snapshot: of an example alone, and of one with resources that it looks up."""
OFTEN = 3
FIXED = ("id", "type")
"""Members at the top of a body that stay as they are: another id would be another resource."""


@dataclass(slots=True)
class Example:
    """Lines of a snapshot that belong together; `networks`, `live` and `missing` hold for the whole snapshot."""

    resources: list[Json]
    reads: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    networks: tuple[str, ...] = ()
    live: bool = True
    missing: tuple[str, ...] = ()


class Tree:
    """Read examples, estates and recorded resources with the helpers of a tree."""

    def __init__(self, tree: Path) -> None:
        sys.path.insert(0, str(tree))
        self.examples = import_module("tests.rules.examples")
        self.index = import_module("scanner.model.index")
        self.tree = tree
        self.subscriptions = (self.examples.SUBSCRIPTION, self.examples.OTHER)
        for module in (self.examples, self.index):
            if not Path(module.__file__ or "").resolve().is_relative_to(tree.resolve()):
                raise SystemExit(f"error: {module.__name__} was imported from {module.__file__}, not from {tree}")

    def each_example(self) -> Iterator[Example]:
        """Yield the examples."""
        for case in self.examples.cases():
            bundle = self.examples.bundle(case)
            lines = [{"resource": each.body, "by": each.by} for each in bundle.resources.values()]
            result = {line["resource"]["id"].lower(): line for line in lines}
            for body in map(self.examples.nulls, case.also):
                # The index of an example may know its resource by another body; a snapshot has one.
                known = result.get(body["id"].lower())
                if known is None:
                    lines.append({"resource": body, "by": "get"})
                else:
                    known["resource"] = {**known["resource"], **body}
            gaps = [gap.url for gap in bundle.gaps.values()]
            yield Example(lines, list(bundle.reads), gaps, tuple(case.networks), case.live, tuple(case.missing))

    def estate(self, seed: int) -> Example:
        """Put machines and a scale set with public addresses into a random estate."""
        made = import_module("tests.reach.estates").Maker(seed, doubtful=seed % 2 == 1).estate()
        dice, bodies = random.Random(f"machines {seed}"), [*made.resources, *made.balancers, *made.balanced, *made.over]
        root = made.nics[0]["id"].split("/Microsoft.Network/")[0]
        models, reads = [], []
        for nic, model in zip(made.nics, made.models, strict=True):
            vm = f"{root}/Microsoft.Compute/virtualMachines/{nic['id'].rsplit('/', 1)[-1]}-vm"
            for given, more in zip(
                nic["properties"]["ipConfigurations"], model["properties"]["ipConfigurations"], strict=True
            ):
                more["properties"] |= copy.deepcopy(given["properties"])
                if dice.random() < 0.6:
                    public = f"{root}/Microsoft.Network/publicIPAddresses/{vm.rsplit('/', 1)[-1]}-{given['name']}"
                    given["properties"]["publicIPAddress"] = {"id": public}
                    more["properties"]["publicIPAddressConfiguration"] = {"name": "public", "properties": {}}
                    sku = {"name": dice.choice(("Standard", "Standard", "Basic"))}
                    address = {"ipAddress": f"198.51.100.{dice.randrange(1, 255)}"}
                    bodies.append({"id": public, "sku": sku, "properties": address})
            if "networkSecurityGroup" in nic["properties"]:
                model["properties"]["networkSecurityGroup"] = nic["properties"]["networkSecurityGroup"]
            models.append(model)
            bodies.append({"id": vm, "properties": {"networkProfile": {"networkInterfaces": [{"id": nic["id"]}]}}})
            power = dice.choice(("running", "running", "running", "deallocated"))
            bodies.append({"id": f"{vm}/instanceView", "statuses": [{"code": f"PowerState/{power}"}]})
            reads.append(f"{vm}/instanceView")
        network = {"networkProfile": {"networkInterfaceConfigurations": models}}
        scaled = {"orchestrationMode": "Uniform", "virtualMachineProfile": network}
        bodies.append({"id": f"{root}/Microsoft.Compute/virtualMachineScaleSets/scale", "properties": scaled})
        return Example([{"resource": typed(body), "by": "get"} for body in bodies], reads)

    def recorded(self) -> tuple[list[Json], list[str]]:
        """Return the recorded and documented resources as lines, and the reads below them."""
        module_type, resource = import_module("tests.real_input.recorded"), import_module("scanner.model.resource")
        root_of = import_module("scanner.model.ids").root_of
        lines = [{"resource": module_type.bare(each), "api": each["api_version"]} for each in module_type.recorded()]
        lines += [{"resource": each["body"], "api": each["api_version"]} for each in module_type.documented()]
        bundles: dict[str, Any] = {}
        for line in lines:
            if root := root_of(line["resource"]["id"]):
                bundle = bundles.setdefault(root, resource.Bundle(root))
                bundle.add(resource.Resource(line["resource"], api=line["api"], by="get", bundle=bundle))
        return lines, sorted({url for bundle in bundles.values() for url in module_type.reads(bundle)})


def typed(body: Json) -> Json:
    """Return a body with the type and the name that its id states."""
    _, _, path = body["id"].rpartition("/providers/")
    namespace, *rest = path.split("/")
    return {"type": "/".join((namespace, *rest[::2])), "name": rest[-1], **body}


def leaf_paths(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each leaf; an empty object or list is a leaf."""
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    if at and not (isinstance(body, dict | list) and body):
        yield at
    for key, value in inner:
        if at or key not in FIXED:
            yield from leaf_paths(value, (*at, key))


def replaced(body: Any, at: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with another value at a place; `...` removes it."""
    made = copy.copy(body)
    if len(at) > 1:
        made[at[0]] = replaced(body[at[0]], at[1:], value)
    elif value is ...:
        del made[at[0]]
    else:
        made[at[0]] = value
    return made


def some(values: tuple[Any, ...], times: int, looked_up: bool, dice: random.Random) -> list[Any]:
    """Choose values for a leaf that was there so many times, with its value, in examples of the type."""
    if times <= OFTEN:
        return dice.sample(values, 1) if looked_up else list(values)
    return dice.sample(values, 1) if dice.random() < (0.1 if looked_up else 0.3) else []


def variants(example: Example, dice: random.Random, times: Counter[str]) -> Iterator[Example]:
    """Yield a part with each leaf absent, null and strange (one of them in what is only looked up), less often where
    many examples have the leaf; with each read refused; and with records of other origins.
    """

    def with_lines(lines: list[Json], reads: list[str] = example.reads, gaps: list[str] = example.gaps) -> Example:
        return Example(lines, reads, gaps, example.networks, example.live, example.missing)

    top = example.resources[0]["resource"]["id"].lower()
    for number, line in enumerate(example.resources):
        looked_up = not line["resource"]["id"].lower().startswith(top)
        for at in leaf_paths(line["resource"]):
            values = (..., None, dice.choice(STRANGE))
            key = f"{top} {line['resource']['id']} {at} {reduce(getitem, at, line['resource'])!r}"
            times[key] += 1
            for value in some(values, times[key], looked_up, dice):
                changed = {**line, "resource": replaced(line["resource"], at, value)}
                yield with_lines([*example.resources[:number], changed, *example.resources[number + 1 :]])
    for url in example.reads:
        left = [each for each in example.resources if not each["resource"]["id"].lower().startswith(f"{url}/")]
        yield with_lines(left, [each for each in example.reads if each != url], [*example.gaps, url])
    for by in ("graph", "list"):
        yield with_lines([{**line, "by": by} for line in example.resources])


class Writer:
    """Write snapshots and the list of jobs."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.tree, self.folder = tree, folder
        self.jobs: list[Json] = []

    def job(self, name: str, file: str, *options: str) -> None:
        self.jobs.append({"name": name, "file": file, "options": [*options, "--only", "*"]})

    def snapshot(self, name: str, examples: Iterable[Example]) -> None:
        """Write parts as one snapshot, each with subscriptions of its own."""
        texts, scopes, examples, end = [], set(), list(examples), Counter[str]()
        for number, example in enumerate(examples):
            lines = [*example.resources, *({"read": {"url": url, "count": 0}} for url in example.reads)]
            lines += [
                {"gap": {"url": url, "status": 403, "code": "AuthorizationFailed", "action": "an/action"}}
                for url in example.gaps
            ]
            end += Counter(f"{kind}s" for line in lines for kind in ("resource", "read", "gap") if kind in line)
            text = "".join(json.dumps(line) + "\n" for line in lines)
            for known in self.tree.subscriptions:
                own = known.replace(known[:8], f"5a{number:06x}", 1)
                text = text.replace(known, own)
                scopes.add(own)
            scopes |= {each["resource"]["id"].split("/")[2] for each in example.resources} - {*self.tree.subscriptions}
            texts.append(text)
        first, options = examples[0], []
        lines = list(self.scopes(sorted(scopes), first.missing))
        end["reads"] += sum("read" in line for line in lines)
        head = {"version": 1, "taken": TAKEN, "grouped": False, "live": first.live}
        with (self.folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.write(json.dumps({"snapshot": head}) + "\n")
            file.writelines(json.dumps(line) + "\n" for line in lines)
            file.writelines(texts)
            file.write(json.dumps({"end": {each: end[each] for each in ("resources", "reads", "gaps")}}) + "\n")
        if first.networks:
            options = ["--config", f"{name}.toml"]
            own = json.dumps(list(first.networks))
            (self.folder / f"{name}.toml").write_text(f"[networks]\nown = {own}\n", "utf-8")
        self.job(name, f"{name}.jsonl", *options)

    def scopes(self, subscriptions: list[str], missing: tuple[str, ...]) -> Iterator[Json]:
        """Yield scopes without lists of their own, and the types that were read for the index."""
        lacking = {type.lower() for type in missing}
        for number, each in enumerate(subscriptions):
            yield {"scope": {"subscription": each, "name": each, "tenant": self.tree.examples.TENANT, "view": "full"}}
            yield {"skip": {"url": f"/subscriptions/{each}", "why": "named resources only"}}
            for type in self.tree.index.INDEX_TYPES:
                if type.lower() not in lacking and (not number or type.lower() in self.tree.index.EXTENSIONS):
                    yield {"read": {"url": f"/subscriptions/{each}/providers/{type}", "count": 0}}

    def examples(self) -> None:
        times = Counter[str]()
        for number, example in enumerate(self.tree.each_example()):
            self.snapshot(f"example-{number:04}", [example])
            definitions = variants(example, random.Random(number), times)
            # Paths through networks take time that grows with the square of a snapshot.
            size = TOGETHER[any(len(each["resource"]["id"].split("/")) == 9 for each in example.resources[1:])]
            count = 0
            while chosen := list(islice(definitions, size)):
                self.snapshot(f"values-{number:04}-{count:02}", chosen)
                count += 1

    def estates(self) -> None:
        for seed in ESTATES:
            self.snapshot(f"estate-{seed:03}", [self.tree.estate(seed)])

    def recorded(self) -> None:
        lines, reads = self.tree.recorded()
        (self.folder / "recorded.jsonl").write_text(
            "".join(json.dumps(each["resource"]) + "\n" for each in lines), "utf-8"
        )
        os.utime(self.folder / "recorded.jsonl", (1_700_000_000, 1_700_000_000))
        self.job("recorded", "recorded.jsonl")
        for by in ("graph", "list", "get"):
            rows = [{**each, "by": by} for each in lines if each["resource"]["id"].startswith("/subscriptions/")]
            self.snapshot(f"recorded-{by}", [Example(rows, reads if by == "get" else [])])
        for seed in range(3):
            dice = random.Random(f"recorded {seed}")
            strange = [{**each, "resource": spoiled(each["resource"], dice)} for each in rows]
            self.snapshot(f"recorded-strange-{seed}", [Example(strange, reads)])


def spoiled(body: Json, dice: random.Random) -> Json:
    """Return a body with one leaf that is absent, null or strange."""
    matches = list(leaf_paths(body))
    return replaced(body, dice.choice(matches), dice.choice((..., None, dice.choice(STRANGE)))) if matches else body


def write(tree: Path, folder: Path, recorded: str) -> None:
    """Write every input but the sample estate, then the list of jobs."""
    writer = Writer(Tree(tree), folder)
    writer.examples()
    writer.estates()
    if recorded:
        writer.recorded()
    random.Random(0).shuffle(writer.jobs)
    (folder / "jobs.json").write_text(json.dumps(writer.jobs), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), "".join(sys.argv[3:]))
