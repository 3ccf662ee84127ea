"""Names for clusters from words, where the features know words: zero-shot, as with CLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shoal.errors import InputError
from shoal.explore.cuts import Cut
from shoal.explore.explorer import Explorer
from shoal.features import Worded

_MOST = 10_000
_PROMPT = "a photo of a {}"
# What photos are often of: the classes of COCO (Lin et al. 2014), with scenes and materials.
_LISTED = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,"
    "backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,"
    "skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,"
    "sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,"
    "dining table,toilet,television,laptop,mouse,remote control,keyboard,phone,microwave,oven,"
    "toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair dryer,toothbrush,fish,"
    "insect,flower,tree,mushroom,fruit,food,beach,sea,lake,river,mountain,forest,field,desert,"
    "snow,sky,cloud,sunset,night sky,city street,building,house,church,bridge,road,kitchen,"
    "bathroom,bedroom,office,shop,crowd,face,hand,child,baby,painting,drawing,map,document,"
    "screenshot,chart,logo,sign,tool,machine,musical instrument,toy,clothing,shoe,jewellery,"
    "furniture,wood,metal,stone,fabric,water,fire,smoke"
)
COMMON = tuple(_LISTED.split(","))


def read_words(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--words {path} cannot be read as text in UTF-8: {error}") from error
    words = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not 2 <= len(words) <= _MOST:
        raise InputError(f"--words {path}: give 2 to {_MOST:,} names, one a line; got {len(words)}")
    return words


def named_by_words(explorer: Explorer, cut: Cut) -> dict[int, str]:
    """Return the word that each cluster fits better than other clusters do by most, by id."""
    encoder = explorer.run.model.encoder if explorer.knows_words else None
    if not isinstance(encoder, Worded):
        return {}
    words = explorer.words or COMMON

    def directions() -> np.ndarray:
        encoder.setup()
        texts = [_PROMPT.format(word) for word in words]
        found: np.ndarray = explorer.run.model.fitted.projection.direction(
            encoder.encode_words(texts)
        )
        return found

    along = explorer.atlas.vectors @ explorer.kept("words", directions).T
    along *= explorer.atlas.counts[:, None]
    fits = np.zeros((len(cut.ids), len(words)))
    np.add.at(fits, cut.of_leaf, along)
    fits /= np.maximum(cut.sizes[:, None], 1)
    telling = fits - fits.mean(axis=0)
    best = telling.argmax(axis=1)
    return {
        cluster: words[word]
        for cluster, word, more in zip(
            cut.ids.tolist(), best.tolist(), telling.max(axis=1).tolist(), strict=True
        )
        if more > 0
    }
