"""Chooses the format of an output file, and stores it as a file or a blob."""
