"""Write a palette as an image, CSV, JSON or GIMP palette."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from shoal.errors import InputError

ENDINGS = (".png", ".csv", ".json", ".gpl")
_WIDTH, _HEIGHT, _ACROSS, _GAP = 148, 84, 5, 10
_PAPER, _INK, _MUTED = (255, 255, 255), (29, 35, 41), (100, 110, 118)
_CHECK = 8  # side of the squares that show through colours


def check_swatches(path: Path) -> None:
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"--swatches {path}: give a name that ends in {', '.join(ENDINGS)}")


def swatches_bytes(records: Sequence[dict[str, Any]], path: Path) -> bytes:
    """Return swatches in the format of the file ending.

    `records`: ``hex``, ``red``, ``green``, ``blue``, ``opacity`` (0 to 255), ``pixels``, ``share``.
    """
    ending = path.suffix.lower()
    if ending == ".png":
        return _picture(records)
    if ending == ".json":
        return (json.dumps(list(records), indent=1) + "\n").encode()
    if ending == ".csv":
        lines = [",".join(records[0])]
        lines += [",".join(str(value) for value in record.values()) for record in records]
        return ("\n".join(lines) + "\n").encode()
    return _gimp(records, path.stem)


def _gimp(records: Sequence[dict[str, Any]], name: str) -> bytes:
    lines = ["GIMP Palette", f"Name: {' '.join(name.split())}", f"Columns: {_ACROSS}", "#"]
    for record in records:
        if record["opacity"]:
            numbers = " ".join(f"{record[name]:3d}" for name in ("red", "green", "blue"))
            lines.append(f"{numbers}\t{record['hex']} {100 * record['share']:.1f}%")
    return ("\n".join(lines) + "\n").encode()


def _picture(records: Sequence[dict[str, Any]]) -> bytes:
    across = min(_ACROSS, len(records))
    down = -(-len(records) // across)
    step_x, step_y = _WIDTH + _GAP, _HEIGHT + 38 + _GAP
    image = Image.new("RGB", (across * step_x + _GAP, down * step_y + _GAP), _PAPER)
    draw = ImageDraw.Draw(image)
    bold, plain = ImageFont.load_default(15), ImageFont.load_default(13)
    for at, record in enumerate(records):
        left, top = _GAP + at % across * step_x, _GAP + at // across * step_y
        image.paste(_swatch(record), (left, top))
        box = (left, top, left + _WIDTH - 1, top + _HEIGHT - 1)
        draw.rectangle(box, outline=(205, 210, 214))
        draw.text((left, top + _HEIGHT + 4), record["hex"], _INK, bold)
        share = f"{100 * record['share']:.1f}%"
        draw.text((left + _WIDTH - 1, top + _HEIGHT + 6), share, _MUTED, plain, anchor="ra")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _swatch(record: dict[str, Any]) -> Image.Image:
    ground = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(ground)
    for y in range(0, _HEIGHT, _CHECK):
        for x in range(y % (2 * _CHECK), _WIDTH, 2 * _CHECK):
            draw.rectangle((x, y, x + _CHECK - 1, y + _CHECK - 1), fill=(214, 218, 222))
    colour = (record["red"], record["green"], record["blue"])
    mask = Image.new("L", ground.size, record["opacity"])
    ground.paste(Image.new("RGB", ground.size, colour), (0, 0), mask)
    return ground
