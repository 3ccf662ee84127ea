"""The options for opening a source, and those of a fit that one of a cluster takes over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shoal.errors import InputError
from shoal.rows.arrays.array import ArraySource, make_array_source
from shoal.rows.base import Kind, Labels, Source
from shoal.rows.images.encoded import EncodedStore
from shoal.rows.images.image_table import ListedStore
from shoal.rows.images.paged import page_by_page
from shoal.rows.images.survey import make_encoded_source
from shoal.rows.images.tiff_pictures import Pages
from shoal.rows.store import Store
from shoal.rows.tables.schema import Schema
from shoal.rows.tables.selection import Picked
from shoal.settings import FitSettings, fit_settings


@dataclass(frozen=True)
class SourceOptions:
    as_: Kind | None
    key: str | None
    shape: tuple[int, ...] | None
    dtype: str | None
    image_size: tuple[int, int] | None
    picked: Picked = field(default_factory=Picked)
    schema: Schema | None = None
    fitted: tuple[str, ...] | None = None
    pages: Pages = "auto"

    @property
    def stored_as(self) -> Kind | None:
        """Kind that stored arrays must be by themselves; None for any, as with a given shape."""
        return None if self.shape else self.as_

    def array(self, store: Store, label: str, beside: Labels | None = None) -> ArraySource:
        """Interpret stored numbers as these options say; `beside` has their labels."""
        source = make_array_source(
            store, label, as_=self.as_, shape=self.shape, image_size=self.image_size
        )
        return replace(source, beside=beside) if beside else source

    def check_images(self, label: str, *, keyed: bool = False) -> None:
        if self.as_ not in (None, "images"):
            raise InputError(f"{label} holds image files: they cannot be read --as {self.as_}")
        key = None if keyed else self.key
        self.refuse("image files", key=key, shape=self.shape, dtype=self.dtype)

    def encoded(self, store: EncodedStore, label: str, *, keyed: bool = False) -> Source:
        self.check_images(label, keyed=keyed)
        return make_encoded_source(store, label, self.image_size)

    def files(self, store: ListedStore, label: str, *, keyed: bool = False) -> Source:
        paged, remarks = page_by_page(store, self.pages)
        source: Any = self.encoded(paged, label, keyed=keyed)
        return replace(source, remarks=(*remarks, *source.remarks))

    def refuse(self, label: str, **given: object) -> None:
        for name, value in given.items():
            if value is not None:
                raise InputError(f"--{name.rstrip('_')} {value} does not apply to {label}")


READING = (
    "as_",
    "key",
    "shape",
    "dtype",
    "columns",
    "leave_out",
    "categories",
    "pages",
    "images",
)
"""Settings for reading rows."""

_OF_OTHERS = ("sample", "previous", "added", "constraints")


def cluster_settings(run: Any, stored: Mapping[str, Any], given: Mapping[str, Any]) -> FitSettings:
    for name in (*READING, *_OF_OTHERS):
        if given.get(name) is not None:
            flag = "--" + name.strip("_").replace("_", "-")
            why = (
                f"its rows are read as in {run}"
                if name in READING
                else "it is for fits of all rows"
            )
            raise InputError(f"{flag} cannot be given with a cluster: {why}")
    kept = {name: stored.get(name) for name in (*READING, "features")}
    return fit_settings(**{**kept, **{k: v for k, v in given.items() if v is not None}})
