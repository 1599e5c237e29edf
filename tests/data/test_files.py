"""Files as the archives have them are read; what cannot be read is refused with its line."""

import numpy as np
import pytest

from simmtm_sk.data.files import read_file

NAN = np.nan
TAGS = "@problemName Tiny\n@univariate true\n@classLabel true a b\n"


def read(folder, suffix, text, encoding="utf-8"):
    path = folder / f"Tiny_TRAIN{suffix}"
    path.write_bytes(text.encode(encoding))
    return read_file(path)


def same(found, *expected):
    assert len(found) == len(expected)
    for series, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(series, np.array(wanted, float))


@pytest.mark.parametrize("data", ["@data", "@DATA", "@Data", "  @data  ", "\n# comment\n@DATA\n"])
def test_tags_in_any_case(tmp_path, data):
    series, labels = read(
        tmp_path, ".ts", f"{TAGS.upper().replace('A B', 'a b')}{data}\n1,2:a\n3,4:b\n"
    )
    same(series, [[1, 2]], [[3, 4]])
    assert labels == ["a", "b"]


def test_missing_values_and_spaces(tmp_path):
    rows = "@missing true\n@data\n1, ?,3 : 4,,nan : a \n\n # comment\n,,6:NaN,8, 9:b\n"
    series, labels = read(tmp_path, ".ts", TAGS + rows)
    same(series, [[1, NAN, 3], [4, NAN, NAN]], [[NAN, NAN, 6], [NAN, 8, 9]])
    assert labels == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings(tmp_path, encoding):
    text = "# caf\u00e9\n@classLabel true \u00fcber b\n@data\n1,2:\u00fcber\n"
    assert read(tmp_path, ".ts", text, encoding)[1] == ["\u00fcber"]


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_ends_of_lines(tmp_path, newline):
    series, labels = read(tmp_path, ".ts", (TAGS + "@data\n1,2:a\n3,4:b").replace("\n", newline))
    same(series, [[1, 2]], [[3, 4]])
    assert labels == ["a", "b"]


def test_targets(tmp_path):
    text = "@targetLabel true\n@data\n1,2: 0.5\n3,4:-2e1\n5,6:?\n"
    np.testing.assert_array_equal(read(tmp_path, ".ts", text)[1], [0.5, -20, NAN])


STAMPED = TAGS + "@timestamps true\n@data\n"


def test_time_stamps_are_read(tmp_path):
    """Sorted, and with a gap where one is left out; channels share the first one."""
    numbers = "(0,1),(1,2),(3,4):(3,8), (2,7),(1,6):a\n( 5 , 1 ),(6,?),(7,3):(5,4),(6,),(7,6):b\n"
    series, labels = read(tmp_path, ".ts", STAMPED + numbers)
    same(series, [[1, 2, NAN, 4], [NAN, 6, 7, 8]], [[1, NAN, 3], [4, NAN, 6]])
    assert labels == ["a", "b"]
    dates = "(2024-01-01 00:00:00,1),(2024-01-01 01:00:00,2),(2024-01-01 03:00:00,4):b\n"
    series, labels = read(tmp_path, ".ts", STAMPED + dates)
    same(series, [[1, 2, NAN, 4]])
    assert labels == ["b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TAGS + "1,2:a\n", "no line @data"),
        (TAGS + "@data\n1,2:a\n1,x:b\n", r"TRAIN.ts, line 6: 'x' is no number"),
        (TAGS + "@data\n1 2,3:a\n", "line 5: '1 2' is no number"),
        (TAGS + "@data\n1,2:c\n", r"line 5: the label 'c' is none of \['a', 'b'\]"),
        (TAGS + "@data\n1,2\n", "line 5: there is no label"),
        (TAGS + "@data\n1,2:3:a\n", "line 5: channels of one series differ in length"),
        (TAGS + "@data\n1,2:3,4:a\n1,2:b\n", "line 6: 1 channels, but 2 in the first"),
        (TAGS + "@data\n", "holds no series"),
        ("@classLabel false\n@data\n1,2\n", "must hold labels or targets"),
        ("@targetLabel true\n@data\n1,2:x\n", "line 3: 'x' is no number"),
        (STAMPED + "(0,1),(1,2)\n", "line 6: there is no label"),
        (STAMPED + "(0,1),7,(1,2):a\n", "line 6: .* are not pairs"),
        (STAMPED + "(0,1),(0,2):a\n", "line 6: a channel has a time stamp twice"),
        (STAMPED + "(soon,1),(later,2):a\n", "line 6: time stamps are neither"),
        (STAMPED + "(0,1),(1,2),(1.37,2),(9.1,4):a\n", "line 6: .*irregular"),
    ],
)
def test_ts_that_cannot_be_read(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, ".ts", text)


ARFF = "% from an archive\n@RELATION tiny\n@attribute t0 numeric\n@attribute t1 numeric\n"


def test_arff(tmp_path):
    text = ARFF + "@ATTRIBUTE target {1, 'b c'}\n\n@DATA\n1.5,?,1\n\n% comment\n3, 4 ,'b c'\n"
    series, labels = read(tmp_path, ".arff", text)
    same(series, [[1.5, NAN]], [[3, 4]])
    assert labels == ["1", "b c"]
    series, labels = read(tmp_path, ".arff", ARFF + "@attribute target REAL\n@data\n1,2,0.5\n")
    same(series, [[1, 2]])
    assert labels == [0.5]


def test_arff_of_several_channels(tmp_path):
    header = "@relation t\n@attribute x relational\n@attribute t0 numeric\n@end x\n"
    rows = "@attribute c {u,v}\n@data\n'1,2\\n3,?',u\n\"5,6\\n7,8\",v\n"
    series, labels = read(tmp_path, ".arff", header + rows)
    same(series, [[1, 2], [3, NAN]], [[5, 6], [7, 8]])
    assert labels == ["u", "v"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("@attribute c {1,2}\n@data\n1,2,3\n", r"line 7: the label '3' is none of \['1', '2'\]"),
        ("@attribute c {1,2}\n@data\n1,x,2\n", "line 7: 'x' is no number"),
        ("@attribute c {1,2}\n@data\n{0 1, 1 2},1\n", "line 7: sparse rows"),
        ("@attribute c {1,2}\n@data\n1\n", "line 7: there is no label"),
        ("@attribute c {1,2}\n@data\n1,2,1\n1,2,3,1\n", "line 8: 4 values for 3 attributes"),
        ("@attribute c {1,2}\n@data\n1,1\n", "line 7: 2 values for 3 attributes"),
        ("@attribute c {1,2}\n@data\n1,2_0,1\n", "line 7: '2_0' is no number"),
        ("@attribute c {1,2}\n@data\n'1,2\\n3',2\n", "line 7: channels of one series differ"),
        ("@attribute c date\n@data\n1,2,3\n", "line 5: dates and text"),
        ("@attribute c {1,2}\n", "no line @data"),
    ],
)
def test_arff_that_cannot_be_read(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, ".arff", ARFF + rows)


def test_tsv(tmp_path):
    series, labels = read(tmp_path, ".tsv", "1\t0.5\t\tNaN\n-1\t1\t2\t3\n")
    same(series, [[0.5, NAN, NAN]], [[1, 2, 3]])
    assert labels == ["1", "-1"]
    with pytest.raises(ValueError, match="line 2: there is no tab"):
        read(tmp_path, ".tsv", "1\t0.5\n7\n")
