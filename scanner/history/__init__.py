"""What scans remember, in an SQLite file or in PostgreSQL. Imported only where a history is asked for."""

from scanner.history.store import History, ScanRecord

__all__ = ["History", "ScanRecord"]
