"""Origins of URLs: what of a secret URL may be kept and shown, and which ones stand for every website."""

import re

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,15}://)(?:[^/?#\\@]{0,512}@)?([^/?#\\@\s]{1,260})(?=[/?#]|$)", re.IGNORECASE)


def origin(url: object) -> str:
    """Return scheme and host of a URL, `https://host:8443`; "" where it is none. Path, query and user are secrets."""
    match = _ORIGIN.match(url) if isinstance(url, str) else None
    return f"{match[1]}{match[2]}" if match else ""


def is_any_website(origin: str) -> bool:
    """Return whether an allowed origin of cross-origin requests stands for every website.

    Any page can send the origin `null`, from a sandboxed frame (WHATWG Fetch, the Origin header).
    """
    text = origin.strip().lower()
    name = text.rpartition("://")[2].partition("/")[0].partition(":")[0]
    # `*`, `https://*`, and every name below a top-level domain
    return text == "null" or name == "*" or (name.startswith("*.") and "." not in name[2:])
