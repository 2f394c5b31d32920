"""The vocabulary of rules: resources, verdicts, endpoints and their locks. Imports nothing else of scanner."""
