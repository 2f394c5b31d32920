"""Documents of the first schema, `twolocks/1`."""

from typing import Any

from scanner.document.states import set_state_of_first_schema


def convert_first_schema(row: dict[str, Any], *, is_exposure: bool) -> None:
    """Convert an exposure or a finding to the present schema."""
    if isinstance(row.get("fix"), str):
        row["fix"] = _fix_of_text(row["fix"])
    if is_exposure:
        set_state_of_first_schema(row)


def _fix_of_text(fix: str) -> dict[str, list[str]]:
    """Return the fix of the first schema as an object: `az x`, or `Not on Basic. Move to Premium: az x`."""
    words, colon, command = ("", ":", fix[3:]) if fix.startswith("az ") else fix.partition(": az ")
    if not colon:
        return {"steps": [fix]}
    return {"commands": ["az " + command], **({"steps": [words + "."]} if words else {})}
