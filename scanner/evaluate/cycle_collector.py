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


@contextmanager
def existing_objects_not_walked() -> Iterator[None]:
    """Keep the cycle collector from walking what exists now: only objects that are made later are freed."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
