"""What leaves a run: tables, folders of images, one report."""

from shoal.export.confusion import confusion_picture
from shoal.export.folders import Outcome, lay_out, undo
from shoal.export.report import write_report
from shoal.export.tables import write_labels

__all__ = [
    "Outcome",
    "confusion_picture",
    "lay_out",
    "undo",
    "write_labels",
    "write_report",
]
