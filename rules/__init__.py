"""The built-in rules: one file a service. They are loaded by path, never imported by this name."""
