"""The commands of services that undo those of a fix: the same one with old values, or the deletion of what it made."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from scanner.fix.command_words import words_in
from scanner.fix.undo_steps import Restore, Step
from scanner.model.fix import REMOVE, Deletion
from scanner.model.json_paths import spelled

_EXPIRES: Final = "--expires"
_YEAR_9999: Final = 253370764800
_GENERAL: Final = ("az resource ", "az rest ")


class Creator(NamedTuple):
    """The command that deletes what another one makes, the options that both have, and what it needs besides."""

    delete: str
    options: tuple[str, ...]
    more: str = ""
    renamed: Mapping[str, str] = {}


_NAMED: Final = ("--name", "--resource-group", "--subscription")
CREATORS: Final[Mapping[str, Creator]] = {
    "az aks update --api-server-authorized-ip-ranges": Creator(
        "az aks update", _NAMED, "--api-server-authorized-ip-ranges ''"
    ),
    "az backup vault resource-guard-mapping update": Creator(
        "az backup vault resource-guard-mapping delete", _NAMED, "--yes"
    ),
    "az lock create": Creator("az lock delete", ("--name", "--resource", "--subscription")),
    "az monitor activity-log alert create": Creator("az monitor activity-log alert delete", _NAMED),
    "az monitor diagnostic-settings create": Creator(
        "az monitor diagnostic-settings delete", ("--name", "--resource", "--subscription")
    ),
    "az monitor diagnostic-settings subscription create": Creator(
        "az monitor diagnostic-settings subscription delete", ("--name", "--subscription"), "--yes"
    ),
    "az network watcher flow-log create": Creator(
        "az network watcher flow-log delete", ("--location", "--name", "--subscription")
    ),
    "az network vnet subnet update --network-security-group": Creator(
        "az network vnet subnet update", ("--ids",), "--network-security-group null"
    ),
    "az policy assignment create": Creator("az policy assignment delete", ("--name", "--scope", "--subscription")),
    "az role assignment create": Creator(
        "az role assignment delete",
        ("--role", "--assignee-object-id", "--scope", "--subscription"),
        renamed={"--assignee-object-id": "--assignee"},
    ),
    "az mysql flexible-server update --key": Creator(
        "az mysql flexible-server update", ("--ids",), "--disable-data-encryption"
    ),
    "az sql mi tde-key set": Creator(
        "az sql mi tde-key set",
        ("--managed-instance", "--resource-group", "--subscription"),
        "--server-key-type ServiceManaged",
    ),
    "az sql server tde-key set": Creator(
        "az sql server tde-key set",
        ("--server", "--resource-group", "--subscription"),
        "--server-key-type ServiceManaged",
    ),
    "az sql mi ad-admin create": Creator(
        "az sql mi ad-admin delete", ("--managed-instance", "--resource-group", "--subscription")
    ),
    "az sql server ad-admin create": Creator(
        "az sql server ad-admin delete", ("--server", "--resource-group", "--subscription")
    ),
}
"""Commands, or options of them, that make or set what was not there, and what takes it away. Source: the reference of
the Azure CLI.
"""
OPPOSITES: Final[Mapping[str, str]] = {
    "az aks update --disable-local-accounts": "az aks update --enable-local-accounts",
    "az aks update --disable-run-command": "az aks update --enable-run-command",
    "az aks update --enable-azure-rbac": "az aks update --disable-azure-rbac",
    "az aks update --enable-defender": "az aks update --disable-defender",
    "az aks update --enable-azure-keyvault-kms": "az aks update --disable-azure-keyvault-kms",
    "az aks enable-addons": "az aks disable-addons",
    "az sql server ad-only-auth enable": "az sql server ad-only-auth disable",
    "az sql mi ad-only-auth enable": "az sql mi ad-only-auth disable",
    "az synapse ad-only-auth enable": "az synapse ad-only-auth disable",
}
"""Commands without a value, and their opposites. Source: the reference of the Azure CLI."""
IDENTIFYING: Final = frozenset(
    [
        "--ids",
        "--id",
        "--name",
        "--resource-group",
        "--subscription",
        "--server",
        "--server-name",
        "--account-name",
        "--storage-account",
        "--vault-name",
        "--hsm-name",
        "--namespace-name",
        "--workspace-name",
        "--managed-instance",
        "--registry",
        "--gateway-name",
        "--policy-name",
        "--service-name",
        "--api-id",
        "--named-value-id",
        "--database",
        "--version",
        "--resource",
        "--location",
        "--transparent-data-encryption-name",
        "--collection-name",
        "--rule-collection-group-name",
        "--addons",
    ]
)
"""Options that say which resource is meant."""


class _Option(NamedTuple):
    name: str
    values: list[str]


def inverse_command(command: str, steps: Sequence[Step]) -> tuple[str, list[Step]]:
    """Return the service's own command that undoes a command of a fix, and the steps that it takes; "" without one.

    `steps`: what is to be undone.
    """
    if command.startswith(_GENERAL) or " && " in command:
        return "", []
    head, options = _parsed(command)
    names = (head, *(f"{head} {each.name}" for each in options))
    creator = next((CREATORS[each] for each in names if each in CREATORS), None)
    if creator is not None:
        return _deleted(creator, options, steps)
    if head == "az network private-endpoint-connection reject":
        approved = [each for each in steps if isinstance(each, Restore) and each.value == "Approved"]
        id = next((option.values for option in options if option.name == "--id"), [])
        restores = [each for each in approved if [each.resource.lower()] == [value.lower() for value in id]]
        return (_written(f"{head.removesuffix('reject')}approve", options), list(restores)) if restores else ("", [])
    opposite = _opposite(head, options, steps)
    return opposite if opposite[0] else _with_old_values(head, options, steps)


def _parsed(command: str) -> tuple[str, list[_Option]]:
    """Return the words of a command before its options, and its options with their values."""
    head: list[str] = []
    options: list[_Option] = []
    for word in words_in(command):
        if word.startswith("-"):
            options.append(_Option(word, []))
        elif options:
            options[-1].values.append(word)
        else:
            head.append(word)
    return " ".join(head), options


def _written(head: str, options: Sequence[_Option]) -> str:
    return " ".join([head, *(" ".join([each.name, *map(shlex.quote, each.values)]) for each in options)])


def _deleted(creator: Creator, options: Sequence[_Option], steps: Sequence[Step]) -> tuple[str, list[Step]]:
    """Return the deletion of what a command made, where there was nothing before."""
    if any(not _is_new(each) for each in steps):
        return "", []
    kept = [
        _Option(creator.renamed.get(each.name, each.name), each.values)
        for each in options
        if each.name in creator.options
    ]
    command = _written(creator.delete, kept)
    return f"{command} {creator.more}".rstrip(), list(steps)


def _is_new(step: Step) -> bool:
    """Return whether a step takes away what was not there before: a resource, or a property, also of an entry."""
    return isinstance(step, Deletion) or (isinstance(step, Restore) and (step.value is REMOVE or step.only_added))


def _opposite(head: str, options: Sequence[_Option], steps: Sequence[Step]) -> tuple[str, list[Step]]:
    """Return the opposite of a command that has a flag, or that is one; its change is of a switch that was off."""
    for each in (_Option("", []), *(option for option in options if not option.values)):
        value = OPPOSITES.get(f"{head} {each.name}".rstrip())
        if value is None:
            continue
        if not all(isinstance(step, Restore) for step in steps):
            return "", []
        kept = [option for option in options if option.name in IDENTIFYING]
        return _written(value, kept), list(steps)
    return "", []


def _with_old_values(head: str, options: Sequence[_Option], steps: Sequence[Step]) -> tuple[str, list[Step]]:
    """Return a command with the old values in place of the new ones; "" where one of its options is no such value."""
    left = [each for each in steps if isinstance(each, Restore) and each.position < 0]
    done: list[Step] = []
    made: list[_Option] = []
    for option in options:
        if option.name in IDENTIFYING or (option.name == "--yes" and not option.values):
            made.append(option)
            continue
        step = _step_of(option, left)
        if step is None or step.value is REMOVE or isinstance(step.value, dict | list):
            return "", []
        text = _as_day(step.value) if option.name == _EXPIRES else _as_written(step.value, step.after, option.values[0])
        if not text:
            return "", []
        left.remove(step)
        done.append(step)
        made.append(_Option(option.name, [text]))
    return (_written(head, made), done) if done else ("", [])


def _step_of(option: _Option, steps: Sequence[Restore]) -> Restore | None:
    """Return the step whose new value an option has: of several, the one whose property is called like the option."""
    if len(option.values) != 1:
        return None
    if option.name == _EXPIRES:
        return next((each for each in steps if each.path.lower().endswith(".exp")), None)
    restores = [each for each in steps if _is_value(each.after, option.values[0])]
    if len(restores) < 2:
        return restores[0] if restores else None
    return next((each for each in restores if _is_called(option.name, each.path)), None)


def _is_value(after: Any, word: str) -> bool:
    return isinstance(after, bool | int | float | str) and spelled(after).lower() == word.lower()


def _is_called(option: str, path: str) -> bool:
    one, other = option.replace("-", "").lower(), path.rpartition(".")[2].lower()
    return one in other or other in one


def _as_day(epoch: Any) -> str:
    """Return a time in seconds as an option of the Azure CLI takes it; "" for what is none."""
    is_time = isinstance(epoch, int) and 0 < epoch < _YEAR_9999
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if is_time else ""


def _as_written(old: Any, after: Any, word: str) -> str:
    """Return an old value with the letters that the command has for the new one: some options take capitals alone. ""
    where it is several values, and the option has one.
    """
    text = spelled(old)
    if "," in text and "," not in word:
        return ""
    if spelled(after) == word:
        return text
    return text.upper() if word.isupper() else text.lower() if word.islower() else text
