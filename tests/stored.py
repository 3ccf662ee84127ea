"""What lies in a run in a store."""

import json

from shoal.storage import as_place


def stored(url):
    """What `contents` gives of a run on a disk, of one in the store."""
    found = {}
    for path in as_place(url).walk():
        name = path.relative_to(as_place(url)).as_posix()
        if name in (".lock", "run.toml"):
            continue
        found[name] = path.read_bytes()
        if path.name == "_done.json":
            found[name] = json.loads(found[name])
            del found[name]["seconds"], found[name]["peak_memory"]
    return found
