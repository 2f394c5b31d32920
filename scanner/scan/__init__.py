"""Runs a scan from the settings to the exit code."""
