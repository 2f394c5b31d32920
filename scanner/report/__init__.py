"""Writes a findings document as HTML, CSV, JUnit, SARIF or Markdown."""
