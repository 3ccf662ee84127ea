"""Exact copies of images, and near copies that were re-encoded, scaled, shifted or brightened."""

from shoal.duplicates.find import Duplicates, find_duplicates
from shoal.duplicates.separate import keep_one, remove_copies, undo

__all__ = ["Duplicates", "find_duplicates", "keep_one", "remove_copies", "undo"]
