"""The levels of the two locks, and the severity that two levels make."""

from typing import Literal

from scanner.model import severity
from scanner.model.severity import Severity


class Reach(severity.Level):
    """The callers that can open a connection, from few to all. JSON holds the name."""

    none = 0
    private = 1
    selected = 2
    wide = 3
    azure = 4
    internet = 5


class Auth(severity.Level):
    """The weakest credential that an endpoint accepts, from strong to weak. JSON holds the name."""

    identity = 1
    shared = 2
    anonymous = 3


Level = Reach | Auth
EndpointKind = Literal["data", "admin", "app"]
LOCKS = ("anonymous-access", "authentication", "network")

_TABLE: dict[tuple[bool, Auth], tuple[Severity | None, ...]] = {
    # (is an app, authentication): internet, azure and wide, selected, private
    (False, Auth.anonymous): (Severity.critical, Severity.critical, Severity.high, Severity.medium),
    (False, Auth.shared): (Severity.high, Severity.high, Severity.medium, Severity.low),
    (False, Auth.identity): (Severity.medium, Severity.medium, None, None),
    (True, Auth.anonymous): (Severity.medium, Severity.medium, Severity.low, None),
    (True, Auth.shared): (Severity.low, Severity.low, None, None),
    (True, Auth.identity): (None, None, None, None),
}
_COLUMN = {Reach.internet: 0, Reach.azure: 1, Reach.wide: 1, Reach.selected: 2, Reach.private: 3}


def cell(kind: EndpointKind, auth: Auth, reach: Reach) -> Severity | None:
    """Return the severity of an endpoint with these two locks; None where it counts as closed."""
    return None if reach is Reach.none else _TABLE[kind == "app", auth][_COLUMN[reach]]
