"""The claims of a token, unverified: for display, and to know where a token may be sent."""

import base64
from typing import Any

import msgspec


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT; {} for other texts."""
    segments = token.split(".")
    if len(segments) != 3:
        return {}
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(segments[1] + "=" * (-len(segments[1]) % 4)))
    except (ValueError, msgspec.DecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}
