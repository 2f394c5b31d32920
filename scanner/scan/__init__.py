"""The steps of a scan, from its settings to its exit code."""
