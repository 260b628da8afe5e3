"""Label lists: what is in them, and what is no colour, no name or too much."""

import pytest

from onemask.errors import OnemaskError
from onemask.labels import read_labels


def written(folder, text):
    path = folder / "labels.yaml"
    path.write_text(text)
    return path


def test_names_and_colours_in_order_and_rare_ones_apart(tmp_path):
    path = written(tmp_path, "labels: {background: '#000000', eye: '#E69f00'}\nrare: {glasses: '#0072b2'}\n")
    labels = read_labels(path)
    assert labels.names == ("background", "eye") and labels.colours == ("#000000", "#E69f00") and len(labels) == 2
    assert labels.rare == {"glasses": "#0072b2"} and labels.index("eye") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- background", "not a label list"),
        ("", "not a label list"),
        ("labels: {a: [", "not a label list"),
        ("labels: {eye: '#000000'}", "the first label must be 'background'"),
        ("labels:\n  background: '#000000'\n  eye: #e69f00\n", "label 'eye': None is no colour; .* in quotes"),
        ("labels: {background: '#000000', eye: red}", "label 'eye': 'red' is no colour"),
        ("labels: {background: '#000000', eye: '#e69f0'}", "label 'eye': '#e69f0' is no colour"),
        ("labels: {background: '#000000', 7: '#e69f00'}", "label 7: is no text"),
        ("labels: {background: '#000000'}\nrare: {hat: blue}", "label 'hat': 'blue' is no colour"),
        (f"labels: {{background: '#000000', {', '.join(f'a{i}: x' for i in range(256))}}}", "257 labels; .* for 256"),
    ],
)
def test_what_is_no_label_list_is_one_line(tmp_path, text, message):
    with pytest.raises(OnemaskError, match=message) as caught:
        read_labels(written(tmp_path, text))
    assert "\n" not in str(caught.value)
