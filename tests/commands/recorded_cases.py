"""One failing example of each form of fix, for `tests.commands.recorded` to run with the real Azure CLI.

`python -m tests.commands.recorded_cases` writes JSON lines: the commands of a fix with its fields filled in, the bodies
of the resources, and what the bodies are to hold once the commands have run.
"""

import json
import re
import sys
from typing import Any

from scanner.document.schema import UndoRow
from scanner.fix.rows import defaults_of
from scanner.fix.sample_commands import with_fields
from scanner.fix.undo_steps import MADE
from scanner.model.fix import Deletion, Edit
from scanner.model.ids import type_of
from scanner.model.json_paths import MISSING, get_path
from tests.rules import examples
from tests.rules.simulate import FIELD_VALUES, Fixed, everything, overlaid_body


def filled(command: str) -> str:
    """Return a command with the values that the overlay has in its fields."""
    for name, value in FIELD_VALUES.items():
        command = command.replace(f"<{name}>", value)
    return with_fields(command)


def case(each: Fixed) -> dict[str, Any]:
    """Return what the runner needs of one fix."""
    assert each.finding.fix is not None
    bodies = {row.id: row.body for row in examples.bundle(each.case).resources.values()}
    bodies |= {str(body.get("id")): examples.nulls(body) for body in each.case.also}
    edits = [step for step in each.fix.changes if isinstance(step, Edit)]
    wanted = []
    for step in edits:
        if "/networksecurityperimeterconfigurations/" in step.resource.lower():
            continue  # the service's copy of what the perimeter has
        known = next((id for id in bodies if id.lower() == step.resource.lower()), step.resource)
        made = overlaid_body(bodies.get(known, {"id": known, "properties": {}}), known, edits)
        value = get_path(made, step.path)
        text = with_fields(json.dumps(None if value is MISSING else value))
        wanted.append([known, step.path, json.loads(text)])
    gone = [step.resource for step in each.fix.changes if isinstance(step, Deletion)]
    # What Azure has for every resource, whether an example shows it or not.
    bodies |= {
        id: {"id": id, "properties": {}} for id, _, _ in wanted if id not in bodies and type_of(id).lower() not in MADE
    }
    bodies |= {id: {"id": id, "properties": {}} for id in gone if id not in bodies}
    commands = [filled(command) for command in each.finding.fix.commands]
    undo = each.finding.fix.undo or UndoRow()
    rule = examples.rule_at(each.finding.rule, each.finding.resource)
    return {
        "id": each.id,
        "rule": each.finding.rule,
        "commands": commands,
        "bodies": bodies,
        "wanted": wanted,
        "gone": gone,
        "defaults": list(map(list, defaults_of(rule).items())),
        "save": [filled(command) for command in undo.save],
        "undo": [filled(command) for command in undo.commands],
        "words": [*undo.steps, *([undo.cannot] if undo.cannot else [])],
    }


def forms() -> list[dict[str, Any]]:
    """Return one fix of each form: its rule for one type, its commands and their options."""
    result: dict[tuple[str, ...], dict[str, Any]] = {}
    for each in everything():
        fix = each.finding.fix
        if fix is None or not fix.commands or not each.fix.changes or each.case.by != "get":
            continue
        if each.case.file == "locks" and not each.finding.rule.endswith("no-delete-lock"):
            continue  # its resources have nothing but their id
        key = examples.rule_at(each.finding.rule, each.finding.resource).key
        shape = (key, *(word for command in fix.commands for word in re.findall(r" -[-\w]+", command)))
        known = result.get(shape)
        if known is None or len(known["bodies"]) > len(examples.bundle(each.case).resources):
            result[shape] = case(each)
    return list(result.values())


if __name__ == "__main__":
    for each in forms():
        sys.stdout.write(json.dumps(each) + "\n")
