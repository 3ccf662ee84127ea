"""Engines, which run tasks: local threads, Beam, Dask, Spark."""
