"""Formats of pipelines: SARIF, JUnit."""
