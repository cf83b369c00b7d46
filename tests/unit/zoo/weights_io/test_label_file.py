import pytest

from videovisual.errors import WeightsError
from videovisual.zoo.weights_io.label_file import read_label_file


@pytest.fixture
def labels(tmp_path):
    def read(text, classes):
        path = tmp_path / "labels"
        path.write_text(text, "utf-8")
        return read_label_file(path, classes)

    return read


def test_one_class_a_line(labels):
    assert labels("\ufeffone\r\ntwo\r\n", 2) == ("one", "two")
    assert labels("riding a bike\ncafé, open\n", 2) == ("riding a bike", "café, open")


def test_epic_kitchens_table(labels):
    table = "verb_id,class_key,verbs\n0,take,\"['take', 'grab']\"\n1,put,['put']\n"
    assert labels(table, 2) == ("take", "put")


@pytest.mark.parametrize("text", ["", "one\n", "one\n\nthree\n", "a\nb\nc\nd\n"])
def test_another_number_of_classes_is_refused(labels, text):
    with pytest.raises(WeightsError, match="the model has 3 classes"):
        labels(text, 3)


def test_a_binary_label_file_is_refused(tmp_path):
    (tmp_path / "labels").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_label_file(tmp_path / "labels", 1)


def test_own_weights_may_have_any_classes(labels):
    assert labels("jump\nwave\n", None) == ("jump", "wave")
    for text in ("", "jump\n\nwave\n"):
        with pytest.raises(WeightsError, match="each class needs a name"):
            labels(text, None)


EPIC = "noun_id,class_key,nouns\n2,bow,['bow']\n0,jump,['jump']\n1,wave,['wave']\n"
FORMS = {
    "plain": "jump\nwave\nbow\n",
    "a mark, CRLF, blank lines at the end": "\ufeffjump\r\nwave\r\nbow\r\n\r\n \r\n",
    "old Mac's": "jump\rwave\rbow\r",
    "UCF101's classInd": "1 jump\n2 wave\n3 bow\n",
    "from 0": "0 jump\n1 wave\n2 bow\n",
    "shuffled": "2 bow\n0 jump\n1 wave\n",
    "colons": "0: jump\n1: wave\n2: bow\n",
    "dots": "1. jump\n2. wave\n3. bow",
    "brackets": "1) jump\n2) wave\n3) bow",
    "dashes": "1 - jump\n2 - wave\n3 - bow",
    "tabs": "2\tbow\n0\tjump\n1\twave\n",
    "CSV without a header": "2,bow\n0,jump\n1,wave\n",
    "quoted cells": '2,"bow"\n0,"jump"\n1,"wave"\n',
    "names first": "bow,2\njump,0\nwave,1\n",
    "names first, tabs": "bow\t3\njump\t1\nwave\t2\n",
    "a heading": "id name\n1 jump\n2 wave\n3 bow\n",
    "EPIC-Kitchens-55": EPIC,
    "EPIC-Kitchens-100": "id,key,instances,x\n2,bow,\"['a', 'b']\",x\n0,jump,c,y\n1,wave,d,z\n",
    "Kinetics' map": "id,name\n0,jump\n1,wave\n2,bow\n",
    "semicolons": "name;index\nbow;2\njump;0\nwave;1\n",
    "JSON list": '["jump", "wave", "bow"]',
    "JSON by number": '{"2": "bow", "0": "jump", "1": "wave"}',
    "JSON by name": '{"bow": 2, "jump": 0, "wave": 1}',
    "Something-Something's": '{"bow": "2", "jump": "0", "wave": "1"}',
    "Hugging Face's": '{"id2label": {"0": "jump", "1": "wave", "2": "bow"}, "depth": 3}',
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_the_number_is_obeyed(labels, text):
    for classes in (3, None):
        assert labels(text, classes) == ("jump", "wave", "bow")


def test_utf_16_with_its_mark(tmp_path):
    (tmp_path / "labels").write_text("jump\nwave\n", "utf-16")
    assert read_label_file(tmp_path / "labels", 2) == ("jump", "wave")


@pytest.mark.parametrize(
    "names",
    [
        ("3 point shot", "layup", "dunk"),
        ("2 handed catch", "1 handed catch", "juggling", "throw"),
        ("verb 0", "verb 1", "verb 2"),
        ("0", "1", "2"),
        ("[x]", "null", "{y}"),
        ("one, two", "three; four"),
        ("take - put", "café: open"),
        ("next\u2028line", "other"),
    ],
)
def test_a_number_or_bracket_in_a_name_is_a_part_of_it(labels, names):
    assert labels("\n".join(names), len(names)) == names


def test_names_that_all_begin_with_a_number_go_into_a_list(labels):
    names = ("2 point shot", "3 point shot")
    with pytest.raises(WeightsError, match=r"1 is missing.*give a JSON list"):
        labels("\n".join(names), 2)
    assert labels('["2 point shot", "3 point shot"]', 2) == names


REFUSED = {
    "a gap": ("0 a\n1 b\n3 c\n", "number 3 classes, and 2 is missing"),
    "a number twice": ("0 a\n1 b\n1 c\n", "1 is there twice"),
    "from 2": ("2,a\n3,b\n4,c\n", "1 is missing"),
    "one line without": ("0 a\n1 b\n2 c\nd\n", "a number in most lines, and not in all"),
    "a gap in a table": ("id,name\n0,a\n2,b\n", "1 is missing"),
    "no number in a table": ("id,name\nx,a\n1,b\n", "'x' as the number of 'a'"),
    "a short row": ("id,name\n0,a\n1\n", "row that is too short"),
    "a table without numbers": ("name,count\na,5\nb,7\n", "the columns name, count and no numb"),
    "numbers at the end": ("a 2\nb 0\nc 1\n", "numbers that are not in order"),
    "a gap in JSON": ('{"a": 0, "b": 2}', "1 is missing"),
    "a key twice": ('{"0": "a", "0": "b"}', "a key twice"),
    "numbers only": ('{"0": "1", "1": "0"}', "neither a list of names nor"),
    "objects": ('[{"id": 0, "name": "a"}]', "neither a list of names nor"),
    "broken JSON": ('{"a": 0,', "not valid JSON"),
    "a name twice": ("jump\nwave\njump\n", "2 classes are called 'jump': numbers 0, 2"),
    "a web page": ("<!DOCTYPE html>\n<title>404</title>\n", "a web page"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_without_one_reading_is_refused(labels, text, message):
    with pytest.raises(WeightsError, match=message):
        labels(text, None)
