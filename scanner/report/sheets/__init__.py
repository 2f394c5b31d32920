"""Tables: CSV, XLSX, Parquet, and the rows of Log Analytics."""
