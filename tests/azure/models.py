"""The models of the installed management SDKs: whether what an operation returns has a path."""

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, UnionType
from typing import Any, ForwardRef, Union, get_args, get_origin

from tests.azure.operations import Operation

PATH = re.compile(r"\[\]|[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a member: a `list` or `map` of `inner`, an `object` of the model class, or a plain `value`."""

    what: str
    model: Any = None
    inner: "Shape | None" = None


VALUE = Shape("value")
Member = tuple[tuple[str, ...], Shape]
"""The names of a member in JSON, several where the SDK flattens it."""


@lru_cache
def returned(operation: Operation) -> type | None:
    """Return the model of the resource that an operation returns or lists, None where it returns none."""
    name, _, builder = operation.name.rpartition(".")
    models = importlib.import_module(f"{name.partition('.operations')[0]}.models")
    for _, group in inspect.getmembers(importlib.import_module(name), inspect.isclass):
        for method in filter(inspect.isfunction, vars(group).values()):
            if builder in _names(inspect.unwrap(method).__code__):
                word = re.search(r"\.(\w+)'", str(method.__annotations__.get("return")))
                return _listed(getattr(models, word[1], None)) if word else None
    return None


def _names(code: CodeType) -> set[str]:
    inner = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inner)


def _listed(model: type | None) -> type | None:
    """Return the model of the items where a model is a page of them."""
    for names, shape in members(model) if model else ():
        if names == ("value",) and shape.what == "list" and shape.inner is not None and shape.inner.model:
            return shape.inner.model  # type: ignore[no-any-return]
    return model


def has(model: type, path: str) -> bool:
    """Return whether a model has a path: `properties.list[].name`; `*` is any member of an object or map."""
    return _has(Shape("object", model), tuple(PATH.findall(path)))


def _has(shape: Shape, steps: tuple[str, ...]) -> bool:
    if not steps:
        return True
    if shape.what == "object":
        return any(_member(each, steps) for model in _family(shape.model) for each in members(model))
    step = {"list": "[]", "map": "*"}.get(shape.what)
    return step == steps[0] and shape.inner is not None and _has(shape.inner, steps[1:])


def _member(member: Member, steps: tuple[str, ...]) -> bool:
    names, shape = member
    if any(step not in (name, "*") for name, step in zip(names, steps, strict=False)):
        return False
    return _has(shape, steps[len(names) :])


def _family(model: Any) -> Iterator[type]:
    """Yield a model and those that extend it."""
    yield model
    for each in model.__subclasses__():
        yield from _family(each)


@lru_cache
def members(model: Any) -> tuple[Member, ...]:
    """Return the members of a model, of either generator of SDKs."""
    if hasattr(model, "_attribute_map"):
        fields = model._attribute_map.values()
        return tuple((_keys(each["key"]), _of_text(each["type"], model)) for each in fields)
    found: dict[str, Shape] = {}
    for part in reversed(model.__mro__):
        hints = vars(part).get("__annotations__", {})
        for name, each in _rest_fields(part).items():
            found[each._rest_name_input or name] = _of_hint(hints.get(name), model)
    return tuple(((name,), shape) for name, shape in found.items())


def _rest_fields(model: Any) -> dict[str, Any]:
    return {name: each for name, each in vars(model).items() if hasattr(each, "_rest_name_input")}


def _keys(key: str) -> tuple[str, ...]:
    """Return the steps of `properties.x`; a dot that belongs to a name is escaped."""
    return tuple(each.replace("\\.", ".") for each in re.split(r"(?<!\\)\.", key))


def _of_text(text: str, model: type) -> Shape:
    """Return the shape of "str", "Sku", "[Sku]" or "{Sku}"."""
    if text[0] in "[{":
        return Shape("list" if text[0] == "[" else "map", inner=_of_text(text[1:-1], model))
    return _of_name(text, model)


def _of_hint(hint: Any, model: type) -> Shape:
    """Return the shape of an annotation; of a union, that of its first member with a shape."""
    if isinstance(hint, str | ForwardRef):
        return _of_name(hint if isinstance(hint, str) else hint.__forward_arg__, model)
    inner = [_of_hint(each, model) for each in get_args(hint)]
    if get_origin(hint) in (Union, UnionType):
        return next((each for each in inner if each.what != "value"), VALUE)
    if get_origin(hint) in (list, dict):
        return Shape("list" if get_origin(hint) is list else "map", inner=inner[-1])
    return VALUE


def _of_name(name: str, model: type) -> Shape:
    """Return the shape of a class of the models: an enumeration is a value."""
    found = getattr(importlib.import_module(model.__module__), name.rpartition(".")[2], None)
    is_model = isinstance(found, type) and (hasattr(found, "_attribute_map") or hasattr(found, "as_dict"))
    return Shape("object", found) if is_model else VALUE
