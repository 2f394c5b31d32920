"""Python's cycle collector, kept from walking what stays: large documents and indexes."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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


_YOUNG = 20_000
"""The number of new objects after which the collector runs: about what ten bundles leave, a few megabytes."""


@contextmanager
def existing_objects_not_walked() -> Iterator[None]:
    """Keep the cycle collector from walking what exists now: only objects that are made later are freed.

    Every bundle is a cycle, so that the collector must run; at Python's 700 objects it takes a sixth of the time.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
