"""The run folder: every path, atomic parts, receipts, fingerprints."""

from shoal.storage.fingerprints import fingerprint
from shoal.storage.nearby import nearest_name
from shoal.storage.nofollow import NOTES, delete_file
from shoal.storage.oddities import odd_entries
from shoal.storage.parts import (
    link_file,
    parquet_options,
    replacing,
    write_bytes,
    write_columns,
    write_json,
    write_npy,
    write_npy_blocks,
    write_pieces,
    write_table,
)
from shoal.storage.places import Stat, UrlPath, as_place, is_remote, map_requests
from shoal.storage.ranges import Ranges, Streams, fetched_ahead
from shoal.storage.reading import as_array, damage_errors, read_json, read_npy, read_table
from shoal.storage.run_folder import FORMAT, RunFolder, run_place
from shoal.storage.stage_folder import Receipt, StageFolder
from shoal.storage.toml_text import toml_text

__all__ = [
    "FORMAT",
    "NOTES",
    "Ranges",
    "Receipt",
    "RunFolder",
    "StageFolder",
    "Stat",
    "Streams",
    "UrlPath",
    "as_array",
    "as_place",
    "damage_errors",
    "delete_file",
    "fetched_ahead",
    "fingerprint",
    "is_remote",
    "link_file",
    "map_requests",
    "nearest_name",
    "odd_entries",
    "parquet_options",
    "read_json",
    "read_npy",
    "read_table",
    "replacing",
    "run_place",
    "toml_text",
    "write_bytes",
    "write_columns",
    "write_json",
    "write_npy",
    "write_npy_blocks",
    "write_pieces",
    "write_table",
]
