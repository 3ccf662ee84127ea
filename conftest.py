"""Modules whose doctests are not collected."""

from importlib.util import find_spec

_NEEDED = {"apache_beam": ("beam.py", "engines/beam.py"), "pyspark": ("engines/spark.py",)}

_MISSING = [names for package, names in _NEEDED.items() if not find_spec(package)]
_DEPRECATED = ["tiles.py"]  # which warns when it is inspected
collect_ignore = [f"src/shoal/{name}" for names in (*_MISSING, _DEPRECATED) for name in names]
