"""The built-in rules: for each service a Python file (types, reads, exposures) and a file of rows. They are loaded by path."""
