"""Words and messages of a report in its language."""
