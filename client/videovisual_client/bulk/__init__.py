"""Whole data sets on Ray: answers as a Parquet table; needs the extra `bulk`."""
