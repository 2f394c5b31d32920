"""The HTML report, and that of a difference."""
