"""What the Azure CLI remembers of its logins, from the file `azureProfile.json`."""

import os
from pathlib import Path
from typing import Any

import msgspec


def profile() -> list[dict[str, Any]]:
    """Return the subscriptions that the Azure CLI remembers (id, name, tenantId, user, isDefault); [] without any."""
    folder = os.environ.get("AZURE_CONFIG_DIR") or str(Path.home() / ".azure")
    try:
        value = msgspec.json.decode((Path(folder) / "azureProfile.json").read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
    rows = value.get("subscriptions") if isinstance(value, dict) else None
    return [row for row in rows or () if isinstance(row, dict)]


def profile_user() -> str:
    """Return the user that is signed in to the Azure CLI, at most 200 characters; "" where the file names none."""
    rows = sorted(profile(), key=lambda row: row.get("isDefault") is not True)
    user = rows[0].get("user") if rows else None
    return str(user.get("name") or "")[:200] if isinstance(user, dict) else ""
