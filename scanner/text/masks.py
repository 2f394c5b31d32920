"""Masks values that look like secrets, wherever they stand: the second net, after what is kept at all."""

import re
from functools import cache

MASK = "***"
"""What stands in place of a secret. The text around it stays, so that a message still says what it was."""

_PATTERNS = {
    "SAS signature": r"(?<![a-z0-9])(sig=)[A-Za-z0-9%+/=_-]{16,}",
    "key of a connection string": r"((?:account|sharedaccess|shared|access|primary|secondary)key\s*=\s*)[^;\s\"']{8,}",
    "password of a connection string": r"((?:(?<=[;\"'\s])|^)(?:password|pwd)\s*=\s*)(?:'[^']+'|[^;\"'\s]+)",
    "private key": r"(-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----)[^-]*(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----)?",
    "JSON web token": r"()\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    "bearer token": r"(\bbearer\s+)[A-Za-z0-9._~+/=-]{20,}",
    "GitHub token": r"()\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "Slack token": r"()\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    # To the last @ of the word, because a password may hold @ and /. A port and a path are none.
    "URL with a password": r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{0,64}:)(?!\d{2,5}/)[^\s\"'<>]+(?=@)",
    "token before the host of a URL": r"(https?://)[^\s/:@?#\"'<>]{20,}(?=@)",
    "key in the query of a URL": (
        r"([?&#](?:code|(?:x-functions|subscription|api|access|functions?)?[_-]?key|(?:client|app|shared)?[_-]?secret"
        r"|(?:access|auth|api|id|refresh|bot)?[_-]?token|passw(?:or)?d|pwd|sas|jwt)=)[^&#\s\"'<>]{8,}"
    ),
    "webhook": (
        r"(https://(?:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/"
        r"|[a-z0-9.-]*webhook\.office\.com/webhookb2/|outlook\.office(?:365)?\.com/webhook/"
        r"|(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks/))[^\s\"']+"
    ),
    "integration key": r"(https://events\.(?:eu\.)?pagerduty\.com/integration/)[^\s\"'/]+",
    "Azure Storage key": r"()(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==",
    "Microsoft Entra secret": r"()\b[A-Za-z0-9_-]{3}8Q~[A-Za-z0-9._~-]{34}\b",
}

_HINTS = {
    "SAS signature": ("sig=", ""),
    "key of a connection string": ("=", "key"),
    "password of a connection string": ("=", ""),
    "private key": ("private key", ""),
    "JSON web token": ("eyj", ""),
    "bearer token": ("bearer", ""),
    "GitHub token": ("gh", "_"),
    "Slack token": ("xox", ""),
    "URL with a password": ("@", "://"),
    "token before the host of a URL": ("@", "://"),
    "key in the query of a URL": ("://", "="),
    "webhook": ("hook", ""),
    "integration key": ("pagerduty", ""),
    "Azure Storage key": ("==", ""),
    "Microsoft Entra secret": ("8q~", ""),
}
"""Two texts in lower case that each match of a pattern holds."""
_ROWS = tuple((one, other, name) for name, (one, other) in _HINTS.items())


def patterns() -> dict[str, re.Pattern[str]]:
    """Return the patterns by name. The first group is what stays before the mask."""
    return {name: _pattern(name) for name in _PATTERNS}


@cache
def _pattern(name: str) -> re.Pattern[str]:
    # Compiled where a hint asks for it: all of them cost more than the first line that a command prints.
    return re.compile(_PATTERNS[name], re.IGNORECASE)


def _hinted(text: str) -> list[re.Pattern[str]]:
    """Return the patterns that may match a text."""
    low = text.lower()
    return [_pattern(name) for one, other, name in _ROWS if one in low and other in low]


def has_secret(text: str) -> bool:
    """Return whether something in a text looks like a secret."""
    return any(pattern.search(text) for pattern in _hinted(text))


def masked(text: str) -> str:
    """Return a text without what looks like a secret."""
    for pattern in _hinted(text):
        text = pattern.sub(lambda match: f"{match[1] or ''}{MASK}", text)
    return text
