"""Exports of a run: tables, folders of images, an HTML report."""

from shoal.export.confusion import confusion_picture
from shoal.export.folders import Outcome, lay_out, undo
from shoal.export.forms import FILES, Exported, export, export_forms
from shoal.export.report import write_report
from shoal.export.tables import write_labels

__all__ = [
    "FILES",
    "Exported",
    "Outcome",
    "confusion_picture",
    "export",
    "export_forms",
    "lay_out",
    "undo",
    "write_labels",
    "write_report",
]
