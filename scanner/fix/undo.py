"""The undo of a fix: the commands that put this instance back as it was read.

It follows from the steps that `undo_steps` derives. Each command of the fix is tried first: the same command with the
old values (`undo_commands`), where each value of it is one that the fix sets. What is left goes through the general
commands of the Azure CLI, by resource. Where a value before the fix is not known, the undo saves the resource in a file
before the fix, and reads it from there; where no command can, it says so in words. What Microsoft documents as final is
said by the rule (`cannot_undo`).
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from scanner.fix.bicep import Versions
from scanner.fix.by_value import removals
from scanner.fix.placeholders import quoted
from scanner.fix.set_commands import PATCHED
from scanner.fix.undo_commands import inverse_command
from scanner.fix.undo_steps import CONNECTIONS, Creation, Restore, Step, inverse_of
from scanner.fix.write_only import KEPT, LOST
from scanner.model.fix import REMOVE, Deletion, Edit, Fix
from scanner.model.ids import name_of, path_of, subscription_of, type_of
from scanner.model.index import Index
from scanner.model.index_apis import INDEX_APIS
from scanner.model.json_paths import spelled
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.rule import FixTemplate

READ_ONLY: Final = frozenset(
    (
        ("microsoft.compute/disks", "properties.diskstate"),
        ("microsoft.compute/snapshots", "properties.diskstate"),
        ("microsoft.compute/galleries", "properties.sharingprofile"),
    )
)
"""Properties of types, in lower case, that only an action of the service sets."""
APPROVED: Final = "Approved"
"""The one state to which a private endpoint connection can be set back: no one sets it to pending again."""
PATCHABLE: Final = PATCHED | frozenset(
    (
        "microsoft.batch/batchaccounts/pools",
        "microsoft.compute/virtualmachines",
        "microsoft.compute/virtualmachinescalesets",
        "microsoft.dbformysql/flexibleservers",
        "microsoft.dbforpostgresql/flexibleservers",
    )
)
"""Types (lower case) with secrets that GET leaves out, whose PATCH keeps what it does not name."""
_ONLY_READ: Final = frozenset(
    (
        "microsoft.apimanagement/service/namedvalues",
        "microsoft.app/managedenvironments",
        "microsoft.containerregistry/registries/tokens",
        "microsoft.containerservice/managedclusters",
        "microsoft.keyvault/managedhsms/keys",
        "microsoft.keyvault/vaults/keys",
        "microsoft.keyvault/vaults/keys/versions",
        "microsoft.keyvault/managedhsms/keys/versions",
        "microsoft.keyvault/vaults/secrets",
    )
)
"""Types (lower case) that neither the general update nor a PATCH of properties sets back: their body leaves out
secrets, or Azure Resource Manager only reads them."""
CLOSED: Final = _ONLY_READ | (LOST - PATCHABLE)
"""Types (lower case) that no general command sets back."""
TIER: Final = " --sku "
_FILE_SIGN: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Undo(NamedTuple):
    """What undoes a fix."""

    commands: tuple[str, ...] = ()
    steps: tuple[Message, ...] = ()
    save: tuple[str, ...] = ()
    """Commands that run before it."""
    cannot: Message = NOTHING
    """Why nothing undoes it."""
    source: str = ""
    """The page."""


def undo_of(
    fix: Fix, template: FixTemplate, top: Resource, index: Index, defaults: Mapping[str, Any], versions: Versions
) -> Undo:
    """Return the undo of a fix of this instance. `defaults`: what properties are where Azure returns none, by path.

    `versions`: those of the types, for requests.
    """
    if not fix.commands:
        return Undo()
    if template.cannot_undo and fix.of_rule:
        return Undo(cannot=template.cannot_undo, source=template.undo_source)
    steps = [_with_default(each, defaults, fix) for each in inverse_of(fix, top, index)]
    commands: list[str] = []
    for command in reversed(fix.commands):
        made, done = inverse_command(command, steps)
        if made:
            commands.append(made)
            steps = [each for each in steps if each not in done]
    undos = [_undo_of_resource(id, steps_of_one, _api(id, versions)) for id, steps_of_one in _by_resource(steps)]
    general = (each for one in undos for each in one.commands)
    # A lower tier may refuse what the fix has set, so the tier comes last.
    ordered = sorted((*commands, *general), key=lambda each: TIER in each)
    return Undo(
        tuple(dict.fromkeys(ordered)),
        tuple(each for one in undos for each in one.steps),
        tuple(each for one in undos for each in one.save),
        source=template.undo_source if template.unset is not None else "",
    )


def _with_default(step: Step, defaults: Mapping[str, Any], fix: Fix) -> Step:
    """Return a step that sets the documented default in place of one that removes the property: a PUT without it need
    not change it.
    """
    if not isinstance(step, Restore) or step.value is not REMOVE or step.position >= 0:
        return step
    start = f"{step.path.lower()}."
    paths = [each for each in defaults if f"{each.lower()}.".startswith(start)]
    below = [each for each in fix.changes if isinstance(each, Edit) and f"{each.path.lower()}.".startswith(start)]
    is_one = len(paths) == len(below) == 1 and paths[0].lower() == below[0].path.lower()
    return step._replace(path=paths[0], value=defaults[paths[0]]) if is_one else step


def _by_resource(steps: Iterable[Step]) -> Iterator[tuple[str, list[Step]]]:
    result: dict[str, list[Step]] = {}
    for each in steps:
        result.setdefault(each.resource, []).append(each)
    yield from result.items()


def _api(id: str, versions: Versions) -> str:
    type = type_of(id).lower()
    version = versions.get(type)
    return version.api if version is not None else INDEX_APIS.get(type, "")


def _undo_of_resource(id: str, steps: Sequence[Step], api: str) -> Undo:
    """Return what puts one resource back. `api`: the pinned api-version of its type, "" without one."""
    type = type_of(id).lower()
    if any(isinstance(each, Deletion) for each in steps):
        return Undo((f"az resource delete --ids {quoted(id)}",))
    made = next((each for each in steps if isinstance(each, Creation)), None)
    if made is not None and api:
        return Undo((_request("put", id, api, shlex.quote(json.dumps(made.body, ensure_ascii=False))),))
    restores = [each for each in steps if isinstance(each, Restore)]
    words = [each for each in steps if type in CLOSED or (isinstance(each, Restore) and _is_read_only(type, each))]
    restores = [each for each in restores if each not in words]
    if words:
        undo = _put_back(id, restores) if restores else Undo()
        return Undo(undo.commands, (*undo.steps, *(_in_words(each) for each in words)))
    if len(restores) < len(steps):
        return _from_file(id, steps, api, is_whole=type not in PATCHABLE and type not in KEPT)
    if type in PATCHABLE:
        return _patched(id, restores)
    return _put_back(id, restores)


def _is_read_only(type: str, step: Restore) -> bool:
    if type.endswith(CONNECTIONS):
        return bool(step.value != APPROVED)
    return (type, step.path.lower()) in READ_ONLY


def _request(method: str, id: str, api: str, body: str = "") -> str:
    """Return a request about a resource: `az resource create` refuses a body without a region, as children have it."""
    command = f"az rest --method {method} --url {quoted(id)} --url-parameters api-version={api}"
    command += f" --subscription {subscription_of(id)}" if subscription_of(id) else ""
    return f"{command} --body {body}" if body else command


def _put_back(id: str, restores: Sequence[Restore]) -> Undo:
    """Return what sets properties back, and removes the entries that were added, by their values."""
    added = [each for each in restores if each.value is REMOVE and each.position >= 0]
    words = [
        f"--remove {each.path}" if each.value is REMOVE else f"--set {shlex.quote(f'{each.path}={_value(each.value)}')}"
        for each in restores
        if each not in added
    ]
    if not added:
        return Undo((" ".join((f"az resource update --ids {quoted(id)}", *words)),))
    commands: list[str] = []
    steps: list[Message] = []
    for number, each in enumerate(added):
        made = removals(id, each.path, ((each.position, each.after),), " ".join(words) if number == 0 else "")
        commands += made
        steps += () if made else (_in_words(each),)
    return Undo(tuple(commands), tuple(steps))


def _value(value: Any) -> str:
    """Return a value for `--set`, which reads JSON and takes anything else as a text."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)


def _patched(id: str, restores: Sequence[Restore]) -> Undo:
    """Return the PATCH that sets properties back. It cannot take a property away."""
    body: dict[str, Any] = {}
    words = []
    for each in restores:
        if each.value is REMOVE or each.position >= 0 or not each.path.startswith("properties."):
            words.append(_in_words(each))
            continue
        inside = body
        *above, last = each.path.split(".")[1:]
        for step in above:
            inside = inside.setdefault(step, {})
        inside[last] = each.value
    command = f"az resource patch --ids {quoted(id)} --properties {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    return Undo((command,) if body else (), tuple(words))


def _from_file(id: str, steps: Sequence[Step], api: str, *, is_whole: bool) -> Undo:
    """Return the undo that reads a resource from the file in which it is saved before the fix."""
    file = f"{_FILE_SIGN.sub('-', name_of(id)).strip('-.') or 'resource'}.before.json"
    if not api:
        return Undo(steps=tuple(_in_words(each) for each in steps))
    save = f"{_request('get', id, api)} > {file}"
    if is_whole:
        return Undo((_request("put", id, api, f"@{file}"),), save=(save,))
    words = Message(
        "Set {path} of {resource} back to what {file} has.", path=_paths(steps), resource=path_of(id), file=file
    )
    return Undo(steps=(words,), save=(save,))


def _paths(steps: Iterable[Step]) -> str:
    return ", ".join(path for each in steps if (path := getattr(each, "path", "")))


def _in_words(step: Step) -> Message:
    """Return the words for what no command puts back."""
    path, id = _paths([step]), step.resource
    if isinstance(step, Restore) and step.value is REMOVE:
        return Message(
            "Before the fix, {resource} had no {path}. No command takes it away again.",
            path=path,
            resource=path_of(id),
        )
    if isinstance(step, Restore):
        return Message(
            "Set {path} of {resource} back to {value}. No command does it.",
            path=path,
            resource=path_of(id),
            value=spelled(step.value),
        )
    if not path:
        return Message("What {resource} is before the fix is not known: save it first.", resource=path_of(id))
    return Message(
        "What {path} of {resource} is before the fix is not known: note it first.", path=path, resource=path_of(id)
    )
