"""Examples that follow from the rows about keys: a vault here, elsewhere and unknown, and a key of Microsoft."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from scanner.model.keys import SETS, VAULTS, KeyFinder
from scanner.model.rule import Rule
from scanner.rulebook.examples import Case, resource_id

With = Callable[[Case, Rule, str, str, Any], Case]
HOST, KEY = "kv-example.vault.azure.net", "example"
HERE, ELSEWHERE = "norwayeast", "westeurope"
_STRANGE = "a-value-nobody-knows"


def key_examples(base: Case, rule: Rule, with_value: With) -> Iterator[Case]:
    """Yield the examples of a rule about keys. `with_value`: returns an example with a value at a path."""
    finder = rule.keys
    assert finder is not None
    kept = _named(base, rule, finder, with_value)
    for what, region, status in (("here", HERE, "pass"), ("elsewhere", ELSEWHERE, "fail")):
        yield _expecting(replace(kept, also=[*kept.also, _vault(region)]), rule, f"the vault is {what}", status)
    yield _expecting(kept, rule, "the vault is in no list", "unknown")
    path = finder.uri or finder.name or finder.sets[0]
    strange = _written(kept, rule, path, 7, with_value)
    yield _expecting(replace(strange, also=[*strange.also, _vault(HERE)]), rule, "the key is strange", "unknown")
    none = "not-applicable"
    if finder.mode:
        yield _expecting(with_value(kept, rule, "mode", finder.mode, finder.platform[0]), rule, "a platform key", none)
        yield _expecting(with_value(kept, rule, "mode", finder.mode, _STRANGE), rule, "a strange mode", "unknown")
        if finder.required:
            yield _expecting(with_value(kept, rule, "mode", finder.mode, None), rule, "a null mode", "unknown")
    else:
        bare = with_value(base, rule, "key", "properties.provisioningState", "Succeeded")
        for path in (each for each in (finder.uri, finder.name, *finder.sets) if each and "[]" not in each):
            bare = with_value(bare, rule, "key", path, None)
        yield _expecting(bare, rule, "no key is named", none)


def with_keys(base: Case, rule: Rule, finders: Iterable[KeyFinder], with_value: With) -> Case:
    """Return an example of a rule whose property chooses a key, with the key in a vault of the scan."""
    for finder in finders:
        base = _named(base, rule, finder, with_value)
    return replace(base, also=[*base.also, _vault(HERE)])


def _expecting(case: Case, rule: Rule, name: str, status: str) -> Case:
    return replace(case, name=f"{rule.id}: {name}", expect={rule.id: status})


def _named(base: Case, rule: Rule, finder: KeyFinder, with_value: With) -> Case:
    """Return the example with the key."""
    case = replace(base, body={**base.body, "location": HERE})
    if finder.mode:
        case = with_value(case, rule, "mode", finder.mode, finder.customer[0])
    if finder.uri:
        case = _written(case, rule, finder.uri, f"https://{HOST}/keys/{KEY}", with_value)
    if finder.name:
        for path, value in ((finder.vault, f"https://{HOST}/"), (finder.name, KEY)):
            case = _written(case, rule, path, value, with_value)
    return _with_set(case, rule, finder, with_value) if finder.sets else case


def _with_set(case: Case, rule: Rule, finder: KeyFinder, with_value: With) -> Case:
    """Return the example with a disk encryption set that has the key."""
    id = resource_id(SETS, "des-example")
    uri = f"https://{HOST}/keys/{KEY}/0a"
    body = {"id": id, "location": HERE, "properties": {"activeKey": {"keyUrl": uri}}}
    case = _written(case, rule, finder.sets[0], id, with_value)
    return replace(case, also=[*case.also, body])


def _written(case: Case, rule: Rule, path: str, value: Any, with_value: With) -> Case:
    return with_value(case, rule, "key", path, value)


def _vault(region: str) -> dict[str, Any]:
    id = resource_id(VAULTS, HOST.partition(".")[0])
    return {"id": id, "name": id.rpartition("/")[2], "location": region, "properties": {"vaultUri": f"https://{HOST}/"}}
