import csv
import io
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InputError
from shoal.rows import open_source, remarks_of
from shoal.rows.tables import csv_file

RANDOM = np.random.default_rng(4)


@pytest.fixture
def write(tmp_path):
    def write(text, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2.5\n-3,4e2\n", None),
        ("1,2.5\n-3,4e2", None),
        ("\ufeffa;b\r\n1;2.5\r\n\r\n-3;400\r\n", None),
        ("a;b\n1;2,5\n-3;400,0\n", None),
        ("a\tb\n1\t2.5\n-3\t400\n", None),
        ("1 2.5\n-3 400\n", None),
        ('"a","b"\n"1","2.5"\n"-3","400"\n', None),
        ("name,a,b\nx,1,2.5\ny,-3,400\n", ["x", "y"]),
        ('name,a,b\n"x,\n1",1,2.5\ny,-3,400\n', ["x,\n1", "y"]),
        ("CustomerID,a,b\n7,1,2.5\n8,-3,400\n", ["7", "8"]),
        (",0,1\n0,1,2.5\n1,-3,400\n", ["0", "1"]),
        ("sep=;\r\na;b\r\n1;2.5\r\n-3;400\r\n", None),
    ],
)
def test_delimiters_headers_and_ids_are_found(write, text, names):
    source = pickle.loads(pickle.dumps(open_source(write(text))))
    assert (source.kind, source.shape, source.n_rows) == ("vectors", (2,), 2)
    batch = source.read(0, 2)
    np.testing.assert_array_equal(batch.data, [[1, 2.5], [-3, 400]])
    assert batch.bad == {}
    assert source.names(0, 2) == names


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_as_spreadsheets_write_it(write, monkeypatch, encoding, mark):
    monkeypatch.setattr(csv_file, "_CHUNK", 4096)
    values = RANDOM.integers(0, 100, (3_000, 2))
    names = [f'größe "{at}"\n→ 日本' if at % 7 else str(at) for at in range(3_000)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t")
    writer.writerows([("name", "x", "y"), *((n, *v) for n, v in zip(names, values, strict=True))])
    source = open_source(write((mark + text.getvalue()).encode(encoding)))
    np.testing.assert_array_equal(source.read(0, 3_000).data, values)
    assert source.names(0, 3_000) == names
    np.testing.assert_array_equal(source.read(1_023, 2_050).data, values[1_023:2_050])


def test_two_rows_of_names_are_joined(write):
    text = (
        "Image,Image,Cells,Cells\nImageNumber,Metadata_Well,AreaShape_Area,AreaShape_Solidity\n"
        + "".join(f"{at // 4},A{at % 5},{at * 3 % 17},0.{at % 9}\n" for at in range(40))
    )
    source = open_source(write(text))
    assert source.table.names == (
        "Image_ImageNumber",
        "Image_Metadata_Well",
        "Cells_AreaShape_Area",
        "Cells_AreaShape_Solidity",
    )
    assert source.n_rows == 40
    few = open_source(write("A,,B,\nx,y,x,y\n" + "1,2,3,4\n5,6,7,8\n"))
    assert few.column_names == ("A_x", "A_y", "B_x", "B_y")
    assert few.read(0, 2).data.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_units_below_the_names_are_no_row(write):
    source = open_source(write("who,age,income,n\n,years,$,\na,30,4.5,1\nb,40,5.5,2\nc,50,6,3\n"))
    assert source.table.names == ("who", "age", "income", "n")
    assert source.n_rows == 3
    assert any(",years,$," in remark for remark in remarks_of(source))


@pytest.mark.parametrize(
    "second", ["x,?,NA,1", "x,3,unknown,1", "x,-,-,1", "x,1,2,3", "x,,,", "x,1e0,2E3,1e-4"], ids=str
)
def test_a_row_with_gaps_is_a_row(write, second):
    body = "".join(f"n{at},{at % 9},{at % 7}.5,{at}\n" for at in range(30))
    source = open_source(write(f"name,a,b,c\n{second}\n{body}"))
    assert source.n_rows == 31
    assert not any("units" in remark for remark in remarks_of(source))


def test_words_that_end_in_id_are_no_ids(write):
    source = open_source(write("humid,grid\n1,2\n3,4\n"))
    assert source.shape == (2,)


def test_numbers_of_columns_are_a_header(write):
    assert open_source(write("0,1,2,3\n5,6,7,8\n")).n_rows == 1
    assert open_source(write("0,1\n5,6\n")).n_rows == 2


@pytest.mark.parametrize("chunk", [1, 7, 1 << 22])
@pytest.mark.parametrize(("rows", "size", "read"), [(4, 1 << 20, 1 << 20), (99, 30, 60), (9, 5, 1)])
def test_ranges_join_to_the_whole(write, monkeypatch, chunk, rows, size, read):
    monkeypatch.setattr(csv_file, "_CHUNK", chunk)
    monkeypatch.setattr(csv_file, "PIECE_ROWS", rows)
    monkeypatch.setattr(csv_file, "PIECE_BYTES", size)
    monkeypatch.setattr(csv_file, "_READ_BYTES", read)
    monkeypatch.setattr(csv_file, "_COLUMN_BYTES", 1)
    values = RANDOM.integers(0, 1000, (21, 2))
    lines = [f'"i\n{at}",{a},{b}\r\n' + "\r\n" * (at % 3 == 0) for at, (a, b) in enumerate(values)]
    source = open_source(write("id,a,b\r\n" + "".join(lines)))
    assert source.n_rows == 21
    for start in range(0, 22, 3):
        for stop in range(start, 22, 5):
            np.testing.assert_array_equal(source.read(start, stop).data, values[start:stop])
            assert source.names(start, stop) == [f"i\n{at}" for at in range(start, stop)]


@pytest.mark.parametrize("chunk", [13, 1 << 20])
def test_a_huge_row_is_refused_alone(write, monkeypatch, chunk):
    monkeypatch.setattr(csv_file, "_CHUNK", chunk)
    monkeypatch.setattr(csv_file, "PIECE_BYTES", 100)
    monkeypatch.setattr(csv_file, "_READ_BYTES", 300)
    monkeypatch.setattr(csv_file, "_COLUMN_BYTES", 1)
    monkeypatch.setattr(csv_file, "MOST_ROW_BYTES", 1000)
    lines = [f"{n % 7 + 0.5},{n * n + 0.5},{'ab'[n % 2]}" for n in range(90)]
    lines[40] = '1.5,2.5,"' + "much\n" * 300 + '"'  # line ends within quotes
    lines[41] += "x" * 500
    lines[60] = "1," + "2" * 5000 + ",x"
    lines[89] = "1,2," + "y" * 2000
    source = open_source(write("a,b,note\n" + "\n".join(lines)), as_="vectors")
    assert source.n_rows == 90
    batch = source.read(0, 90)
    assert {row: reason.split(",")[0] for row, reason in batch.bad.items()} == {
        40: "the row has 1",
        60: "the row has 5",
        89: "the row has 2",
    }
    assert batch.bad[60] == "the row has 5,005 bytes, more than 1,000"
    assert batch.data[[39, 41, 61, 88], 1].tolist() == [n * n + 0.5 for n in (39, 41, 61, 88)]
    assert [len(t) for t, _ in source.store.cells.pieces(38, 44, ["a"])] == [2, 1, 1, 2]


def test_long_texts_are_cut_but_not_in_what_is_exported(write):
    notes = ["much " * 1000 + str(n % 2) for n in range(40)]
    text = "".join(f"{n % 7},{'ab'[n % 2]},{note}\n" for n, note in enumerate(notes))
    source = open_source(write("a,b,note\n" + text), as_="table")
    cells, _ = source.table.cells(0, 40, ["note"])
    found = cells.column(0).to_pylist()
    assert max(map(len, found)) < 120
    assert found[0] == found[2] != found[1] == found[3]
    assert source.original(0, 40)["note"].to_pylist() == notes


def test_bad_rows_have_a_reason_and_spoil_no_others(write):
    path = write("a,b\n1,2\n3,\n5,x\n7\n9,inf\n11,12\n" + "13,14\n" * 60)
    batch = open_source(path, as_="vectors").read(1, 6)
    assert (
        batch.bad
        == {
            0: "column b is empty or not a number",
            1: "column b is 'x', not a number",
            2: "the row has 1 cells, not 2",
            3: "column b is inf, which is too large",
        }
        or batch.bad == {}
    )
    np.testing.assert_array_equal(batch.data[4], [11, 12])


def test_quotes_that_do_not_pair_off(write):
    source = open_source(write('what,a,b\n5" pipe,1,2\nrod,3,4\n'))
    np.testing.assert_array_equal(source.read(0, 2).data, [[1, 2], [3, 4]])


def test_text_beside_numbers_makes_a_table_unless_vectors_are_asked_for(write):
    path = write("sex,age\nm,3\nf,4\nm,5\nf,5\n")
    assert open_source(path).kind == "table"
    source = open_source(path, as_="vectors")
    np.testing.assert_array_equal(source.read(0, 3).data, [[3], [4], [5]])
    numbers = write("a,b\n1,2\n3,4\n5,5\n")
    assert [open_source(numbers, as_=as_).kind for as_ in (None, "table")] == ["vectors", "table"]


def test_columns_of_vectors_can_be_picked(write):
    path = write("sex,age,pay\nm,3,1\nf,4,2\nm,5,9\n")
    source = open_source(path, columns=["pay", "age"])
    np.testing.assert_array_equal(source.read(0, 3).data, [[3, 1], [4, 2], [5, 9]])
    assert open_source(path, as_="vectors", leave_out=["age"]).shape == (1,)
    with pytest.raises(InputError, match=r"--columns agee: .* no such column: did you mean age\?"):
        open_source(path, columns=["agee"])
    with pytest.raises(InputError, match="--categories age does not apply to --as vectors"):
        open_source(path, as_="vectors", categories=["age"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\nx,y\nz,z\n", "no column to cluster by"),
        ("", "is empty"),
        ("\n\n", "has no rows"),
        ("a,b\n", "no rows|no numeric"),
        (b"a\0b\n1,2\n", "not a text table: it holds zero bytes"),
    ],
)
def test_tables_without_numbers_are_refused(write, text, message):
    with pytest.raises(InputError, match=message):
        open_source(write(text))


def test_a_changed_file_gives_rows_with_a_reason(write):
    source = open_source(write("a,b\n1,2\n3,4\n"))
    write("a,b\n1,2\n3,4\n5,6\n")
    reason = "x.csv cannot be read: the file changed after it was opened"
    assert source.read(0, 2).bad == {0: reason, 1: reason}


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1),
            st.floats(-1e6, 1e6, width=32),
            st.integers(-9, 9),
        ),
        min_size=12,
        max_size=30,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_comes_back(tmp_path_factory, rows, end):
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["text", "x", "y"])
    writer.writerows((f"t{text}", *numbers) for text, *numbers in rows)
    path = tmp_path_factory.mktemp("round") / "x.csv"
    path.write_text(file.getvalue(), encoding="utf-8", newline="")
    source = open_source(path, as_="vectors")
    batch = source.read(0, len(rows))
    assert batch.bad == {}
    np.testing.assert_array_equal(batch.data, np.array([row[1:] for row in rows], np.float32))


def test_numbers_with_an_exponent_are_no_second_row_of_a_header(write):
    rows = np.random.default_rng(0).normal(size=(20, 3)) * 1e-3
    lines = [",".join(f"{value:.6e}" for value in row) for row in rows]
    source = open_source(write("\n".join(["e0,e1,e2", *lines])))
    assert source.n_rows == 20
    np.testing.assert_allclose(source.read(0, 20).data, rows, rtol=1e-5)


def test_amounts_among_the_numbers_of_vectors_are_numbers(write):
    path = write("a;b\n1,5;2\n€ 1.200,50;3\n3,5;12%\n4;n/a\n5;x\n" + "7,5;8\n" * 30)
    batch = open_source(path, as_="vectors").read(0, 6)
    np.testing.assert_array_equal(batch.data[:3], [[1.5, 2], [1200.5, 3], [3.5, 12]])
    assert batch.bad == {
        3: "column b is empty or not a number",
        4: "column b is 'x', not a number",
    }
