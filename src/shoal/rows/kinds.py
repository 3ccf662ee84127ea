"""Kinds of files, by name and first bytes: pictures that need an extra, and files not read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

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
    """Return the extension of a name in lower case, with its dot; empty without one."""
    return os.path.splitext(name)[1].lower()


@cache
def has_module(name: str) -> bool:
    return find_spec(name) is not None


def reads_by_extra(ending: str) -> bool:
    """Return whether files of this extension are pictures that an installed extra reads."""
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
    """Return whether the first bytes are those of an AVIF picture: by any of its brands."""
    return head[4:8] == b"ftyp" and b"avi" in head[8 : min(int.from_bytes(head[:4], "big"), 64)]


def count_kinds(names: Iterable[str]) -> Counter[str]:
    return Counter(map(extension, names))


def left_out(counts: Mapping[str, int]) -> str:
    """Return the part of a description that counts the files left out by their extensions."""
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
