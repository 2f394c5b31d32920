"""Value classes: data classes that nothing changes after they are made, without the cost of `frozen=True`."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a data class with slots that compares and hashes by its fields.

    A frozen data class sets each field through `object.__setattr__`, which makes it three times as slow to create, and
    an evaluation creates hundreds a resource. The type checker treats these classes as frozen; no code assigns to them.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def open_value(cls: type[T]) -> type[T]:
    """Make the same without slots, for a class with properties that are computed once (`scanner.model.once`)."""
    return dataclass(unsafe_hash=True)(cls)


@cache
def _fields(cls: type[Any]) -> tuple[tuple[str, ...], frozenset[str], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of the fields of a data class, twice, and what reads them all."""
    names = tuple(each.name for each in fields(cls) if each.init)
    read = attrgetter(*names) if len(names) > 1 else lambda one: tuple(getattr(one, each) for each in names)
    return names, frozenset(names), read


def replace(one: T, **changes: Any) -> T:
    """Return a copy of a value with other fields: `dataclasses.replace`, which asks each field whether it may."""
    cls = cast("type[Any]", type(one))
    names, known, read = _fields(cls)
    if hasattr(one, "__dict__") and known.issuperset(changes):
        made = cls.__new__(cls)
        made.__dict__.update(zip(names, read(one), strict=True))
        made.__dict__.update(changes)
        if hasattr(cls, "__post_init__"):
            made.__post_init__()
        return cast("T", made)
    return cast("T", cls(**(dict(zip(names, read(one), strict=True)) | changes)))
