"""Server parameters of PostgreSQL and MySQL flexible servers, from one list of each server."""

from typing import NamedTuple

from scanner.model.index import Index
from scanner.model.json_paths import is_one, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)

from .resource_logs import judged

PENDING = "properties.isConfigPendingRestart"


def pending_restart(parameter: Resource) -> Unread | None:
    """Return that a parameter has its value from the next restart on only; None where it is in effect."""
    if not same(parameter.get(PENDING), True):
        return None
    return Unread(
        f"configurations/{parameter.name.rsplit('/', 1)[-1]} {PENDING}", Message("it takes effect at the next restart")
    )


class Parameter(NamedTuple):
    """A server parameter by its name. `good`, `bad`: its values; `has`: what a list with commas must hold one of instead.

    `switch`: the parameter, ON or OFF, without which this one does nothing. `limits`: one that must be empty for it to
    apply to every user.
    """

    name: str
    good: str = ""
    bad: str = ""
    has: tuple[str, ...] = ()
    switch: str = ""
    limits: str = ""


LOG_CONNECTIONS = Parameter("log_connections", "on", "off")
LOG_DISCONNECTIONS = Parameter("log_disconnections", "on", "off")
LOG_CHECKPOINTS = Parameter("log_checkpoints", "on", "off")
THROTTLE = Parameter("connection_throttle.enable", "on", "off")
AUDIT_LOG = Parameter("audit_log_enabled", "ON", "OFF")
# mysql/flexible-server/concepts-audit-logs: CONNECTION_V2 has the same events, and those of refused sign-ins with their code.
AUDIT_EVENTS = Parameter(
    "audit_log_events",
    has=("CONNECTION", "CONNECTION_V2"),
    switch="audit_log_enabled",
    limits="audit_log_include_users",
)
LOCAL_FILES = Parameter("local_infile", "OFF", "ON")
PASSWORD_HASHES = Parameter("password_encryption", "scram-sha-256", "md5")
LOG_FILES, LOG_FILE_DAYS = "logfiles.download_enable", "logfiles.retention_days"
KEPT_DAYS = 4


def parameter(server: Resource, index: Index, *, read: Read, wanted: Parameter) -> Verdict:
    """Fail where a parameter has its bad value, or its list lacks what it must hold. Azure lists every parameter."""
    switch = _row(server, read, wanted.switch) if wanted.switch else None
    if switch is not None and same(switch.get("properties.value"), "OFF"):
        return NotApplicable(Message("{switch} is OFF, which another rule reports", switch=wanted.switch))
    value, row = _value(server, read, wanted.name)
    path = f"{read.path}/{wanted.name} properties.value"
    seen = Evidence(path, value, wanted.good or wanted.has[0])
    if wanted.has:
        named = [piece.strip() for piece in value.split(",")]
        verdict: Verdict = Pass((seen,)) if any(is_one(each, wanted.has) for each in named) else Fail((seen,))
    elif same(value, wanted.bad):
        verdict = Fail((seen,))
    elif same(value, wanted.good):
        verdict = Pass((seen,))
    else:
        return unknown(unknown_value(path, value), evidence=(seen,))
    return _in_effect(verdict, server, read, wanted, row) if isinstance(verdict, Pass) else verdict


def short_log_files(server: Resource, index: Index, *, read: Read, logs: Read) -> Verdict:
    """Fail where the log files of a server are all that is kept of its log, for three days or less.

    postgresql/flexible-server server parameters: download is off by default, and a file is kept for 1 to 7 days, 3 by default.
    """
    switch, _ = _value(server, read, LOG_FILES)
    if same(switch, "off"):
        return NotApplicable(Message("it keeps no log files for download"))
    if not same(switch, "on"):
        return unknown(unknown_value(f"{read.path}/{LOG_FILES} properties.value", switch))
    value, _ = _value(server, read, LOG_FILE_DAYS)
    path = f"{read.path}/{LOG_FILE_DAYS} properties.value"
    seen = (Evidence(path, value, Message("{days} days or more", days=KEPT_DAYS)),)
    if not value.isascii() or not value.isdigit():
        return unknown(unknown_value(path, value), evidence=seen)
    if int(value) >= KEPT_DAYS:
        return Pass(seen)
    sent = judged(server.children(logs), index, ("PostgreSQLLogs",), ("allLogs", "audit?"))
    if isinstance(sent, Pass):
        return NotApplicable(Message("its log is sent elsewhere, and kept there"))
    return Fail(seen) if isinstance(sent, Fail) else sent


def _in_effect(verdict: Pass, server: Resource, read: Read, wanted: Parameter, row: Resource) -> Verdict:
    """Return the verdict on a good value: it must be in effect, and for every user."""
    if (pending := pending_restart(row)) is not None:
        return unknown(pending, evidence=verdict.evidence)
    if wanted.limits and _row(server, read, wanted.limits) is not None and _value(server, read, wanted.limits)[0]:
        missing = Unread(f"{read.path}/{wanted.limits}", Message("it names the users that are logged"))
        return unknown(missing, evidence=verdict.evidence)
    if wanted.switch and not same(_value(server, read, wanted.switch)[0], "ON"):
        return unknown(unknown_value(f"{read.path}/{wanted.switch} properties.value"), evidence=verdict.evidence)
    return verdict


def _row(server: Resource, read: Read, name: str) -> Resource | None:
    """Return the row of a parameter; None without one."""
    return next((each for each in server.children(read) if same(each.name.rsplit("/", 1)[-1], name)), None)


def _value(server: Resource, read: Read, name: str) -> tuple[str, Resource]:
    """Return the value of a parameter, with its row. Raises Unread."""
    path, row = f"{read.path}/{name}", _row(server, read, name)
    if row is None:
        raise server.children(read).gap or Unread(path, Message("Azure did not list it"))
    value = row.get("properties.value")
    if not isinstance(value, str):
        raise not_returned_or_unknown(f"{path} properties.value")
    return value, row
