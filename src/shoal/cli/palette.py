"""``shoal palette``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli import options as opt
from shoal.cli.options import argument, option, place, with_settings
from shoal.cli.output import number, print_json, print_table, progress_bars, remark, say
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.palettes import Palette

_SHOWN = 10


@with_settings("memory", "workers")
def palette(
    source: str = argument(
        "IMAGE|FOLDER",
        "An image file, or a collection as for shoal fit, whose images share one palette.",
    ),
    out: Path | None = option(
        "--out -o FILE|DIR",
        "Output file (.png or .gif), or a folder for several images.",
        parser=place,
    ),
    colors: str = option(
        "--colors --colours K|auto",
        "Number of colours, 1 to 256; auto: the fewest without a noticeable error. [default: 25]",
        "25",
    ),
    space: str = option(
        "--space oklab|rgb",
        "Colour space for comparisons: oklab (perceptual) or rgb (in which PSNR is measured). "
        "[default: oklab]",
        "oklab",
    ),
    dither: str = option(
        "--dither none|ordered|floyd-steinberg", "Dithering method. [default: none]", "none"
    ),
    method: str = option(
        "--method shoal|kmeans|median-cut|octree",
        "How to choose the colours. [default: shoal]",
        "shoal",
    ),
    swatches: list[Path] | None = option(
        "--swatches FILE",
        "Also write the palette itself: .png (an image), .csv, .json or .gpl (GIMP). Can be "
        "repeated.",
        parser=place,
    ),
    as_: str | None = option("--as png|gif", "Format of the files in a folder. [default: png]"),
    seed: opt.SeedOption = 0,
    force: opt.ForceOption = False,
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **given: Any,
) -> None:
    """Reduce images to a small palette: indexed PNG or GIF files, and the palette itself."""
    from shoal.export.base import refuse_existing
    from shoal.palettes import make_palette
    from shoal.palettes.swatches import check_swatches
    from shoal.settings import fit_settings

    written = swatches or []
    extension = _extension(as_, out)
    if out is None and not written:
        raise InputError("nothing to write: give -o FILE, --swatches FILE, or both")
    for path in written:
        check_swatches(path)
        refuse_existing(path, force)
    checked = fit_settings(**given, seed=seed)
    shared: dict[str, Any] = {"memory": checked.memory, "workers": checked.workers}
    with progress_bars(quiet or json) as shared["progress"]:
        found = make_palette(
            source,
            colors,
            space=space,
            method=method,
            opacity="clear-or-opaque" if extension == ".gif" else "kept",
            seed=seed,
            **shared,
        )
        files: list[dict[str, Any]] = []
        if out is not None:
            files = found.write(out, dither=dither, extension=extension, force=force, **shared)
    for path in written:
        found.write_swatches(path)
    if json:
        facts = {"space": space, "method": method, "dither": dither}
        psnr = {name: getattr(found, name) for name in ("psnr", "psnr_oklab", "psnr_of_rgb")}
        skipped = [list(pair) for pair in found.skipped]
        out_facts = {"images": list(files), "skipped": skipped, "swatches": written}
        print_json({**facts, **psnr, "colors": found.records(), **out_facts})
        return
    _print(found, files, written)


def _extension(as_: str | None, out: Path | None) -> str:
    if as_ not in (None, "png", "gif"):
        raise InputError(f"--as must be png or gif; got {as_}")
    ending = out.suffix.lower() if out is not None else ""
    if as_ is not None and ending in (".png", ".gif") and ending != f".{as_}":
        raise InputError(f"--as {as_} and -o {out} exclude each other: leave --as out")
    return ending if ending in (".png", ".gif") and as_ is None else f".{as_ or 'png'}"


def _print(found: Palette, files: list[dict[str, Any]], written: list[Path]) -> None:
    for name, reason in found.skipped:
        remark(f"left out {name}: {reason}")
    lines = [
        [record["hex"], record["pixels"], f"{100 * record['share']:.1f}"]
        for record in found.records()
    ]
    print_table(plural(len(lines), "colour"), ("colour", "pixels", "share %"), lines)
    say(_quality(found))
    names = ("image", "bits", "bytes before", "after", "PSNR dB", "SSIM")
    cells = [
        [
            one["name"],
            *(one[name] for name in ("bits", "bytes_before", "bytes_after")),
            _decibels(one["psnr"]),
            number(one["ssim"], 4),
        ]
        for one in files[:_SHOWN]
    ]
    if cells:
        more = f", the first {_SHOWN}" if len(files) > _SHOWN else ""
        where = files[0]["file"] if len(files) == 1 else Path(files[0]["file"]).parent
        print_table(f"{plural(len(files), 'image')} written{more}: {where}", names, cells)
    for path in written:
        say(f"{path}: the colours")


def _quality(found: Palette) -> str:
    if math.isinf(found.psnr):
        return "The palette contains every colour of the image, so the result is lossless."
    text = f"PSNR {found.psnr:.2f} dB in RGB, {found.psnr_oklab:.2f} dB in Oklab, without dithering"
    if found.space == "rgb":
        return f"{text}."
    return f"{text}; with --space rgb it would be {found.psnr_of_rgb:.2f} dB in RGB."


def _decibels(value: float) -> str:
    return "identical" if math.isinf(value) else f"{value:.2f}"
