"""The origin of a URL: what of one that is a secret may be kept and shown."""

import re

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,15}://)(?:[^/?#\\@]{0,512}@)?([^/?#\\@\s]{1,260})(?=[/?#]|$)", re.IGNORECASE)


def origin(url: object) -> str:
    """Return scheme and host of a URL, `https://host:8443`; "" where it is none. Path, query and user are secrets."""
    found = _ORIGIN.match(url) if isinstance(url, str) else None
    return f"{found[1]}{found[2]}" if found else ""
