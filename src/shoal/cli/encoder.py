"""``shoal encoder``: networks by name, fetched once."""

from __future__ import annotations

from pathlib import Path

import typer

from shoal.cli.options import JsonOption, QuietOption, WholeHelp, argument, option
from shoal.cli.output import print_json, print_next, print_table, progress_bars, say

encoder = typer.Typer(
    cls=WholeHelp,
    help="List and download encoders: stronger networks for photos than the built-in one.",
)


@encoder.command("list")
def list_encoders(json: JsonOption = False) -> None:
    """List the named encoders and whether they are on this machine."""
    from shoal.features.encoder_files import encoder_folder, encoders

    found = encoders()
    if json:
        print_json(
            [
                {
                    "name": one.encoder.name,
                    "about": one.encoder.about,
                    "licence": one.encoder.licence,
                    "bytes": one.encoder.size,
                    "sha256": one.encoder.sha256,
                    "features": one.encoder.n_features,
                    "url": one.encoder.url,
                    "path": one.path,
                    "here": one.is_here,
                }
                for one in found
            ]
        )
        return
    names = ("name", "network", "licence", "size", "features", "installed")
    lines = [
        [
            one.encoder.name,
            one.encoder.about,
            one.encoder.licence,
            one.encoder.megabytes,
            f"{one.encoder.n_features:,}",
            "yes" if one.is_here else "no",
        ]
        for one in found
    ]
    print_table("Encoders", names, lines, texts=("name", "network", "licence", "installed"))
    say(f"Encoders are stored in {encoder_folder()}. They are downloaded only on request:")
    print_next({("encoder", "get", "dinov2-small"): "download one"})


@encoder.command("get")
def get(
    name: str = argument("NAME", "See shoal encoder list."),
    file: Path | None = option(
        "--from FILE", "Use this file, downloaded elsewhere; its checksum is verified too."
    ),
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Download an encoder and verify its SHA-256 checksum; an interrupted download resumes."""
    from shoal.features.encoder_files import find_encoder, get_encoder

    found = find_encoder(name)
    known = found.encoder
    with progress_bars(quiet) as progress:
        origin = known.url if file is None else file
        progress.note(f"{name}: {known.about}, {known.licence}, {known.megabytes}, from {origin}")
        progress.stage("fetch", known.size, "bytes")
        path = get_encoder(name, file, progress.advance)
    if json:
        print_json({"name": name, "path": path, "licence": known.licence, "sha256": known.sha256})
        return
    say(f"{path}: {name}, checksum verified")
    what = "use it; auto takes it for photos" if known.auto else "use it"
    print_next({("fit", "FOLDER", "--features", name): what})
