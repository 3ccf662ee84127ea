"""Kinds of files, by name and first bytes: those that need an extra, and those not read.

Pickles are never opened, as that executes code; messages explain how to convert them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from shoal.errors import SourceError
from shoal.rows.handles import both_ends, head_of

JUNK = frozenset(("thumbs.db", "desktop.ini"))
"""Files that operating systems put into folders, in lower case."""

_MOST_KINDS = 5
# Main brands of ISO media files (ISO/IEC 14496-12, 4.3); any other is a video's.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True)
class Foreign:
    """A kind of file that Shoal does not read, or only with an extra."""

    what: str  # in messages: ``a PDF file``
    way: str  # what to do so that it is read
    extensions: tuple[str, ...]  # in lower case, with the dot
    # (position, bytes) that such a file has; one of them is enough
    magic: tuple[tuple[int, bytes], ...] = ()
    module: str = ""  # of the extra that reads it; empty without one
    is_picture: bool = True  # whether users regard such files as pictures

    def begins(self, head: bytes) -> bool:
        return any(head.startswith(sign, at) for at, sign in self.magic)

    @property
    def is_installed(self) -> bool:
        return self.module != "" and has_module(self.module)


OPTIONAL = (
    Foreign(
        "a HEIC picture",
        "install what reads them: pip install 'shoal[heif]'",
        (".heic", ".heif", ".hif", ".heics", ".heifs"),
        tuple((4, b"ftyp" + brand) for brand in _HEIF_BRANDS),
        "pi_heif",
    ),
    Foreign(
        "a JPEG XL picture",
        "install what reads them: pip install 'shoal[jxl]'",
        (".jxl",),
        ((0, b"\xff\x0a"), (0, b"\0\0\0\x0cJXL \r\n\x87\n")),
        "imagecodecs",
    ),
)
"""Pictures that are read if their extra is installed."""

_TO_NPY = "save its array as .npy: numpy.save('x.npy', {})"
FOREIGN = (
    Foreign(
        "a DICOM file",
        "convert it to PNG or TIFF, for example by dcm2img, or save the arrays of a series: "
        "numpy.save('x.npy', [pydicom.dcmread(f).pixel_array for f in files])",
        (".dcm", ".dicom", ".ima"),
        ((128, b"DICM"),),
    ),
    Foreign(
        "a FITS file",
        _TO_NPY.format("astropy.io.fits.getdata(FILE)"),
        (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz"),
        ((0, b"SIMPLE  ="),),
    ),
    Foreign(
        "a NIfTI volume",
        "save its slices as .npy: "
        "numpy.save('x.npy', numpy.moveaxis(nibabel.load(FILE).get_fdata(), 2, 0))",
        (".nii", ".nii.gz"),
        ((344, b"n+1\0"), (344, b"ni1\0")),
    ),
    Foreign(
        "a medical image volume",
        _TO_NPY.format("SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(FILE))"),
        (".nrrd", ".nhdr", ".mha", ".mhd"),
        ((0, b"NRRD"),),
    ),
    Foreign(
        "a microscope image in its maker's format",
        "convert it to OME-TIFF, for example by bfconvert of Bio-Formats",
        (".czi", ".lif", ".nd2", ".vsi", ".oib", ".oif", ".ims", ".mrxs", ".ndpi", ".svs", ".scn"),
    ),
    Foreign(
        "a vector graphic (SVG, EPS, AI)",
        "render it as PNG, for example by rsvg-convert or inkscape",
        (".svg", ".svgz", ".eps", ".ai", ".emf", ".wmf"),
        ((0, b"<svg"), (0, b"%!PS")),
    ),
    Foreign(
        "a PDF file",
        "render its pages as PNG, for example by pdftoppm -png",
        (".pdf",),
        ((0, b"%PDF"),),
    ),
    Foreign(
        "a video",
        "take pictures from it, for example by ffmpeg -i FILE -vf fps=1 frames/%06d.png",
        (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".3gp"),
        ((4, b"ftyp"), (8, b"AVI "), (0, b"\x1aE\xdf\xa3")),
    ),
    Foreign(
        "a picture in a rare format",
        "convert it to PNG or TIFF, for example by magick FILE FILE.png",
        (
            *(".psd", ".psb", ".xcf", ".kra", ".exr", ".hdr", ".pfm", ".ico", ".cur", ".icns"),
            *(".tga", ".dds", ".pcx", ".sgi", ".ras", ".xbm", ".xpm", ".qoi", ".djvu", ".bpg"),
        ),
        ((0, b"8BPS"), (0, b"v/1\x01"), (0, b"#?RADIANCE"), (0, b"qoif"), (0, b"gimp xcf")),
    ),
    Foreign(
        "an Arrow or Feather file",
        "save it as Parquet: pandas.read_feather(FILE).to_parquet('x.parquet')",
        (".feather", ".arrow", ".ipc", ".arrows"),
        ((0, b"ARROW1"), (0, b"FEA1")),
        is_picture=False,
    ),
    Foreign(
        "a file of JSON",
        "save its records as Parquet: "
        "pandas.read_json(FILE, lines=True).to_parquet('x.parquet') (lines=False for one list)",
        (".jsonl", ".ndjson", ".json", ".geojson"),
        ((0, b'{"'), (0, b"[{"), (0, b"{\n")),
        is_picture=False,
    ),
    Foreign(
        "a spreadsheet",
        "save it as CSV, or as Parquet: pandas.read_excel(FILE).to_parquet('x.parquet')",
        (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"),
        ((0, b"\xd0\xcf\x11\xe0"),),
        is_picture=False,
    ),
    Foreign(
        "a file of a statistics package",
        "save it as Parquet: pandas has read_stata, read_sas and read_spss, pyreadr has read_r",
        (".dta", ".sas7bdat", ".sav", ".rds", ".rda", ".rdata"),
        is_picture=False,
    ),
    Foreign(
        "a database",
        "save the table as Parquet: pandas.read_sql(QUERY, CONNECTION).to_parquet('x.parquet')",
        (".sqlite", ".sqlite3", ".db", ".duckdb", ".mdb", ".lmdb"),
        ((0, b"SQLite format 3"),),
        is_picture=False,
    ),
    Foreign(
        "a table in another format than Parquet",
        "save it as Parquet: pyarrow.parquet.write_table(pyarrow.orc.read_table(FILE), 'x.parquet')"
        ", or with fastavro",
        (".orc", ".avro"),
        ((0, b"ORC"), (0, b"Obj\x01")),
        is_picture=False,
    ),
    Foreign(
        "a file of tensors",
        _TO_NPY.format("tensor.numpy()"),
        (".pt", ".pth", ".ckpt", ".safetensors"),
        is_picture=False,
    ),
)
"""Files that occur in folders of data, and that Shoal does not read."""

_BY_EXTENSION = {end: kind for kind in (*OPTIONAL, *FOREIGN) for end in kind.extensions}


def extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()


@cache
def has_module(name: str) -> bool:
    return find_spec(name) is not None


def reads_by_extra(ending: str) -> bool:
    kind = _BY_EXTENSION.get(ending)
    return kind is not None and kind.is_installed


def kind_of_file(name: str, head: bytes = b"") -> Foreign | None:
    """Return the kind of a file by its name, or else by its first bytes; None for others.

    >>> kind_of_file("scan.nii.gz").what, kind_of_file("x", b"SIMPLE  =  T").what
    ('a NIfTI volume', 'a FITS file')
    """
    first, ending = os.path.splitext(name.lower())
    double = os.path.splitext(first)[1] + ending
    named = _BY_EXTENSION.get(double) or _BY_EXTENSION.get(ending)
    if named is not None:
        return named
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n") if head[:1] in b"\xef \t\r\n" else head
    return next((kind for kind in (*OPTIONAL, *FOREIGN) if kind.begins(start)), None)


def is_avif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and b"avi" in head[8 : min(int.from_bytes(head[:4], "big"), 64)]


def count_kinds(names: Iterable[str]) -> Counter[str]:
    return Counter(map(extension, names))


def left_out(counts: Mapping[str, int]) -> str:
    return f", {counted(counts)} left out" if counts else ""


def of_kinds(counts: Mapping[str, int]) -> str:
    """Return the part of a description that counts files of several extensions; else nothing."""
    return f": {counted(counts)}" if len(counts) > 1 else ""


def counted(counts: Mapping[str, int]) -> str:
    ranked = _ranked(counts)
    parts = [f"{count:,} {end or 'without extension'}" for end, count in ranked[:_MOST_KINDS]]
    rest = ranked[_MOST_KINDS:]
    if rest:
        parts.append(f"{sum(count for _, count in rest):,} of {len(rest)} other kinds")
    return f"{', '.join(parts[:-1])}{' and ' if parts[1:] else ''}{parts[-1]}"


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def ways(counts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each kind of picture left out, with a way to read it.

    >>> ways({".svg": 3, ".txt": 1})
    ['3 .svg left out: render it as PNG, for example by rsvg-convert or inkscape.']
    """
    return [
        f"{count:,} {end} left out: {kind.way}."
        for end, count in _ranked(counts)
        if (kind := _BY_EXTENSION.get(end)) is not None and kind.is_picture
    ]


# https://docs.python.org/3/library/pickle.html#data-stream-format: PROTO with its number and a
# frame or what begins an object; before protocol 2 a mark, a container or a global name.
_BINARY = re.compile(rb"\x80[\x02-\x05][\x95}\](c)XUCN]")
_OLD = re.compile(
    rb"\(dp?\d*\n|\(lp?\d*\n|\]q\x00|\}q\x00|c(numpy|pandas|copy_reg|__builtin__)[^\n]*\n"
)
_DICTIONARY = re.compile(rb"(\x80[\x02-\x05](\x95.{8})?)?(\}|\(d)", re.DOTALL)
_EXTENSIONS = (".pkl", ".pickle", ".p", ".pk", ".joblib")
_PACKED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
_LOOKED = 1 << 12
_CIFAR_KEYS = (b"fine_labels", b"labels")
_MOST_FILES = 20
_PLAIN_NAME = re.compile(r"[\w.,@=+ -]{1,80}")
_WHY = (
    "opening one runs the code in it, so Shoal never does; if you trust where it comes from, "
    "convert it once by:"
)


def is_pickle(path: Path, magic: bytes) -> bool:
    """Return whether a file is a pickle, by its first bytes, or by its name if compressed."""
    known = _BINARY.match(magic) or _OLD.match(magic)
    name, ending = os.path.splitext(path.name)  # of an address too
    ending = os.path.splitext(name)[1] if ending.lower() in _PACKED else ending
    return bool(known) or ending.lower() in _EXTENSIONS


def refuse_pickle(path: Path) -> SourceError:
    return SourceError(f'{path} is a pickle: {_WHY} python -c "{_conversion([path])}"')


def convert_pickles(paths: Sequence[Path]) -> str:
    """Return how to convert the pickles among a folder's files; empty without any."""
    found = [path for path in paths[:_MOST_FILES] if _looks_like_one(path)]
    if not found:
        return ""
    batches = [path for path in found if _cifar_label_key(_words(path))]
    return f'{found[0].name} is a pickle: {_WHY} python -c "{_conversion(batches or found[:1])}"'


def _looks_like_one(path: Path) -> bool:
    try:
        return is_pickle(path, head_of(path, _LOOKED))
    except OSError:
        return False


def _words(path: Path) -> bytes:
    return b"" if path.suffix.lower() in _PACKED else both_ends(path, _LOOKED)


def _cifar_label_key(words: bytes) -> str:
    key = next((key.decode() for key in _CIFAR_KEYS if key in words), "")
    return key if b"data" in words else ""


def _conversion(paths: Sequence[Path]) -> str:
    """Return Python code that converts pickles of arrays, CIFAR, data frames and dictionaries.

    Their content is guessed from words in their first and last bytes.
    """
    # the command may be pasted into a shell, where an odd name could do harm
    names = [path.name if _PLAIN_NAME.fullmatch(path.name) else "FILE" for path in paths]
    stem, words = names[0].split(".")[0], _words(paths[0])
    if b"pandas" in words:
        return f"import pandas; pandas.read_pickle({names[0]!r}).to_parquet('{stem}.parquet')"
    labels = _cifar_label_key(words)
    if labels:
        opened = f"[pickle.load(open(f, 'rb'), encoding='latin1') for f in {names}]"
        return (
            f"import pickle, numpy; d = {opened}; images, labels = "
            f"[numpy.concatenate([b[k] for b in d]) for k in ('data', {labels!r})]; "
            f"numpy.savez('{stem}.npz', images=images.reshape(-1, 3, 32, 32), labels=labels)"
        )
    modules, opened = _opening(names[0])
    if names[0].startswith("mnist.pkl"):  # three pairs: https://deeplearning.net/data/mnist
        return (
            f"import {modules}; d = {opened}; images, labels = map(numpy.concatenate, zip(*d)); "
            f"numpy.savez('mnist.npz', images=images.reshape(-1, 28, 28), labels=labels)"
        )
    if _DICTIONARY.match(words):
        return f"import {modules}; numpy.savez('{stem}.npz', **{opened})"
    return f"import {modules}; numpy.save('{stem}.npy', {opened})"


def _opening(name: str) -> tuple[str, str]:
    if ".joblib" in name:
        return "joblib, numpy", f"joblib.load({name!r})"
    module = _PACKED.get(Path(name).suffix.lower())
    if module is None:
        return "pickle, numpy", f"pickle.load(open({name!r}, 'rb'), encoding='latin1')"
    return f"{module}, pickle, numpy", f"pickle.load({module}.open({name!r}), encoding='latin1')"
