import io
import os
import subprocess
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.rows.handles import Headers, inspect_file
from shoal.rows.images import tar

NAMES = ["a.jpg", "dir/b.png", "x" * 90 + "/" + "y" * 90 + ".jpg", "deep/" * 60 + "é.png"]
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def written(path, members, form=tarfile.GNU_FORMAT):
    """Write a tar archive of names and bytes."""
    with tarfile.open(path, "w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def scanned(path):
    with inspect_file(path) as (opened, file):
        return list(tar.scan(Headers(opened), file.size))


def contents(path):
    """Names and bytes of what was found."""
    data = path.read_bytes()
    return {f.name.decode(): data[f.offset : f.offset + f.size] for f in scanned(path)}


def slow_twin(path):
    with tarfile.open(path) as archive:
        files = [member for member in archive if member.isfile()]
        return {file.name: archive.extractfile(file).read() for file in files}


@pytest.mark.parametrize("form", FORMATS)
def test_members_lie_where_the_standard_library_finds_them(tmp_path, form):
    names = NAMES[:3] if form == tarfile.USTAR_FORMAT else NAMES
    members = {name: bytes([at]) * (at * 700) for at, name in enumerate(names)}
    path = written(tmp_path / "x.tar", members, form)
    assert contents(path) == slow_twin(path) == members


@settings(max_examples=30)
@given(st.dictionaries(st.text("abc/é ", min_size=1, max_size=150), st.binary(max_size=1500)))
def test_any_archive_is_read_as_the_standard_library_reads_it(tmp_path_factory, members):
    members = {f"n{name.strip('/ ')}": data for name, data in members.items()}
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    for form in FORMATS[1:]:
        assert contents(written(path, members, form)) == slow_twin(path)


def test_a_header_by_hand():
    fields = {0: b"a.jpg", 100: b"0000644\0", 124: b"00000000005\0", 156: b"0"}
    block = bytearray(512)
    for at, value in fields.items():
        block[at : at + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert tar.TarArchive().begins(bytes(block))
    block[0] ^= 1
    assert not tar.TarArchive().begins(bytes(block))
    assert not tar.TarArchive().begins(b"")
    assert not tar.TarArchive().begins(bytes(512))


def test_numbers_in_octal_and_base_256():
    assert tar._number(b"00000001750\0") == 1000
    assert tar._number(b" 1750 \0") == 1000
    assert tar._number(b"\x80" + (1 << 40).to_bytes(11, "big")) == 1 << 40
    assert tar._number(b"garbage") == 0


def test_folders_are_left_out_and_devices_have_a_reason(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in (("d", tarfile.DIRTYPE), ("p.jpg", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            archive.addfile(info)
    (found,) = scanned(tmp_path / "x.tar")
    assert (found.name, found.reason) == (b"p.jpg", "the member is a device or pipe, not a file")


@pytest.mark.parametrize("form", ["gnu", "posix", "oldgnu"])
def test_sparse_members_have_a_reason_and_the_next_is_found(tmp_path, form):
    with (tmp_path / "holes.jpg").open("wb") as file:
        for at in range(40):  # more pieces than one header has place for
            file.seek(at * 100_000)
            file.write(b"piece")
    (tmp_path / "next.jpg").write_bytes(b"next")
    command = ["tar", f"--format={form}", "-S", "-cf", "x.tar", "holes.jpg", "next.jpg"]
    subprocess.run(command, cwd=tmp_path, check=True)
    first, second = scanned(tmp_path / "x.tar")
    assert (first.name, first.reason) == (b"holes.jpg", "the member is stored as a sparse file")
    assert contents(tmp_path / "x.tar")["next.jpg"] == b"next"
    assert second.reason == ""


def test_links_name_their_target(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.jpg").write_bytes(b"data")
    os.link(tmp_path / "d" / "a.jpg", tmp_path / "d" / "hard.jpg")
    (tmp_path / "d" / "soft.jpg").symlink_to("../d/a.jpg")
    command = ["tar", "-cf", "x.tar", "d/a.jpg", "d/hard.jpg", "d/soft.jpg"]
    subprocess.run(command, cwd=tmp_path, check=True)
    targets = {found.name: found.target for found in scanned(tmp_path / "x.tar")}
    assert targets == {b"d/a.jpg": b"", b"d/hard.jpg": b"d/a.jpg", b"d/soft.jpg": b"d/a.jpg"}


def test_damage_costs_what_it_covers_and_no_more(tmp_path):
    members = {f"{at}.jpg": bytes([65 + at]) * 600 for at in range(5)}
    path = written(tmp_path / "x.tar", members)
    data = bytearray(path.read_bytes())
    first = scanned(path)[2].offset - 512
    data[first : first + 512] = b"\xff" * 512
    path.write_bytes(data)
    found = scanned(path)
    assert [f.name for f in found] == [b"0.jpg", b"1.jpg", tar.DAMAGED, b"3.jpg", b"4.jpg"]
    assert found[2].reason == f"the archive is damaged from byte {first:,} to {first + 1536:,}"
    data[first:] = b"\xff" * (len(data) - first)
    path.write_bytes(data)
    assert scanned(path)[-1].reason == f"the archive is damaged from byte {first:,} to its end"


@pytest.mark.parametrize("cut", [100, 700, 1200])
def test_an_archive_cut_off_anywhere_says_so(tmp_path, cut):
    path = written(tmp_path / "x.tar", {"a.jpg": b"a" * 600, "b.jpg": b"b" * 600})
    second = scanned(path)[1].offset - 512
    path.write_bytes(path.read_bytes()[: second + cut])
    found = scanned(path)
    assert found[0].reason == ""
    assert "cut off" in found[-1].reason
    assert found[-1].name == (b"b.jpg" if cut == 700 else tar.CUT_OFF)
    assert len(found) == (3 if cut == 1200 else 2)


def test_a_size_of_exabytes_is_no_size(tmp_path):
    path = written(tmp_path / "x.tar", {"a.jpg": b"a" * 10})
    data = bytearray(path.read_bytes())
    data[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path.write_bytes(data)
    (found,) = scanned(path)
    assert found.reason.startswith("the archive is cut off within this member")


@settings(max_examples=60)
@given(st.data())
def test_any_damage_ends(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    written(path, {f"{at}.jpg": b"x" * 600 for at in range(3)}, tarfile.PAX_FORMAT)
    hurt = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        hurt[data.draw(st.integers(0, 4000))] = data.draw(st.integers(0, 255))
    path.write_bytes(hurt[: data.draw(st.integers(0, len(hurt)))])
    for found in scanned(path):
        assert 0 <= found.offset <= found.offset + found.size <= max(path.stat().st_size, 512)
