"""The states of an endpoint, their order, and the words that people read for them."""

from typing import Literal, get_args

State = Literal["open", "unknown", "waived", "intended", "closed"]
"""`unknown`: nothing proves that it is open, and a part that was not read may open it."""

STATES: tuple[State, ...] = get_args(State)
"""Every endpoint has exactly one of them, so their numbers sum up to the number of endpoints."""

_WORDS = {"unknown": "not assessed"}


def state_word(state: str) -> str:
    """Return the word that people read for a state."""
    return _WORDS.get(state, state)


def proven_state(severity: object, worst: object) -> Literal["open", "unknown", "closed"]:
    """Return the state of an endpoint that is not accepted, by its proven and its worst severity (None: closed)."""
    if severity is not None:
        return "open"
    return "closed" if worst is None else "unknown"
