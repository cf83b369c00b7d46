import pytest

from videovisual.errors import WeightsError
from videovisual.zoo.weights_io.labels import read_label_file


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
