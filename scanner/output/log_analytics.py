"""The name of a stream of Log Analytics as a target of `--out`: `loganalytics://HOST/DCR-ID/STREAM`."""

import re
from typing import TYPE_CHECKING

from scanner.errors import InputError

if TYPE_CHECKING:
    from scanner.azure.log_ingestion import LogStream

LOGS = "loganalytics://"
_FORM = "write loganalytics://HOST/DCR-ID/STREAM; docs/formats.md says where to find them"
_RULE = re.compile(r"dcr-[0-9a-f]{32}")
_STREAM = re.compile(r"Custom-[A-Za-z][A-Za-z0-9_]{0,99}")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


def is_log_stream(name: object) -> bool:
    """Return whether a name is the name of a stream."""
    return str(name).lower().startswith(LOGS)


def parse_log_stream(name: str, at: str) -> "LogStream":
    """Return the stream of a name. Raise InputError for another form, and for a host that is not Azure's."""
    from scanner.azure.log_ingestion import SUFFIXES, LogStream

    host, _, rest = name[len(LOGS) :].partition("/")
    rule, _, stream = rest.partition("/")
    if not _RULE.fullmatch(rule) or not _STREAM.fullmatch(stream):
        raise InputError(
            "the name of a stream has a host, the immutable id of a rule, and Custom-NAME", at=at, do=_FORM
        )
    host = host.lower()
    if not _HOST.fullmatch(host) or not host.endswith(tuple(f".{suffix}" for suffix in SUFFIXES.values())):
        raise InputError(
            f"{host!r} is not the host of a data collection endpoint, so no token is sent there",
            at=at,
            do=f"write NAME.REGION.{SUFFIXES['public']}; docs/formats.md says where to find it",
        )
    return LogStream(f"https://{host}", rule, stream, at)
