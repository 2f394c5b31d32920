"""The findings document: its schema, and how it is written and read."""
