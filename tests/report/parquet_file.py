"""Parquet files read again, by DuckDB."""

import json
import tempfile
from typing import Any

import duckdb

Row = dict[str, Any]


def parquet_rows(data: bytes) -> list[Row]:
    """Return the rows of a file, its times in UTC."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as database:
        file.write(data)
        file.flush()
        duck_db_py_connection = database.execute("SET TimeZone = 'UTC'").execute("FROM read_parquet(?)", [file.name])
        names = [each[0] for each in duck_db_py_connection.description or ()]
        return [dict(zip(names, row, strict=True)) for row in duck_db_py_connection.fetchall()]


def parquet_text(data: bytes) -> str:
    """Return a file as text: a row a line, as JSON."""
    return "\n".join(json.dumps(row, ensure_ascii=False, default=str) for row in parquet_rows(data))
