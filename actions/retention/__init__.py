"""Retention: old findings go to an archive of Parquet files, and can be brought back from it."""
