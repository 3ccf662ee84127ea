import io
import os
import pickle
import subprocess
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from shoal.errors import InputError, SourceError
from shoal.rows import EncodedSource, ImageSource, Source, open_source, thumbnails


def png(value, size=(8, 10)):
    file = io.BytesIO()
    Image.fromarray(np.full((*size, *np.shape(value)), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


WRITERS = {"tar": write_tar, "zip": write_zip}
MEMBERS = {f"{'ab'[at % 2]}/img{at}.png": png(20 * at) for at in range(12)}


@pytest.fixture(params=WRITERS)
def archive(request, tmp_path):
    return WRITERS[request.param](tmp_path / f"x.{request.param}", MEMBERS)


def test_rows_are_members_in_their_order(archive):
    source = open_source(archive)
    for protocol in (Source, ImageSource, EncodedSource):
        assert isinstance(source, protocol)
    assert source.names(0, 12) == list(MEMBERS)
    batch = source.read(0, 12)
    assert batch.data.shape == (12, 8, 10, 1)
    assert batch.data[:, 0, 0, 0].tolist() == [20 * at for at in range(12)]
    assert batch.bad == {}
    assert source.description == f"12 grey images of 8×10 ({archive.name})"
    assert source.labels() is None


def test_ranges_join_to_the_whole_from_many_threads_and_after_pickling(archive):
    source = pickle.loads(pickle.dumps(open_source(str(archive))))
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda at: source.read(at, at + 3).data, (0, 3, 6, 9)))
    np.testing.assert_array_equal(np.concatenate(parts), source.read(0, 12).data)
    assert source.read(5, 5).data.shape == (0, 8, 10, 1)
    with pytest.raises(InputError, match=r"rows 5\.\.13 were requested"):
        source.read(5, 13)


def test_single_rows_by_their_number(archive):
    source = open_source(archive)
    assert source.encoded(7) == MEMBERS["b/img7.png"]
    assert source.path(7) is None
    assert source.file_name(7, "b/img7.png") == "img7.png"
    assert source.read_original(7, 5).shape == (4, 5, 1)
    assert thumbnails(source, [3, 0, 3], 4)[:, 0, 0, 0].tolist() == [60, 0, 60]


@pytest.mark.parametrize("kind", WRITERS)
def test_hidden_and_other_members_are_left_out(tmp_path, kind):
    others = {"notes.txt": b"x", "._a.png": b"x", "__MACOSX/a.png": b"x", ".git/a.png": b"x"}
    path = WRITERS[kind](tmp_path / "x.dat", {**others, "./a.png": png(1), "b.png": png(2)})
    source = open_source(path)
    assert source.names(0, 2) == ["a.png", "b.png"]
    assert source.description == "2 grey images of 8×10 (x.dat, 1 .txt left out)"


@pytest.mark.parametrize("kind", WRITERS)
def test_bad_members_are_rows_with_a_reason(tmp_path, kind):
    members = {"a.png": png(9), "empty.png": b"", "text.jpg": b"this is text", "c.png": png(9)[:40]}
    batch = open_source(WRITERS[kind](tmp_path / "x", members)).read(0, 4)
    assert sorted(batch.bad) == [1, 2, 3]
    assert batch.bad[1] == "the file is empty"
    assert batch.bad[2].endswith("it begins with 'this is text'")
    assert "damaged or cut off" in batch.bad[3]
    assert not batch.data[1:].any()


def test_archives_of_a_folder_are_one_source(tmp_path):
    names = list(MEMBERS)
    for at, kind in enumerate(("tar", "zip", "tar")):
        some = {name: MEMBERS[name] for name in names[4 * at : 4 * at + 4]}
        WRITERS[kind](tmp_path / f"s-{at + 8}.{kind}", some)
    source = open_source(tmp_path)
    shards = ["s-8.tar"] * 4 + ["s-9.zip"] * 4 + ["s-10.tar"] * 4
    assert source.names(0, 12) == [f"{a}/{b}" for a, b in zip(shards, names, strict=True)]
    assert source.read(2, 10).data[:, 0, 0, 0].tolist() == [20 * at for at in range(2, 10)]
    assert source.description.endswith(f"({tmp_path.name}, 3 archives)")


def test_patterns_and_lists_of_archives(tmp_path, monkeypatch):
    for at in range(3):
        write_tar(tmp_path / f"s-{at:03d}.tar", {f"{at}.png": png(at)})
    expected = [[at] * 2 for at in range(3)]
    (tmp_path / "list.txt").write_text("s-000.tar\ns-001.tar\ns-002.tar\n")
    monkeypatch.chdir(tmp_path)
    for where in (
        f"{tmp_path}/s-{{000..002}}.tar",
        "s-*.tar",
        tmp_path / "list.txt",
        ["s-000.tar", tmp_path / "s-001.tar", "s-002.tar"],
    ):
        source = open_source(where)
        assert source.read(0, 3).data[:, 0, :2, 0].tolist() == expected
        assert source.names(1, 2) == ["s-001.tar/1.png"]
    with pytest.raises(SourceError, match=r"s-003\.tar does not exist"):
        open_source("s-{000..003}.tar")
    np.save("x.npy", np.zeros((3, 4)))
    with pytest.raises(InputError, match=r"x\.npy is of another kind than s-000\.tar"):
        open_source(["s-000.tar", "s-001.tar", "x.npy"])


def test_images_beside_archives_win_and_it_is_said(tmp_path):
    write_tar(tmp_path / "x.tar", MEMBERS)
    for at in range(20):
        (tmp_path / f"{at}.png").write_bytes(png(3))
    assert open_source(tmp_path).description.endswith(f"({tmp_path.name}, 1 .tar left out)")


def test_labels_beside_the_images_of_a_webdataset(tmp_path):
    samples = {}
    for at in range(4):
        samples[f"{at:03d}.png"] = png(at)
        samples[f"{at:03d}.json"] = b"{}"
        if at != 2:
            samples[f"{at:03d}.cls"] = b"%d\n" % (at % 2)
    source = open_source(write_tar(tmp_path / "x.tar", samples))
    assert source.n_rows == 4
    assert source.labels() == ["0", "1", None, "1"]
    assert source.description.endswith("(x.tar, 4 .json left out)")  # labels are read


def test_links_are_read_where_they_lead(tmp_path):
    (tmp_path / "a.png").write_bytes(png(77))
    os.link(tmp_path / "a.png", tmp_path / "hard.png")
    for name, target in (("soft", "a"), ("twice", "soft"), ("loop", "loop"), ("out", "../x")):
        (tmp_path / f"{name}.png").symlink_to(f"{target}.png")
    names = [f"{name}.png" for name in ("a", "hard", "soft", "twice", "loop", "out")]
    subprocess.run(["tar", "-cf", "x.tar", *names], cwd=tmp_path, check=True)
    source = open_source(tmp_path / "x.tar")
    batch = source.read(0, 6)
    assert batch.data[:4, 0, 0, 0].tolist() == [77] * 4
    assert batch.bad[4] == "the member is a link that leads to itself"
    assert batch.bad[5] == "the member is a link to ../x.png, which is not a file in the archive"


def test_an_archive_cut_off_gives_what_it_has(tmp_path):
    path = write_tar(tmp_path / "x.tar", MEMBERS)
    path.write_bytes(path.read_bytes()[:4000])
    source = open_source(path)
    batch = source.read(0, source.n_rows)
    assert 2 < source.n_rows < 12
    assert list(batch.bad) == [source.n_rows - 1]
    assert "the archive is cut off" in batch.bad[source.n_rows - 1]


def test_archives_that_change_later_are_rows_with_a_reason(archive):
    source = open_source(archive)
    os.utime(archive, ns=(1, 1))
    reasons = set(source.read(0, 12).bad.values())
    assert reasons == {f"{archive.name} changed after it was opened"}
    archive.unlink()
    assert "is missing" in source.read(0, 1).bad[0]


@pytest.mark.parametrize("kind", WRITERS)
def test_archives_without_images_say_so(tmp_path, kind):
    path = WRITERS[kind](tmp_path / f"x.{kind}", {"a.txt": b"x", "b.txt": b"x"})
    with pytest.raises(SourceError, match=r"has no images \(it holds 2 .txt\)"):
        open_source(path)


def test_a_zip_of_encrypted_images_says_so(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.png": png(1)})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"none of the 1 images .* \(a.png: the member is encr"):
        open_source(path)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar.zst"])
def test_compressed_tar_archives_are_refused_with_the_way_out(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(SourceError, match=r"is a compressed archive.*plain \.tar once"):
        open_source(tmp_path / name)


def test_a_folder_of_compressed_archives_says_the_way_out(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(SourceError, match=r"has no images .*unpack them to plain \.tar files"):
        open_source(tmp_path)


def test_fingerprint_changes_with_the_members(tmp_path):
    before = open_source(write_tar(tmp_path / "x.tar", MEMBERS)).fingerprint()
    assert open_source(tmp_path / "x.tar").fingerprint() == before
    changed = {**MEMBERS, "c/z.png": png(1)}
    assert open_source(write_tar(tmp_path / "x.tar", changed)).fingerprint() != before


def test_a_million_members_stay_small(tmp_path):
    members = {f"{at:05d}.png": MEMBERS["a/img0.png"] for at in range(1000)}
    source = open_source(write_tar(tmp_path / "x.tar", members))
    assert len(pickle.dumps(source)) < 1000 * 80
