"""Reads and writes snapshots, and groups their resources into bundles."""
