import os

import numpy as np
import pytest
from PIL import Image

from shoal import rows
from shoal.errors import InputError, SourceError
from shoal.rows import Source, open_source, opening


def test_names_are_listed_by_hand():
    expected = [
        "Batch",
        "EncodedSource",
        "ImageRequest",
        "ImageSource",
        "Kind",
        "LabelValues",
        "Source",
    ]
    expected += ["Taken", "as_requested", "draw_rows", "draw_sample", "of_taken", "open_source"]
    expected += ["read_label_file", "remarks_of", "some_images", "thumbnails"]
    assert rows.__all__ == expected
    assert all(hasattr(rows, name) for name in expected)


@pytest.mark.parametrize("column", ["label", "class", "true_category"])
def test_a_column_of_labels_beside_listed_paths_is_offered(tmp_path, column):
    for at in range(4):
        Image.new("L", (9, 9), 60 * at).save(tmp_path / f"{at}.png")
    lines = [f"{at}.png,9,{'ab'[at % 2]}" for at in range(4)]
    (tmp_path / "list.csv").write_text("\n".join([f"path,width,{column}", *lines]))
    source = open_source(tmp_path / "list.csv")
    assert source.label_origin == f"list.csv, {column}"
    assert source.labels() == ["a", "b", "a", "b"]
    (tmp_path / "plain.csv").write_text("\n".join(["path,width", *(f"{at}.png,9" for at in "01")]))
    assert open_source(tmp_path / "plain.csv").label_origin is None


def test_a_missing_path_names_a_near_one(tmp_path):
    np.save(tmp_path / "digits.npy", np.zeros((3, 4)))
    with pytest.raises(
        SourceError, match=r"digit.npy does not exist: did you mean .*/digits.npy\?"
    ):
        open_source(tmp_path / "digit.npy")
    with pytest.raises(SourceError, match=r"zzzzzzz.npy does not exist$"):
        open_source(tmp_path / "zzzzzzz.npy")
    with pytest.raises(SourceError, match=r"zzz does not exist$"):
        open_source(tmp_path / "zzz")
    with pytest.raises(SourceError, match="neither does the folder"):
        open_source(tmp_path / "no" / "zzz")
    with pytest.raises(SourceError, match=r"memory://none/a\.npy does not exist"):
        open_source("memory://none/a.npy")


def test_folders_without_images_say_what_they_hold(tmp_path):
    with pytest.raises(SourceError, match=r"is empty: give a folder with images"):
        open_source(tmp_path)
    (tmp_path / "a.svg").write_bytes(b"x")
    (tmp_path / "c.svg").write_bytes(b"x")
    (tmp_path / "b.txt").write_text("x")
    with pytest.raises(SourceError, match=r"no images \(it holds 2 \.svg, 1 \.txt\): .* as PNG"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("IM0001", bytes(128) + b"DICM", "IM0001 is a DICOM file: convert it"),
        ("abcdef", b"\x89PNG\r\n\x1a\n", r"abcdef is a picture: name such files .*, \.png$"),
        ("x.bin2", b"SIMPLE  =", r"x\.bin2 is a FITS file: save its array"),
        ("x.what", b"what", r"--shape and --dtype are given$"),
    ],
)
def test_a_folder_of_files_of_one_odd_kind_names_it_by_its_first_bytes(
    tmp_path, name, data, message
):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path)


def test_a_folder_with_one_usable_file_names_it(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(SourceError, match=r"to read one file, give that file: .*/x\.npz$"):
        open_source(tmp_path)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="is neither a file nor a folder"):
        open_source(tmp_path / "pipe")


def test_much_unpacked_memory_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_MENTIONED_BYTES", 100)
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros((30, 5, 5), np.uint8))
    said = open_source(tmp_path / "x.npz").description
    assert said.endswith("(x.npz, key a, 0.0 GB unpacked in memory)")


def test_a_folder_of_text_files_named_jpg(tmp_path):
    (tmp_path / "a.jpg").write_text("some text")
    with pytest.raises(SourceError, match=r"1 sampled images .* begins with 'some text'"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.tar", b"xxxx", r"is not a \.tar archive, or damaged where it begins"),
        ("x.rar", b"xxxx", "is an archive that cannot be read: unpack it"),
        ("x.h5", b"xxxx", "cannot be read as HDF5"),
        ("x.tfrecord", b"xxxx", "is not a TFRecord file, or a compressed one"),
        ("x.mat", b"xxxx", "cannot be read as a MATLAB file"),
        ("x.what", b"xxxx", "is unknown by its name"),
        ("x.svg", b"<svg/>", "is a vector graphic .* render it as PNG"),
        ("x.feather", b"ARROW1..", r"is an Arrow or Feather file.*to_parquet\('x\.parquet'\)"),
        ("x.arrow", b"xxxx", "is an Arrow or Feather file"),
        ("x.jsonl", b'{"a": 1}\n', r"is a file of JSON.* pandas\.read_json\(FILE, lines=True\)"),
        ("x", b'[{"a": 1}]', "is a file of JSON"),
        ("x.fits", b"SIMPLE  =", r"is a FITS file.* astropy\.io\.fits\.getdata"),
        ("image", b"SIMPLE  =    T", "is a FITS file"),
        ("x.nii.gz", b"\x1f\x8b" + bytes(9), r"is a NIfTI volume.*nibabel\.load"),
        ("IM0001", bytes(128) + b"DICM", "is a DICOM file"),
        ("x.mp4", b"xxxx", "is a video.* ffmpeg"),
        ("clip", b"\0\0\0\x20ftypisom" + bytes(20), "is a video"),
        ("x.xlsx", b"PK\5\6" + bytes(18), "is a spreadsheet.* save it as CSV"),
        ("x.psd", b"8BPS", "is a picture in a rare format.* convert it to PNG"),
        ("x.czi", b"xxxx", "is a microscope image .* bfconvert"),
        ("x.pt", b"xxxx", r"is a file of tensors.* tensor\.numpy\(\)"),
        ("x.npy", b"xxxx", "is unknown by its name|cannot be read"),
        ("x.npz", b"xxxx", r"cannot be read as \.npz"),
        ("x.parquet", b"xxxx", "is unknown by its name|cannot be read"),
        ("x.npy", b"", "is empty"),
        ("x.txt", b"words\nand words\n", "has no column to cluster by"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path / name)


def test_contents_matter_more_than_names(tmp_path):
    np.save(tmp_path / "x", np.zeros((3, 4)))
    (tmp_path / "x.npy").rename(tmp_path / "x.dat")
    assert open_source(tmp_path / "x.dat").kind == "vectors"


def test_images_win_over_stray_arrays(tmp_path):
    from PIL import Image

    np.save(tmp_path / "labels.npy", np.zeros((3, 4)))
    Image.new("L", (5, 6)).save(tmp_path / "a.png")
    assert open_source(tmp_path).kind == "images"
    assert open_source(tmp_path, as_="vectors").shape == (4,)
    with pytest.raises(InputError, match="--key x does not apply to image files"):
        open_source(tmp_path, key="x")


def test_images_cannot_be_taken_for_vectors(tmp_path):
    from PIL import Image

    Image.new("L", (5, 6)).save(tmp_path / "a.png")
    for where in (tmp_path, tmp_path / "a.png"):
        with pytest.raises(InputError, match="cannot be read --as vectors"):
            open_source(where, as_="vectors")


def test_anything_like_an_array_in_memory():
    class Frame:
        def __array__(self, dtype=None, copy=None):
            return np.ones((3, 4), dtype)

    source = open_source(Frame())
    assert isinstance(source, Source)
    assert source.description == "3 vectors of 4 numbers (array in memory)"
