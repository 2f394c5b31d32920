"""The section `frameworks` of a findings document."""

from typing import Literal, get_args

import msgspec

ControlState = Literal["failed", "passed", "not-assessed", "not-testable", "not-covered"]
CONTROL_STATES: tuple[ControlState, ...] = get_args(ControlState)
"""Every control has exactly one of them, so their numbers sum up to the number of controls."""
NotAssessed = Literal["not-read", "inconclusive", "rule-off", "no-resource", ""]


class ControlRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A control that rules test.

    `state`: `failed` by an open or waived finding; `passed` where every rule that applies to a resource passed, and one
    did; else `not-assessed`, with `why`: `not-read` (a read failed), `inconclusive` (no value, or an unknown one),
    `rule-off`, `no-resource` (of the types that its rules evaluate). `in_part`: whether the control asks more than its
    rules test. `rules`: the rules that test it; `used`: those that applied to a resource. `failed`, `waived`,
    `inconclusive`, `passed`: the checks of these rules by status.
    """

    state: ControlState
    why: NotAssessed = ""
    in_part: bool = False
    rules: int
    used: int
    failed: int = 0
    waived: int = 0
    inconclusive: int = 0
    passed: int = 0


class FrameworkRow(msgspec.Struct, kw_only=True, frozen=True):
    """A framework. `controls`: how many its file lists. `states`: controls by state, whose sum is `controls`.

    `listed`: which controls the file lists, where these are not all. `tested`: the controls that rules test, by id.
    `not_testable`: ids of controls that configuration cannot show, by the word for the reason. `not_covered`: ids of
    controls that no rule tests yet.
    """

    id: str
    name: str
    title: str
    version: str
    publisher: str
    url: str
    controls: int
    states: dict[str, int]
    tested: dict[str, ControlRow]
    not_testable: dict[str, list[str]]
    not_covered: list[str]
    listed: str = ""
