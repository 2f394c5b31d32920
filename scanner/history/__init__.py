"""The scan history, in an SQLite file or in PostgreSQL. Imported only where a history is asked for."""
