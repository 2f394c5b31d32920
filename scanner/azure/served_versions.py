"""The api-versions that ARM says it serves, where it refuses one."""

import re
from datetime import date

from scanner.azure.errors import ReadError

STATUSES = (400, 404)
_SERVED = re.compile(
    r"""(?:supported|available|\bvalid)\ (?:api[-\ ]?)?versions?(?:\ values)?(?:\ (?:are|is|include))?:?\ ?
    (?:'([^'.]{10,4096})|"([^".]{10,4096})|[\[(]?([0-9][^'".)\]]{9,4096}))""",
    re.I | re.ASCII | re.X,
)
"""What ARM says in NoRegisteredProviderFound, InvalidResourceType and InvalidApiVersionParameter, and services in words
of their own.
"""
_STABLE = re.compile(r"20\d\d-\d\d-\d\d", re.ASCII)


def older_version(error: ReadError, pinned: str) -> str:
    """Return the newest stable api-version that a refusal names and that is not above a pinned one, "" for none.

    The message is bounded (`scanner.azure.errors.MESSAGE`). What is no date is no version.
    """
    named = served_versions(error)
    if pinned in named:
        return ""  # it is refused for its region
    return max((each for each in named if each <= pinned[:10] and each != pinned and _is_stable(each)), default="")


def served_versions(error: ReadError) -> list[str]:
    """Return the api-versions that a refusal names."""
    match = _SERVED.search(error.message) if error.status in STATUSES else None
    return [] if match is None else [each.strip() for each in re.split(r"[,;]", match[1] or match[2] or match[3])]


def _is_stable(version: str) -> bool:
    if _STABLE.fullmatch(version) is None:
        return False
    try:
        date.fromisoformat(version)
    except ValueError:
        return False
    return True
