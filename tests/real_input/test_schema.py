"""`schema_paths.toml` says what Azure's schema says, where the schema is at hand."""

import pytest

from tests.rules import schema, schema_paths

needs_schema = pytest.mark.skipif(
    schema.facts() is None, reason="name the folder of the schema: make real-input FACTS=DIR"
)


@needs_schema
def test_the_written_paths_are_those_of_the_schema() -> None:
    assert schema.FILE.read_text("utf-8") == schema_paths.written(), "run `make paths`"
