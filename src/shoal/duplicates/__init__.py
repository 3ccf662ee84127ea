"""Copies among images: exact ones, and near ones that were re-encoded, scaled, moved or lit."""

from shoal.duplicates.find import Duplicates, find_duplicates
from shoal.duplicates.separate import keep_one, remove_copies, undo

__all__ = ["Duplicates", "find_duplicates", "keep_one", "remove_copies", "undo"]
