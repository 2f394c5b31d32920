"""The numbers of the proof of fixes: `python -m tests.rules.proof` prints them."""

import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from tests.rules import examples
from tests.rules.simulate import LEFT, Fixed, everything, fix_of, left, problems


@dataclass(slots=True)
class Proof:
    """What became of the failing checks of examples. Each of `failing` is in `simulated` or in `not_simulated`.

    `simulated`: the fix was applied as an overlay, and the example evaluated again. `closed_exactly`: the check holds
    now, and the endpoints that closed are those that the fix names. `left`: stays by what only the user can change.
    `with_fields`, `with_steps`: fixes that ask for a value, and that have steps in words. `only_steps`: rules of which
    no example can be simulated.
    """

    failing: int = 0
    simulated: int = 0
    closed_exactly: int = 0
    left: int = 0
    with_fields: int = 0
    with_steps: int = 0
    with_bicep: int = 0
    commands: int = 0
    placeholders: int = 0
    without_subscription: int = 0
    not_simulated: int = 0
    only_steps: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def proof(all_fixed: Iterable[Fixed]) -> Proof:
    """Return the numbers of some fixes."""
    result = Proof()
    simulated, failing = set(), set()
    for each in all_fixed:
        fix, rule = fix_of(each), each.finding.rule
        failing.add(rule)
        result.failing += 1
        result.with_fields += bool(fix.fields)
        result.with_steps += bool(fix.steps)
        result.with_bicep += bool(fix.bicep)
        for command in fix.commands:
            wrong = problems(command)
            result.commands += 1
            result.without_subscription += "names no subscription" in wrong
            result.placeholders += any(re.match("placeholder|a brace", one) for one in wrong)
            result.problems += [f"{each.id}: {one}" for one in wrong]
        if not each.fix.changes:
            result.not_simulated += 1
            continue
        simulated.add(rule)
        result.simulated += 1
        result.left += left(each)
        result.closed_exactly += is_exact(each)
    result.only_steps = sorted(failing - simulated)
    return result


def is_exact(each: Fixed) -> bool:
    """Return whether a fix closes its check and, of endpoints, those that it names."""
    fix = fix_of(each)
    claimed = {*fix.closes, *(endpoint.endpoint for endpoint in fix.also_closes)}
    is_lock = examples.rule_at(each.finding.rule, each.finding.resource).lock
    is_closed = each.status in ("pass", "not-applicable", "gone")
    return not left(each) and is_closed and (claimed == each.closed if is_lock else claimed <= each.closed)


if __name__ == "__main__":
    for name, value in asdict(proof(everything())).items():
        sys.stdout.write(f"{name.replace('_', ' ')}\t{', '.join(value) if isinstance(value, list) else value}\n")
    sys.stdout.write(f"left, with reasons\t{len(LEFT)} entries\n")
