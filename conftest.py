"""What is not looked at where an extra is missing."""

from importlib.util import find_spec

_NEED_BEAM = ("beam.py", "engines/beam.py", "engines/beam_processes.py", "engines/beam_worker.py")

collect_ignore = [] if find_spec("apache_beam") else [f"src/shoal/{name}" for name in _NEED_BEAM]
