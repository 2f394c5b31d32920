"""Writes to the terminal: text, tables, progress and errors."""
