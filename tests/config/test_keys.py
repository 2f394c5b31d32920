"""The rows of keys: what a reader takes and what the schema for editors takes are the same."""

import json
from typing import Any

import pytest

from scanner.config import keys
from scanner.config.channels import CHANNELS, keys_of
from scanner.config.commands import SCAN_SETTINGS
from scanner.config.keys import Key

EVERY = [
    *(keys.option_key(option) for option in SCAN_SETTINGS),
    *(key for rows in keys.VALUES.values() for key in rows),
    *(key for kind in CHANNELS for key in keys_of(kind)),
    *keys.INTENDED,
    *keys.SEVERITY,
    *(key for key in (*keys.WAIVER, *keys.GAP) if key.name != "expires"),
]
VALUES: list[Any] = [
    "",
    " ",
    "x",
    "high",
    0,
    1,
    25,
    128,
    65536,
    2**33,
    1.5,
    True,
    False,
    None,
    [],
    ["x"],
    [""],
    [1],
    {},
]


@pytest.mark.parametrize("key", EVERY, ids=lambda key: key.name)
def test_a_reader_takes_what_the_schema_takes(key: Key) -> None:
    import jsonschema

    schema = jsonschema.Draft7Validator(key.schema())
    taken = [value for value in VALUES if key.fits(value) and (not key.known or value in key.known)]
    assert taken == [value for value in VALUES if schema.is_valid(value)]


@pytest.mark.parametrize("key", EVERY, ids=lambda key: key.name)
def test_no_type_holds_two_patterns(key: Key) -> None:
    """msgspec 0.22 frees a pattern twice, and the process crashes later, where one type holds a pattern twice."""
    assert json.dumps(key.schema()).count('"pattern"') <= 1
