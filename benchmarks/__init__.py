"""Measurements of speed, memory and quality: ``python -m benchmarks``.

One file a benchmark. Each yields measurements, which become JSON rows in `results/`; what must
hold is judged from the rows alone, and docs/benchmarks.md is drawn from them.
"""
