"""A small encoder that knows words; ``python -m tests.explore.worded …`` is shoal with it."""

from dataclasses import dataclass

import numpy as np

from shoal.cli import main
from shoal.errors import InputError
from shoal.features import Needs, choose
from shoal.features.sessions import unit_rows


@dataclass(frozen=True)
class Colours:
    """An encoder that knows images by their mean colour, and words for colours."""

    n_features = 3
    name = "open_clip"
    whiten = 0.0
    needs = Needs()

    def settings(self):
        return {"name": self.name, "version": 1}

    def setup(self):
        pass

    def encode(self, data):
        return unit_rows(data.mean(axis=(1, 2)).astype(np.float32) + 1)

    def encode_words(self, texts):
        known = {"red": [1, 0.1, 0.1], "green": [0.1, 1, 0.1], "violet": [0.6, 0.1, 0.7]}
        photo = "a photo of a "
        known |= {
            text: known.get(text.removeprefix(photo), [1, 1, 1]) for text in texts if photo in text
        }
        if any(text not in known for text in texts):
            raise InputError("the words are not known")
        return unit_rows(np.array([known[text] for text in texts], np.float32))


def coloured_images():
    """300 images in all colours."""
    draw = np.random.default_rng(4)
    shades = draw.integers(30, 220, (300, 1, 1, 3)) + draw.integers(-20, 20, (300, 12, 12, 3))
    return shades.clip(0, 255).astype(np.uint8)


def open_colours(_spec):
    """Take the place of `choose.open_network`."""
    return Colours(), "three numbers of colours"


if __name__ == "__main__":
    choose.open_network = open_colours
    main()
