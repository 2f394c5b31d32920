"""Server parameters of PostgreSQL and MySQL flexible servers, from one list of each server."""

from typing import NamedTuple

from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Evidence, Fail, Pass, Unread, Verdict, not_returned_or_unknown, unknown, unknown_value


class Parameter(NamedTuple):
    """A server parameter by its name. `good`, `bad`: its values; `has`: what a list with commas must hold instead."""

    name: str
    good: str = ""
    bad: str = ""
    has: str = ""


LOG_CONNECTIONS = Parameter("log_connections", "on", "off")
LOG_DISCONNECTIONS = Parameter("log_disconnections", "on", "off")
LOG_CHECKPOINTS = Parameter("log_checkpoints", "on", "off")
THROTTLE = Parameter("connection_throttle.enable", "on", "off")
AUDIT_LOG = Parameter("audit_log_enabled", "ON", "OFF")
AUDIT_EVENTS = Parameter("audit_log_events", has="CONNECTION")
LOCAL_FILES = Parameter("local_infile", "OFF", "ON")


def parameter(server: Resource, index: Index, *, read: Read, wanted: Parameter) -> Verdict:
    """Fail where a parameter has its bad value, or its list lacks what it must hold. Azure lists every parameter."""
    path, found = f"{read.path}/{wanted.name}", server.children(read)
    row = next((each for each in found if same(each.name.rsplit("/", 1)[-1], wanted.name)), None)
    if row is None:
        return unknown(found.gap or Unread(path, "Azure did not list it"))
    value = row.get("properties.value")
    if not isinstance(value, str):
        return unknown(not_returned_or_unknown(f"{path} properties.value"))
    seen = Evidence(f"{path} properties.value", value, wanted.good or wanted.has)
    if wanted.has:
        named = [part.strip() for part in value.split(",")]
        return Pass((seen,)) if any(same(each, wanted.has) for each in named) else Fail((seen,))
    if same(value, wanted.bad):
        return Fail((seen,))
    return Pass((seen,)) if same(value, wanted.good) else unknown(unknown_value(seen.path, value), evidence=(seen,))
