"""What is done when rows are added to an earlier run."""

from __future__ import annotations

from shoal.stages.base import Stage
from shoal.stages.growth import assign, drift, link, project

GROWTH: tuple[Stage, ...] = (
    link.INDEX,
    link.FEATURES,
    project.STAGE,
    link.SUMMARISE,
    link.TREE,
    assign.STAGE,
    drift.STAGE,
)
"""In order: the same stages as of a fit, and one that judges the new rows."""
