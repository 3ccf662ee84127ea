"""Shoal clusters image collections of any size, and finds the number of clusters itself.

::

    run = shoal.fit("photos/", "photos.shoal")  # a folder, a file, an array, a data frame ...
    run = shoal.open("photos.shoal")            # an existing run

    run                          # in a notebook: its clusters with images
    run.plot.centroids()         # one of many plots, with matplotlib
    run.show(7)                  # the most typical rows of a cluster
    run.explore()                # the explorer, in a notebook cell or a tab
    run.labels()                 # the cluster of every row
    run.labels(k=10)             # any other number of clusters: a cut of the same tree
    run.table()                  # row, name, cluster, confidence, outlier
    run.predict("new/")          # clusters of new rows
    run.edits.merge([3, 7])      # corrections, which can be undone
    run.evaluate(classes)        # beside true classes
    run.label(classes)           # names clusters by the class that most of their rows have

    shoal.plan("photos/")        # what a fit would do, and what it takes
    shoal.find_duplicates("photos/")
    shoal.compare_methods("photos/", ["kmeans", "gmm", "shoal"], "methods/", k=10)
    shoal.make_palette("photo.jpg", 25).write("photo.png")

``help(shoal.fit)`` lists every setting. The same is done in a terminal by ``shoal --help``.
"""

import typing

from shoal._version import __version__

if typing.TYPE_CHECKING:
    from shoal.api import Run, fit, open, plan
    from shoal.duplicates import Duplicates, find_duplicates
    from shoal.errors import InputError, RunError, ShoalError
    from shoal.features.encoder_files import encoders, get_encoder
    from shoal.k_choice import choose_k
    from shoal.method_comparison import MethodComparison, compare_methods
    from shoal.model import Model
    from shoal.palettes import Palette, make_palette
    from shoal.prediction import Prediction
    from shoal.rows import open_source

__all__ = [
    "Duplicates",
    "InputError",
    "MethodComparison",
    "Model",
    "Palette",
    "Prediction",
    "Run",
    "RunError",
    "ShoalError",
    "__version__",
    "choose_k",
    "compare_methods",
    "encoders",
    "find_duplicates",
    "fit",
    "get_encoder",
    "make_palette",
    "open",
    "open_source",
    "plan",
]

_HOMES = {
    name: home
    for home, names in {
        "api": ("fit", "open", "plan", "Run"),
        "k_choice": ("choose_k",),
        "method_comparison": ("MethodComparison", "compare_methods"),
        "model": ("Model",),
        "prediction": ("Prediction",),
        "rows": ("open_source",),
        "duplicates": ("Duplicates", "find_duplicates"),
        "features.encoder_files": ("encoders", "get_encoder"),
        "palettes": ("Palette", "make_palette"),
        "errors": ("InputError", "RunError", "ShoalError"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> typing.Any:
    """Load a public name when it is first used: importing shoal stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'shoal' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"shoal.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
