"""Inverted renders: exact masks beside the ordinary exemplars, in one annotated set that every script reads."""

from functools import partial

import numpy as np
import pytest
import torch

from onemask.config import REPOSITORY
from onemask.data.annotated import AnnotatedSet, read_annotated, write_annotated
from onemask.demo.annotator import to_unit
from onemask.demo.inverted import InvertedSettings, choose, make_inverted_set, render_seeds
from onemask.demo.worlds import SPLITS, render, seed_range
from onemask.errors import OnemaskError
from onemask.labels import read_labels
from onemask.stylegan2.generator import Generator
from onemask.stylegan2.inversion import psnr

SIZE, SEED = 32, 9
LABELS = read_labels(REPOSITORY / "config/labels/face.yaml")
SETTINGS = InvertedSettings(renders=5, keep=3, steps=3)
draw = partial(render, "face", size=SIZE)


def annotate(images):
    """An annotator that calls an image's bright pixels label 2."""
    return (images.mean(dim=1) > 0).to(torch.uint8) * 2


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(2)
    network = Generator(z_dim=8, w_dim=8, resolution=SIZE, channel_base=128, channel_max=8)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def annotated(generator):
    """Four samples, of which the second and the fourth are exemplars."""
    ws = generator.sample_ws(range(4), 0.7)[:, 0].numpy()
    label_maps = np.random.default_rng(0).integers(0, len(LABELS), (4, SIZE, SIZE), dtype=np.uint8)
    return AnnotatedSet(ws, label_maps, {}, {"exemplars": np.array([1, 3]), "test": np.array([0, 2])})


@pytest.fixture(scope="module")
def made(generator, annotated):
    return make_inverted_set(generator, draw, annotate, annotated, LABELS.names, SETTINGS, SEED)


def test_exemplars_are_the_ordinary_ones_in_every_layer(made, annotated, generator):
    ws, label_maps = made.split("exemplars")
    np.testing.assert_array_equal(label_maps, annotated.label_maps[[1, 3]])
    assert ws.shape == (2, generator.num_ws, generator.w_dim)
    np.testing.assert_array_equal(ws, np.broadcast_to(annotated.ws[[1, 3], None], ws.shape))


def test_test_images_are_renders_with_their_exact_masks_and_psnr(made, generator):
    """Each mask is that of a render, and the latents' image is as close to that very render as the metadata say."""
    ws, label_maps = (part[:3] for part in made.split("test"))
    rendered = draw(render_seeds(SETTINGS.renders, SEED))
    same = (rendered.label_maps[None].numpy() == label_maps[:, None]).all(axis=(2, 3))
    assert same.sum(axis=1).tolist() == [1, 1, 1]
    targets = to_unit(rendered.images[same.argmax(axis=1)])
    images = generator.synthesize(torch.from_numpy(ws))
    foreground = psnr(images, targets, torch.from_numpy(label_maps) != LABELS.names.index("background"))
    assert made.metadata["inversion"]["psnr"] == pytest.approx(foreground.tolist(), abs=1e-2)
    assert made.metadata["inversion"]["image_psnr"] == pytest.approx(psnr(images, targets).tolist(), abs=1e-2)


def test_the_same_images_come_again_with_the_annotators_labels(made, generator):
    ws, label_maps = made.split("test")
    np.testing.assert_array_equal(ws[3:], ws[:3])
    np.testing.assert_array_equal(label_maps[3:], annotate(generator.synthesize(torch.from_numpy(ws[3:]))).numpy())
    assert set(np.unique(label_maps[3:])) == {0, 2}


def test_what_was_left_out_is_counted(generator, annotated, made):
    counts = [made.metadata["inversion"][name] for name in ("renders", "below_min_psnr", "surplus")]
    assert counts == [5, 0, 2]
    worst = min(made.metadata["inversion"]["psnr"]) - 1e-3
    strict = InvertedSettings(renders=5, keep=3, steps=3, min_psnr=worst)
    again = make_inverted_set(generator, draw, annotate, annotated, LABELS.names, strict, SEED)
    assert again.metadata["inversion"]["below_min_psnr"] == 2 and again.metadata["inversion"]["surplus"] == 0
    np.testing.assert_array_equal(again.ws, made.ws)


def test_the_set_is_read_like_any_other(made, generator, tmp_path):
    write_annotated(tmp_path / "face.npz", made)
    read = read_annotated(tmp_path / "face.npz", LABELS, generator)
    np.testing.assert_array_equal(read.ws, made.ws)
    assert {name: len(indices) for name, indices in read.splits.items()} == {"exemplars": 2, "test": 6}


def test_render_seeds_are_those_of_no_training_and_depend_on_the_seed():
    seeds = render_seeds(48, SEED)
    assert len(seeds) == 48 and set(seeds) <= set(seed_range("test")[seeds[0] - seed_range("test")[0] :][:48])
    assert all(seeds[-1] < seed_range(name)[0] or seed_range(name)[-1] < seeds[0] for name in SPLITS if name != "test")
    assert render_seeds(48, SEED + 1)[0] != seeds[0]


def test_the_best_of_the_good_inversions_are_kept_in_their_order():
    values = torch.tensor([21.0, 25.0, 19.0, 23.0, 23.0])
    assert choose(values, InvertedSettings(keep=3, min_psnr=20)).tolist() == [1, 3, 4]
    assert choose(values, InvertedSettings(keep=4, min_psnr=20)).tolist() == [0, 1, 3, 4]
    assert choose(values, InvertedSettings(keep=2, min_psnr=0)).tolist() == [1, 3]  # of equals, the first
    with pytest.raises(OnemaskError, match=r"4 of 5 renders reach 20 dB, inversion.keep asks for 5"):
        choose(values, InvertedSettings(keep=5, min_psnr=20))
