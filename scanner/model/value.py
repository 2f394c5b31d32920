"""Value classes: data classes that nothing changes after they are made, without the cost of `frozen=True`."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform, overload

T = TypeVar("T")


@overload
def value(cls: type[T], /) -> type[T]: ...
@overload
def value(*, slots: bool = True, eq: bool = True, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(
    cls: type[T] | None = None, /, *, slots: bool = True, eq: bool = True, kw_only: bool = False
) -> type[T] | Callable[[type[T]], type[T]]:
    """Make a data class that compares and hashes by its fields; without `eq` by identity.

    A frozen data class sets each field through `object.__setattr__`, which makes it three times as slow to create, and
    an evaluation creates hundreds a resource. The type checker treats these classes as frozen; no code assigns to them.
    A class with properties that are computed once (`scanner.model.once`) has no slots.
    """

    def make(one: type[T]) -> type[T]:
        return dataclass(slots=slots, eq=eq, unsafe_hash=eq, kw_only=kw_only)(one)

    return make if cls is None else make(cls)


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
