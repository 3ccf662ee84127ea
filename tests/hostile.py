"""Files that lie in folders of photos and are none, or are odd ones."""

import io
import os
import struct
import zlib

import numpy as np
import simplejpeg
from PIL import Image

RANDOM = np.random.default_rng(0)


def saved(picture, form, **options):
    """Encode a picture."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def photo(kind, size=(96, 128)):
    """A picture that looks like others of its kind: stripes, rings, squares or blobs."""
    y, x = np.mgrid[: size[0], : size[1]] / 16
    y, x = y + RANDOM.normal(0, 0.2), x + RANDOM.normal(0, 0.2)
    wave = (
        np.sin(4 * x),
        np.sin(3 * np.hypot(y - 3, x - 4)),
        np.sin(3 * x) * np.sin(3 * y),
        np.sin(2 * (x + y)),
    )[kind]
    tint = np.array([[200, 90, 60], [60, 160, 90], [70, 90, 190], [170, 160, 60]])[kind]
    pixels = (0.6 + 0.4 * wave[..., None]) * tint + RANDOM.normal(0, 8, (*size, 3))
    return pixels.clip(0, 255).astype(np.uint8)


def png(width, height, colour=2, data=b"\0" * 100):
    """A PNG file of any claims."""

    def chunk(kind, body):
        ended = kind + body
        return struct.pack(">I", len(body)) + ended + struct.pack(">I", zlib.crc32(ended))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


def jpeg_claiming(height, width):
    """A JPEG file whose header claims another size."""
    data = bytearray(simplejpeg.encode_jpeg(photo(0)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def odd_images():
    """Name and bytes of images that are unusual and can be read."""
    picture, other = Image.fromarray(photo(1)), Image.fromarray(photo(2))
    alpha = picture.copy()
    alpha.putalpha(Image.fromarray(photo(3)[..., 0]))
    turned = picture.getexif()
    turned[0x0112] = 6
    wide = Image.fromarray(photo(0)[..., 0].astype(np.uint16) * 257)
    moving = {"save_all": True, "append_images": [other] * 5}
    palette = picture.quantize(16)
    return {
        "animated.gif": saved(picture, "GIF", **moving),
        "animated.webp": saved(picture, "WEBP", **moving),
        "animated.png": saved(picture, "PNG", **moving),
        "cmyk.jpg": saved(picture.convert("CMYK"), "JPEG"),
        "cmyk.tif": saved(picture.convert("CMYK"), "TIFF"),
        "16-bit.png": saved(wide, "PNG"),
        "16-bit.tif": saved(wide, "TIFF"),
        "float.tif": saved(picture.convert("F"), "TIFF"),
        "transparent.png": saved(alpha, "PNG"),
        "transparent.webp": saved(alpha, "WEBP"),
        "grey-alpha.png": saved(alpha.convert("LA"), "PNG"),
        "palette.png": saved(palette, "PNG", transparency=3),
        "two-colours.png": saved(picture.convert("1"), "PNG"),
        "progressive.jpg": saved(picture, "JPEG", progressive=True),
        "turned.jpg": saved(picture, "JPEG", exif=turned),
        "renamed.jpg": saved(picture, "PNG"),
        "renamed.png": saved(picture, "WEBP"),
        "strip.png": saved(picture.resize((600, 5)), "PNG"),
        "dot.png": saved(picture.resize((1, 1)), "PNG"),
        "noise-behind.jpg": saved(picture, "JPEG") + RANDOM.bytes(5000),
    }


def no_images():
    """Name and bytes of files that cannot be read as images."""
    data = {form: saved(Image.fromarray(photo(1)), form) for form in ("JPEG", "PNG", "GIF")}
    data |= {form: saved(Image.fromarray(photo(1)), form) for form in ("WEBP", "TIFF", "BMP")}
    cut = {f"cut.{form.lower()}": made[: len(made) // 2] for form, made in data.items()}
    torn = bytearray(data["PNG"])
    torn[200:300] = bytes(100)
    return {
        **cut,
        "barely.jpg": data["JPEG"][:-40],
        "head.jpg": data["JPEG"][:30],
        "empty.jpg": b"",
        "empty.png": b"",
        "text.jpg": b"This is a text, and no image at all.\n" * 50,
        "page.png": b"<!doctype html><html><body>404 Not Found</body></html>",
        "archive.jpg": b"PK\3\4" + RANDOM.bytes(500),
        "film.jpg": b"\0\0\0\x20ftypisom" + RANDOM.bytes(500),
        "noise.png": RANDOM.bytes(2000),
        "noise.jpg": b"\xff\xd8\xff\xe0" + RANDOM.bytes(2000),
        "torn.png": bytes(torn),
        "bomb.png": png(60_000, 60_000),
        "heavy.png": png(12_000, 12_000),
        "flat.png": png(0, 100),
        "bomb.jpg": jpeg_claiming(65_500, 65_500),
        "longer.jpg": jpeg_claiming(9_000, 9_000),
        "bomb.gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b";",
        "endless.gif": b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b"!\xfe\1a\0" * 50_000,
        "many-chunks.png": data["PNG"][:33] + png(9, 9)[-12:-8] + b"abCd" * 20_000,
        "huge.pnm": b"P3\n9000 9000\n255\n" + b"1 2 3\n" * 1000,
    }


def lay_traps(folder):
    """Put what is not a file under names of images; give the names that shall be listed."""
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "around").symlink_to(folder)
    (folder / "folder.jpg").mkdir()
    return {"pipe.jpg", "dangling.png", "itself.png"}
