"""The run folder: every path, atomic parts, receipts, fingerprints."""

from shoal.storage.fingerprints import fingerprint
from shoal.storage.parts import (
    link_file,
    read_json,
    read_npy,
    read_table,
    replacing,
    write_bytes,
    write_json,
    write_npy,
    write_npy_blocks,
    write_pieces,
    write_table,
)
from shoal.storage.places import UrlPath, as_place
from shoal.storage.run_folder import FORMAT, RunFolder
from shoal.storage.stage_folder import Receipt, StageFolder, many

__all__ = [
    "FORMAT",
    "Receipt",
    "RunFolder",
    "StageFolder",
    "UrlPath",
    "as_place",
    "fingerprint",
    "link_file",
    "many",
    "read_json",
    "read_npy",
    "read_table",
    "replacing",
    "write_bytes",
    "write_json",
    "write_npy",
    "write_npy_blocks",
    "write_pieces",
    "write_table",
]
