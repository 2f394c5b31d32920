"""Value classes: data classes that nothing changes after they are made, without the cost of `frozen=True`."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, cast, dataclass_transform, overload

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


class _Fields(NamedTuple):
    """The names of the fields of a data class, what reads them all, and how a copy is made and checked."""

    names: tuple[str, ...]
    known: frozenset[str]
    read: Callable[[Any], tuple[Any, ...]]
    make: Callable[..., Any]
    check: Callable[[Any], None] | None


_known: dict[type, _Fields] = {}


def _fields(cls: Any) -> _Fields:
    names = tuple(each.name for each in fields(cls) if each.init)
    read = attrgetter(*names) if len(names) > 1 else lambda one: tuple(getattr(one, each) for each in names)
    return _Fields(names, frozenset(names), read, cls, getattr(cls, "__post_init__", None))


def replace(one: T, **changes: Any) -> T:
    """Return a copy of a value with other fields: `dataclasses.replace`, which asks each field whether it may."""
    cls = type(one)
    about = _known.get(cls)
    if about is None:
        about = _known[cls] = _fields(cls)
    after = dict(zip(about.names, about.read(one), strict=True)) | changes
    if not hasattr(one, "__dict__") or not about.known.issuperset(changes):
        return cast("T", about.make(**after))
    made = object.__new__(cls)
    made.__dict__.update(after)
    if about.check is not None:
        about.check(made)
    return made
