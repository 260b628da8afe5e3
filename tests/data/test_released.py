"""The authors' release in each of its forms."""

import numpy as np
import pytest
import torch

from onemask.data.released import annotated
from onemask.errors import OnemaskError
from onemask.labels import LabelSet

LABELS = LabelSet(tuple("abcdefgh"), ("#000000",) * 8, {})
SIZES = {"exemplars": 2, "tuning": 1, "supervised": 1, "test": 3, "allow_fewer": False}
WS = torch.arange(7.0)[:, None, None].expand(7, 4, 6).contiguous()
ENDLESS: list = []
ENDLESS.append(ENDLESS)
MAPS = torch.arange(7)[:, None, None].expand(7, 8, 8).contiguous()


def release(folder, latents, labels):
    torch.save(latents, folder / "latents.pt")
    torch.save(labels, folder / "labels.pt")
    return folder


@pytest.mark.parametrize(
    ("latents", "labels"),
    [
        (WS, MAPS),
        ((WS, 3), MAPS.numpy()),
        (WS[:, 0].clone(), MAPS.float() / 255),
        (WS.half(), MAPS.double() / 7),
        (WS, MAPS[:, None].to(torch.uint8)),
    ],
)
def test_every_form_gives_the_same_set(tmp_path, latents, labels):
    made = annotated(release(tmp_path, latents, labels), LABELS, (4, 6), 16, SIZES, seed=3)
    assert made.label_maps.shape == (7, 16, 16) and made.ws.dtype == np.float32
    assert [len(made.splits[name]) for name in ("exemplars", "tuning", "supervised", "test")] == [2, 1, 1, 3]
    assert sorted(np.concatenate(list(made.splits.values()))) == list(range(7))
    for index in range(7):
        assert (made.label_maps[index] == index).all() and made.ws[index].flat[0] == index


@pytest.mark.parametrize(
    ("latents", "labels", "message"),
    [
        (WS[:, :3].clone(), MAPS, r"latents.pt: latents are \[7, 3, 6\], expected \[n, 4, 6\] or \[n, 6\]"),
        (WS[:, :, :5].clone(), MAPS, r"latents.pt: latents are \[7, 4, 5\], expected \[n, 4, 6\] or \[n, 6\]"),
        (WS[:, 0, :5].clone(), MAPS, r"latents.pt: latents are \[7, 5\], expected \[n, 4, 6\] or \[n, 6\]"),
        (WS, MAPS[:5].clone(), r"labels.pt: label maps are \[5, 8, 8\], expected \[7, H, W\]"),
        (WS, MAPS + 2, "labels.pt: values are from 2 to 8, the class has labels 0 to 7"),
        ({"a": 1}, MAPS, "latents.pt: holds no tensor"),
        (ENDLESS, MAPS, "latents.pt: holds no tensor"),
        (WS[:3].clone(), MAPS[:3].clone(), r"3 annotated images are too few; lower annotated_set.supervised"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, latents, labels, message):
    with pytest.raises(OnemaskError, match=message):
        annotated(release(tmp_path, latents, labels), LABELS, (4, 6), 16, SIZES, seed=3)
    with pytest.raises(OnemaskError, match="the authors' release is not there: no latents.pt, labels.pt"):
        annotated(tmp_path / "x", LABELS, (4, 6), 16, SIZES, seed=3)
