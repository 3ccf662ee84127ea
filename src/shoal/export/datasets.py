"""Files that other programs read beside images in folders by cluster.

Each function returns the text of each file by name.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from PIL import Image

from shoal.export.base import cluster_folder
from shoal.export.plan import Action
from shoal.rows import EncodedSource, ImageSource, Source


@dataclass(frozen=True)
class ImageFolder:
    """Exported images: their source, the folder's name, and the names of clusters."""

    source: Source
    folder: str
    images: Sequence[Action]
    names: Mapping[int, str]

    @cached_property
    def classes(self) -> dict[int, str]:
        clusters = sorted({image.cluster for image in self.images})
        return {cluster: self.names.get(cluster) or cluster_folder(cluster) for cluster in clusters}


Describe = Callable[[ImageFolder], dict[str, str]]


def coco(given: ImageFolder) -> dict[str, str]:
    """Return COCO annotations: one category per cluster, one full-size box per image.

    https://cocodataset.org/#format-data
    """
    pictures, boxes = [], []
    for image in given.images:
        width, height = _size(given.source, image.row)
        size = {"width": width, "height": height}
        pictures.append({"id": image.row, "file_name": image.target, **size})
        box = {
            "id": image.row + 1,  # pycocotools ignores an annotation 0
            "image_id": image.row,
            "category_id": image.cluster,
            "bbox": [0, 0, width, height],
            "area": width * height,
            "iscrowd": 0,
            "segmentation": [],
            "score": _rounded(image.confidence),
        }
        boxes.append(box)
    categories = [
        {"id": cluster, "name": name, "supercategory": "cluster"}
        for cluster, name in given.classes.items()
    ]
    found = {"images": pictures, "annotations": boxes, "categories": categories}
    return {"annotations.json": json.dumps(found)}


def _size(source: Source, row: int) -> tuple[int, int]:
    if isinstance(source, EncodedSource):
        try:
            with Image.open(io.BytesIO(source.encoded(row))) as opened:
                return opened.size
        except Exception:  # formats of other decoders, and images larger than Pillow opens
            pass
    height, width = cast(ImageSource, source).read_original(row).shape[:2]
    return width, height


def huggingface(given: ImageFolder) -> dict[str, str]:
    """Return the metadata of an ``imagefolder``, one JSON object per line.

    https://huggingface.co/docs/datasets/image_dataset#imagefolder
    """
    lines = [
        json.dumps(
            {
                "file_name": image.target,
                "cluster": image.cluster,
                "cluster_name": given.classes[image.cluster],
                "confidence": _rounded(image.confidence),
                "outlier": image.outlier,
                "row": image.row,
                "name": image.name,
            }
        )
        for image in given.images
    ]
    return {"metadata.jsonl": "\n".join(lines) + "\n"}


def label_studio(given: ImageFolder) -> dict[str, str]:
    """Return tasks with the cluster as a prediction, and the labelling interface.

    https://labelstud.io/guide/predictions
    """
    tasks = [_task(given.folder, image, given.classes[image.cluster]) for image in given.images]
    choices = "".join(f"\n    <Choice value={quoteattr(name)}/>" for name in given.classes.values())
    interface = (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="cluster" toName="image">{choices}\n  </Choices>\n</View>\n'
    )
    return {"tasks.json": json.dumps(tasks), "interface.xml": interface}


def _task(folder: str, image: Action, name: str) -> dict[str, Any]:
    """Return a task; its path begins with the export's folder."""
    result = {
        "from_name": "cluster",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [name]},
    }
    path = quote(f"{folder}/{image.target}")
    return {
        "data": {"image": f"/data/local-files/?d={path}", "row": image.row, "name": image.name},
        "predictions": [
            {"model_version": "shoal", "score": _rounded(image.confidence), "result": [result]}
        ],
    }


def fiftyone(given: ImageFolder) -> dict[str, str]:
    """Return a ``FiftyOneImageClassificationDataset``: labels and image paths.

    https://docs.voxel51.com/user_guide/import_datasets.html
    """
    # Its usual keys, paths without extensions, need not be unique.
    keys = {f"row-{image.row}": image for image in given.images}
    labels = {
        key: {
            "label": given.classes[image.cluster],
            "confidence": _rounded(image.confidence),
            "attributes": {"cluster": image.cluster, "outlier": image.outlier},
        }
        for key, image in keys.items()
    }
    return {
        "labels.json": json.dumps({"classes": None, "labels": labels}),
        "data.json": json.dumps({key: image.target for key, image in keys.items()}),
    }


DATASETS: dict[str, Describe] = {
    "coco": coco,
    "huggingface": huggingface,
    "label-studio": label_studio,
    "fiftyone": fiftyone,
}


def _rounded(confidence: float) -> float:
    return round(confidence, 6)  # the digits of float32
