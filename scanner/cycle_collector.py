"""Python's cycle collector, kept from walking what stays: modules, rules, large documents and indexes."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_STARTING = 100_000
"""The number of new objects after which the collector runs while the program starts, when nothing becomes garbage."""
_RUNNING = 5_000
"""The same while a command runs: about a megabyte. At Python's 700 it takes a ninth of the time of a scan."""
_EVALUATING = 20_000
"""The same while bundles are evaluated: about what ten of them leave, a few megabytes."""


def _collect_after(objects: int) -> None:
    gc.set_threshold(objects, *gc.get_threshold()[1:])


def program_starts() -> None:
    """Let the collector run rarely, and not at the end: the system takes the memory back."""
    _collect_after(_STARTING)
    atexit.register(gc.freeze)


def command_starts() -> None:
    """Keep the collector from walking what exists now, and let it run as often as a command needs."""
    gc.freeze()
    _collect_after(_RUNNING)


@contextmanager
def without_cycle_collector() -> Iterator[None]:
    """Turn the cycle collector off while something large grows: each collection would walk all of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def long_lived_objects() -> Iterator[None]:
    """Make what stays as long as the process does, such as modules and rules: the collector never walks it."""
    with without_cycle_collector():
        yield
        gc.freeze()


@contextmanager
def existing_objects_not_walked() -> Iterator[None]:
    """Keep the cycle collector from walking what exists now: only objects that are made later are freed.

    Every bundle is a cycle, so that the collector must run; at Python's 700 objects it takes a sixth of the time.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    _collect_after(_EVALUATING)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
