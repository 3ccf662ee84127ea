"""What is not looked at where an extra is missing."""

from importlib.util import find_spec

_NEED_BEAM = ("beam.py", "engines/beam.py", "engines/beam_processes.py", "engines/beam_worker.py")

_NEEDED = {"apache_beam": _NEED_BEAM, "pyspark": ("engines/spark.py",)}

_MISSING = [names for package, names in _NEEDED.items() if not find_spec(package)]
collect_ignore = [f"src/shoal/{name}" for names in _MISSING for name in names]
