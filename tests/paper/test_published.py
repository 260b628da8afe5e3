from pathlib import Path

import pytest

from onemask.errors import OnemaskError
from onemask.paper.published import read_table2

PUBLISHED = Path(__file__).parents[2] / "config/published.yaml"


def test_the_repository_s_figures():
    table = read_table2(PUBLISHED)
    assert table["HFC+SwAV/FCN"]["face"] == (53.61, 94.14)
    assert table["RepurposeGAN/MLP"]["horse"] == (8.99, 82.42)
    assert table["HFC+KMeans/-"]["cat"] == (13.81, 64.05)
    assert len(table) == 9 and all(len(figures) == 4 for figures in table.values())


@pytest.mark.parametrize("content", ["a: 1", "[", "table2_one_shot: {semi_supervised: 3, self_supervised: {}}"])
def test_another_file_is_named(tmp_path, content):
    (tmp_path / "p.yaml").write_text(content)
    with pytest.raises(OnemaskError, match="p.yaml: not the published figures") as error:
        read_table2(tmp_path / "p.yaml")
    assert "\n" not in str(error.value)
