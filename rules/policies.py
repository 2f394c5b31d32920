"""What definitions and initiatives of the customer deny: every region, or every size of machine, that a list does not have.

A rule counts where each of its conditions is known to leave nothing out. Any other is inconclusive
(governance/policy/concepts/definition-structure-policy-rule, definition-structure-parameters, initiative-definition-structure).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from scanner.model.ids import name_of, segments
from scanner.model.json_paths import MISSING, get_path, is_absent, member, same
from scanner.model.message import Message
from scanner.model.regions import TABLE as REGION_TABLE
from scanner.model.resource import Children, Resource
from scanner.model.verdict import Evidence, Unread, malformed, not_a_list, not_returned, unknown_value

from .exemptions import Exempted
from .subscription import SUBSCRIPTION

RULE = "properties.policyRule"
MEMBERS = "properties.policyDefinitions"
VERSIONS = "properties.versions"
CUSTOM = Message("policyType eq 'Custom'")
ABOVE: Final = ("providers", "microsoft.management", "managementgroups")
BUILT_IN: Final = ("providers", "microsoft.authorization", "policydefinitions")
BUILT_IN_SETS: Final = ("providers", "microsoft.authorization", "policysetdefinitions")
RESOURCE_MODES = ("All", "Indexed")
"""The modes whose definitions are evaluated on resources of Resource Manager. The others are about what is inside one."""
_PARAMETER = re.compile(r"\[\s*parameters\(\s*'([^']+)'\s*\)\s*\]", re.IGNORECASE)
_ANY_FIELD = re.compile(r"field\(\s*[^'\s]")
"""A function whose field is not a text, so that it may be any."""


class Subject(Struct, frozen=True, kw_only=True):
    """What a policy may limit.

    `built_in`: Microsoft's definition that limits it, and `parameter`: where that has what it allows. `field`: the field
    of the rule; `words`: a rule that has none of them is about something else. `of`: the type whose resources have the
    field, "" for all. `free`: types that a rule may leave out; `aside`: values that are no limit by themselves.
    """

    built_in: str
    parameter: str
    field: str
    words: tuple[str, ...]
    of: str = ""
    free: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()


REGIONS = Subject(
    built_in="e56962a6-4747-49cd-b67b-bf8b01975c4c",
    parameter="listOfAllowedLocations",
    field="location",
    words=("location",),
    # The first is global, and Microsoft's definition leaves it out; a resource group keeps no data of its resources.
    free=("microsoft.azureactivedirectory/b2cdirectories", "microsoft.resources/subscriptions/resourcegroups"),
    aside=("global",),
)
SIZES = Subject(
    built_in="cccc23c7-8427-4f53-ad12-b6a63eb452b3",
    parameter="listOfAllowedSKUs",
    field="microsoft.compute/virtualmachines/sku.name",
    words=("sku", "vmsize", "hardwareprofile"),
    of="microsoft.compute/virtualmachines",
)
SUBJECTS = (REGIONS, SIZES)

SETS_OF_MICROSOFT = {"c1cbff38-87c0-4b9f-9f70-035c7a3b5523": (REGIONS, "AllowedLocations")}
"""Initiatives of Microsoft that hold a definition of a subject, with its reference (Azure/azure-policy,
MCfS_Sovereignty_Baseline_Global_Policies: Allowed locations gets the parameter of the same name, and no effect)."""


def reduced(body: dict[str, Any]) -> dict[str, Any]:
    """Return a definition without what its effect deploys, and without a condition that is about none of the subjects."""
    rule = get_path(body, RULE)
    if not isinstance(rule, dict):
        return body
    condition = member(rule, "if")
    kept: dict[str, Any] = {
        "then": {"effect": None if (effect := get_path(rule, "then.effect")) is MISSING else effect}
    }
    if any(_mentions(condition, each) for each in SUBJECTS):
        kept["if"] = condition
    return _with(body, "policyRule", kept)


def reduced_set(body: dict[str, Any]) -> dict[str, Any]:
    """Return an initiative without the definitions of Microsoft that are about none of the subjects."""
    entries = get_path(body, MEMBERS)
    if not isinstance(entries, list):
        return body
    return _with(body, "policyDefinitions", [each for each in entries if not _is_other(each)])


def _is_other(entry: Any) -> bool:
    id = member(entry, "policyDefinitionId")
    if not isinstance(id, str) or segments(id)[: len(BUILT_IN)] != BUILT_IN:
        return False
    return all(name_of(id).lower() != each.built_in for each in SUBJECTS)


def _with(body: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return a body with another value of one of its properties."""
    properties = member(body, "properties")
    replaced = {key: value if key.lower() == name.lower() else each for key, each in properties.items()}
    return {key: replaced if key.lower() == "properties" else each for key, each in body.items()}


DEFINITIONS = SUBSCRIPTION.child(
    "providers/Microsoft.Authorization/policyDefinitions",
    api="2024-05-01",
    filter=CUSTOM,
    reduce=reduced,
    keep=("properties.mode", "properties.parameters.**", f"{RULE}.**", VERSIONS),
)
"""The definitions of the customer: of the subscription, and of the management groups above it."""
SETS = SUBSCRIPTION.child(
    "providers/Microsoft.Authorization/policySetDefinitions",
    api="2024-05-01",
    filter=CUSTOM,
    reduce=reduced_set,
    keep=("properties.parameters.**", f"{MEMBERS}[].**", VERSIONS),
)
"""The initiatives of the customer, of the same scopes."""


class Values(Struct, frozen=True):
    """The values of parameters: those given, by name in lower case, else the defaults of `declared`. What is given may
    name a parameter of `outer`, an initiative.
    """

    given: Mapping[str, Any]
    declared: Any
    outer: "Values | None" = None

    def of(self, value: Any) -> Any:
        """Return a value of a rule, that of its parameter where it names one. Raises Unread for another expression."""
        if isinstance(value, list):
            return [self.of(each) for each in value]
        if not isinstance(value, str) or not value.startswith("["):
            return value
        if value.startswith("[["):
            return value[1:]
        match = _PARAMETER.fullmatch(value)
        if match is None:
            raise Unread(value, Message("the expression is not evaluated"))
        return self.named(match[1])

    def named(self, name: str) -> Any:
        """Return the value of a parameter. Raises Unread where it has none."""
        if name.lower() in self.given:
            given = self.given[name.lower()]
            if isinstance(given, Unread):
                raise given
            return given if self.outer is None else self.outer.of(given)
        default = get_path(self.declared, f"{name}.defaultValue") if "." not in name else MISSING
        if is_absent(default):
            raise not_returned(Message("parameters.{name}", name=name), Message("a value"))
        return default


def given(parameters: Any) -> dict[str, Any]:
    """Return the values of `parameters`, { name: { value } }, by name in lower case; Unread in place of a value that was
    not kept, because its name is that of a secret. Raises Unread.
    """
    if is_absent(parameters):
        return {}
    if not isinstance(parameters, dict):
        raise malformed("parameters")
    return {name.lower(): _given(each) for name, each in dict.items(parameters)}


def _given(parameter: Any) -> Any:
    try:
        return member(parameter, "value")
    except Unread as unread:
        return unread.with_traceback(None)


Outcome = tuple[str, ...] | Evidence | None
"""What a policy allows alone; why it does not deny the rest; or None where it is about something else."""


class Catalogue(Struct, frozen=True):
    """The definitions and initiatives of the customer that hold for a subscription."""

    definitions: Children
    sets: Children

    def definition(self, id: str, version: Any) -> Resource:
        """Return the definition with an id, in the version that is asked for. Raises Unread."""
        return _definition(self.definitions, id, version)

    def set(self, id: str, version: Any) -> Resource:
        """Return the initiative with an id. Raises Unread."""
        return _definition(self.sets, id, version)


def of_subscription(subscription: Resource) -> Catalogue:
    """Return the definitions and initiatives of the customer that hold for a subscription."""
    return Catalogue(subscription.children(DEFINITIONS), subscription.children(SETS))


def _definition(listed: Children, id: str, version: Any) -> Resource:
    pieces = segments(id)
    name = f"{pieces[len(ABOVE)]}:{name_of(id)}" if pieces[: len(ABOVE)] == ABOVE else name_of(id)
    resource = next((each for each in listed if same(each.name, name)), None)
    if resource is None:
        raise listed.gap or Unread(name_of(id), Message("Azure did not list it with the policies of the subscription"))
    if not is_absent(version) and len(resource.items(VERSIONS)) > 1:
        raise Unread(name_of(id), Message("the version that is assigned was not read"))
    return resource


def of_definition(id: str, values: Mapping[str, Any], subject: Subject, known: Catalogue, use: "Use") -> Outcome:
    """Return what a definition allows. Raises Unread."""
    if segments(id)[: len(BUILT_IN)] != BUILT_IN:
        definition = known.definition(id, use.version)
        declared = definition.get("properties.parameters")
        return _of_rule(definition, Values(values, declared, use.outer), subject, use.effect)
    if name_of(id).lower() != subject.built_in:
        return None
    if is_absent(values.get(subject.parameter.lower())):
        return Evidence(subject.parameter, Message("no values"), Message("the values that are allowed"))
    effect = use.effect or "Deny"
    if not same(effect, "Deny"):
        return Evidence("effect", effect, "Deny")
    allowed = Values(values, {}, use.outer).named(subject.parameter)
    return _allowed(_texts(allowed, subject.parameter), subject)


class Use(Struct, frozen=True):
    """How a definition is used: in which version, with which effect of an override ("" without one), and `outer`: the
    parameters of the initiative that it is in.
    """

    version: Any = None
    effect: str = ""
    outer: Values | None = None


def of_set(
    resource: Resource, values: Mapping[str, Any], subject: Subject, known: Catalogue, exempted: Exempted
) -> Outcome:
    """Return what an initiative allows, by the definition in it that allows the least: one that denies is enough.

    Raises Unread.
    """
    outer = Values(values, resource.get("properties.parameters"))
    missing: Unread | None = None
    why: Evidence | None = None
    for entry in resource.items(MEMBERS):
        try:
            id = member(entry, "policyDefinitionId")
            if not isinstance(id, str):
                raise malformed(MEMBERS)
            reference = member(entry, "policyDefinitionReferenceId")
            effect = overridden(exempted.assigned, reference)
            use = Use(member(entry, "definitionVersion"), effect, outer)
            outcome = of_definition(id, given(member(entry, "parameters")), subject, known, use)
            if isinstance(outcome, tuple):
                outcome = exempted.why(reference) or outcome
        except Unread as unread:
            missing = missing or unread.with_traceback(None)
            continue
        if isinstance(outcome, tuple):
            return outcome
        why = why or outcome
    if missing is not None:
        raise missing
    return why


def overridden(assigned: Resource, reference: Any = None) -> str:
    """Return the effect that overrides of an assignment give a definition; "" without one. `reference`: of a definition
    in an initiative. Raises Unread.

    governance/policy/concepts/assignment-structure: selectors say for what an override holds. One that takes away the
    effect Deny for a part counts; one that gives it for a part does not.
    """
    result = ""
    for override in assigned.items("properties.overrides"):
        kind, value = member(override, "kind"), member(override, "value")
        if same(kind, "definitionVersion"):
            continue
        if not same(kind, "policyEffect") or not isinstance(value, str):
            raise malformed("properties.overrides")
        selectors = member(override, "selectors")
        if not is_absent(selectors) and not isinstance(selectors, list):
            raise not_a_list("properties.overrides[].selectors")
        whole = [_selects(each, reference) for each in selectors or ()]
        if False in whole:
            continue
        if not same(value, "Deny"):
            return value
        if None not in whole:
            result = value
    return result


def _selects(selector: Any, reference: Any) -> bool | None:
    """Return whether a selector of an override selects a definition; None for a part of the resources."""
    if not same(member(selector, "kind"), "policyDefinitionReferenceId"):
        return None
    if not isinstance(reference, str):
        raise not_returned("properties.policyDefinitions[].policyDefinitionReferenceId")
    names, others = member(selector, "in"), member(selector, "notIn")
    if not is_absent(names):
        return any(same(reference, each) for each in _texts(names, "selectors[].in"))
    return not any(same(reference, each) for each in _texts(others, "selectors[].notIn"))


# Rules


def _of_rule(definition: Resource, values: Values, subject: Subject, override: str) -> Outcome:
    """Return what the rule of a definition allows alone. Raises Unread."""
    rule = definition.require(RULE)
    condition = member(rule, "if")
    if not isinstance(rule, dict) or not (is_absent(condition) or isinstance(condition, dict)):
        raise malformed(RULE)
    if is_absent(condition) or not _mentions(condition, subject):
        return None  # without a condition: see `reduced`
    mode = definition.require("properties.mode")
    if not any(same(mode, each) for each in RESOURCE_MODES):
        if isinstance(mode, str) and mode.lower().startswith("microsoft."):
            return None
        raise unknown_value("properties.mode", mode)
    effect = override or values.of(get_path(rule, "then.effect"))
    if not isinstance(effect, str):
        raise not_returned(f"{RULE}.then.effect")
    if not same(effect, "Deny"):
        return Evidence(f"{RULE}.then.effect", effect, "Deny")
    return _of_conditions(_conditions(condition, negated=False), values, subject)


def _mentions(condition: Any, subject: Subject) -> bool:
    """Return whether a condition may be about a subject: a text in it has one of its words, or may be any field."""
    if isinstance(condition, dict):
        field = member(condition, "field")
        is_any = isinstance(field, str) and field.startswith("[")
        return is_any or any(_mentions(each, subject) for each in dict.values(condition))
    if isinstance(condition, list):
        return any(_mentions(each, subject) for each in condition)
    if not isinstance(condition, str):
        return False
    text = condition.lower()
    return any(word in text for word in subject.words) or _ANY_FIELD.search(text) is not None


class Condition(Struct, frozen=True):
    """One condition on a field: `operator` in lower case, of a negated one its opposite."""

    field: str
    operator: str
    operand: Any


_OPPOSITES = {"in": "notin", "equals": "notequals", "like": "notlike", "match": "notmatch", "contains": "notcontains"}
_OPPOSITES |= {each: name for name, each in _OPPOSITES.items()} | {"exists": "notexists"}


def _conditions(condition: Any, *, negated: bool) -> Iterator[Condition]:
    """Yield the conditions that all must hold. Raises Unread where one of several is enough."""
    if not isinstance(condition, dict):
        raise malformed(f"{RULE}.if")
    members = {name.lower(): each for name, each in dict.items(condition)}
    if "not" in members:
        yield from _conditions(members["not"], negated=not negated)
        return
    for name, all_hold in (("allof", not negated), ("anyof", negated)):
        if name in members:
            several = members[name]
            if not isinstance(several, list):
                raise not_a_list(f"{RULE}.if")
            if not all_hold and len(several) > 1:
                raise Unread(f"{RULE}.if", Message("one of several conditions is enough, which is not evaluated"))
            for each in several:
                yield from _conditions(each, negated=negated)
            return
    field = members.pop("field", None)
    if not isinstance(field, str) or field.startswith("[") or len(members) != 1:
        raise Unread(f"{RULE}.if", Message("a condition without a field is not evaluated"))
    operator, operand = members.popitem()
    yield Condition(field.lower(), _opposite(operator) if negated else operator, operand)


def _opposite(operator: str) -> str:
    result = _OPPOSITES.get(operator)
    if result is None:
        raise unknown_value(f"{RULE}.if", operator)
    return result


def _of_conditions(conditions: Iterable[Condition], values: Values, subject: Subject) -> Outcome:
    """Return what is allowed where a resource is denied that meets all conditions. Raises Unread."""
    allowed: list[str] | None = None
    further = ""
    for each in conditions:
        if each.field == subject.field:
            if each.operator in ("notin", "notequals"):
                allowed = [*(allowed or ()), *_operand(each, values)]
            elif each.operator in ("in", "equals"):
                return Evidence(
                    subject.field,
                    Message("only the values that it names are denied"),
                    Message("all other values denied"),
                )
            elif not _is_there(each, values):
                further = each.field
        elif each.field == "type":
            if _is_of_others(each, values, subject):
                return None
        else:
            further = each.field
    if further:
        raise Unread(f"{RULE}.if", Message("its condition on {further} is not evaluated", further=further))
    return None if allowed is None else _allowed(allowed, subject)


def _is_there(condition: Condition, values: Values) -> bool:
    """Return whether a condition says no more than that a resource has the field."""
    wanted = {"exists": True, "notexists": False}.get(condition.operator)
    return wanted is not None and same(values.of(condition.operand), wanted)


def _is_of_others(condition: Condition, values: Values, subject: Subject) -> bool:
    """Return whether a condition on the type leaves a rule to other resources than those of a subject.

    Raises Unread where it leaves out some of them.
    """
    if condition.operator not in ("in", "equals", "notin", "notequals"):
        raise Unread(
            f"{RULE}.if", Message("its condition on type is not evaluated: {operator}", operator=condition.operator)
        )
    types = [each.lower() for each in _operand(condition, values)]
    if condition.operator in ("in", "equals"):
        return not subject.of or subject.of not in types
    if subject.of:
        return subject.of in types
    left_out = [each for each in types if each not in subject.free]
    if left_out:
        raise Unread(f"{RULE}.if", Message("it leaves out types: {list}", list=", ".join(left_out)))
    return False


def _operand(condition: Condition, values: Values) -> list[str]:
    """Return the texts that a condition compares with. Raises Unread."""
    value = values.of(condition.operand)
    if condition.operator in ("equals", "notequals"):
        value = [value]
    return _texts(value, f"{RULE}.if")


def _texts(value: Any, path: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise not_a_list(path)
    return value


def _allowed(values: list[str], subject: Subject) -> Outcome:
    """Return the values that are allowed; why a list without one is no limit. Raises Unread where none is known."""
    wanted = [each for each in values if not any(same(each, name) for name in subject.aside)]
    if not wanted:
        return Evidence(subject.parameter, Message("no values"), Message("the values that are allowed"))
    if subject is REGIONS and not any(each.lower().replace(" ", "") in REGION_TABLE for each in wanted):
        raise unknown_value(subject.parameter, wanted[0])
    return tuple(values)
