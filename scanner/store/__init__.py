"""Keeps on disk what is too much for memory: locked and temporary files, a spool of bytes, sorted rows."""
