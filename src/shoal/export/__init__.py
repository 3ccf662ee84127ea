"""Exports of a run: tables, folders of images, an HTML report."""

from shoal.export.confusion import confusion_picture
from shoal.export.folders import Outcome, lay_out, undo
from shoal.export.forms import FILES, FOLDERS, FORMS, Exported, export
from shoal.export.report import write_report
from shoal.export.tables import write_labels

__all__ = [
    "FILES",
    "FOLDERS",
    "FORMS",
    "Exported",
    "Outcome",
    "confusion_picture",
    "export",
    "lay_out",
    "undo",
    "write_labels",
    "write_report",
]
