"""A photo in 25 colours: the palette, the reduced image, and its error.

Run it with ``python examples/palette.py FOLDER PHOTO``; without a photo it uses scikit-learn's.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_image

import shoal


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        photo = Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "photo.jpg"
        folder.mkdir(parents=True, exist_ok=True)
        if not photo.exists():
            Image.fromarray(load_sample_image("china.jpg")).save(photo, quality=92)

        for space in ("oklab", "rgb"):
            palette = shoal.make_palette(photo, 25, space=space)
            palette.write_swatches(folder / f"swatches-{space}.png")
            for dither in ("none", "floyd-steinberg"):
                out = folder / f"{space}-{dither}.png"
                (fact,) = palette.write(out, dither=dither, force=True)
                print(
                    f"{space}, dither {dither}: PSNR {fact['psnr']:.2f} dB, "
                    f"SSIM {fact['ssim']:.3f}, {fact['bytes_after']:,} bytes"
                )
        automatic = shoal.make_palette(photo, "auto")
        print(f"hardly to be told from the photo: {len(automatic.colours)} clusters of colours")


if __name__ == "__main__":
    main()
