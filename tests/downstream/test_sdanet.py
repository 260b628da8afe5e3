import pytest
import torch

from onemask.downstream.attention import (
    ChannelSelection,
    GlobalContext,
    SelectiveDenseAttention,
    SpatialSelection,
    gather_levels,
)
from onemask.downstream.sdanet import region_pool, sdanet
from onemask.errors import OnemaskError


def pyramid(channels=16, sizes=(16, 8, 4)):
    rng = torch.Generator().manual_seed(0)
    return {str(n): torch.randn(2, channels, size, size, generator=rng) for n, size in enumerate(sizes)}


@pytest.mark.parametrize("selection", [ChannelSelection(16), SpatialSelection()])
def test_identical_levels_have_uniform_weights(selection):
    level = torch.randn(2, 16, 8, 8)
    same = torch.stack([level] * 4, dim=1)
    torch.testing.assert_close(selection.weights(same), torch.full_like(selection.weights(same), 0.25))
    torch.testing.assert_close(selection(same), level)


@pytest.mark.parametrize("selection", [ChannelSelection(16), SpatialSelection()])
def test_weights_sum_to_one_over_levels(selection):
    weights = selection.weights(torch.randn(2, 3, 16, 8, 8))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones_like(weights[:, 0]))


def test_levels_are_gathered_by_maxima_and_repetition():
    levels = [torch.arange(16.0).view(1, 1, 4, 4), torch.tensor([[[[7.0]]]])]
    gathered = gather_levels(levels, (2, 2))
    assert gathered[0, 0, 0].tolist() == [[5, 7], [13, 15]] and gathered[0, 1, 0].tolist() == [[7, 7], [7, 7]]


def test_a_context_block_adds_to_every_pixel_what_its_mean_says():
    torch.manual_seed(0)
    block, x = GlobalContext(64), torch.randn(2, 64, 5, 5)
    weights = block.attention(x).flatten(2).softmax(dim=2)
    expected = block.transform((x.flatten(2) * weights).sum(dim=2)[..., None, None])
    torch.testing.assert_close(block(x) - x, expected.expand_as(x), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(expected[0], expected[1])


def test_attention_keeps_names_and_sizes():
    levels = pyramid()
    refined = SelectiveDenseAttention(16, 3)(levels)
    assert {name: level.shape for name, level in refined.items()} == {name: x.shape for name, x in levels.items()}


def test_identical_levels_give_a_level_twice_itself_and_what_its_context_says():
    """Uniform weights return the level from either selection: level + context(2 level), Wang et al. 2021."""
    torch.manual_seed(0)
    attention, level = SelectiveDenseAttention(32, 3), torch.randn(2, 32, 8, 8)
    refined = attention({"0": level, "1": level, "2": level})
    for number, name in enumerate("012"):
        torch.testing.assert_close(refined[name], level + attention.context[number](2 * level))


def scene(seed, size=64):
    """A bright rectangle of class 1 or 2, which differ in colour, on a dark ground."""
    rng = torch.Generator().manual_seed(seed)
    image = 0.1 * torch.rand(3, size, size, generator=rng)
    x, y = torch.randint(4, 24, (2,), generator=rng).tolist()
    label = 1 + seed % 2
    image[label - 1, y : y + 28, x : x + 22] = 0.9
    mask = torch.zeros(1, size, size, dtype=torch.uint8)
    mask[0, y : y + 28, x : x + 22] = 1
    box = torch.tensor([[x, y, x + 22, y + 28]], dtype=torch.float32)
    return image, {"boxes": box, "labels": torch.tensor([label]), "masks": mask}


@pytest.mark.extended
def test_four_scenes_are_learnt_by_heart():
    torch.manual_seed(0)
    network = sdanet(2, 64)
    images, targets = zip(*(scene(seed) for seed in range(4)), strict=True)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    network.train()
    for step in range(90):
        optimiser.param_groups[0]["lr"] = 1e-3 if step < 70 else 1e-4
        optimiser.zero_grad()
        sum(network(list(images), list(targets)).values()).backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        found = network(list(images))
    for result, target in zip(found, targets, strict=True):
        best = int(result["scores"].argmax())
        assert result["labels"][best] == target["labels"][0]
        predicted, true = result["masks"][best, 0] > 0.5, target["masks"][0] > 0
        assert (predicted & true).sum() / (predicted | true).sum() > 0.9


def test_losses_name_every_stage_and_an_image_without_objects_is_no_error():
    torch.manual_seed(0)
    empty = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 64, 64, dtype=torch.uint8),
    }
    losses = sdanet(2, 64)([scene(0)[0], torch.rand(3, 64, 64)], [scene(0)[1], empty])
    assert {"loss_classifier_1", "loss_box_2", "loss_box_3", "loss_mask", "loss_objectness"} <= set(losses)
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("attention", [True, False])
def test_detections_have_masks_of_the_images_size(attention):
    torch.manual_seed(0)
    network = sdanet(2, 64, attention=attention).eval()
    for stage in network.roi_heads.stages:
        stage.score_thresh, stage.detections_per_img = 0.0, 5
    with torch.no_grad():
        found = network([scene(0)[0], torch.rand(3, 64, 64)])
    for result in found:
        assert len(result["boxes"]) == 5 and result["masks"].shape == (5, 1, 64, 64)
        assert set(result["labels"].tolist()) <= {1, 2} and (result["boxes"][:, 2:] > result["boxes"][:, :2]).all()
        assert result["scores"].tolist() == sorted(result["scores"].tolist(), reverse=True)


def test_images_without_a_proposal_have_no_detection():
    heads = sdanet(2, 64).eval().roi_heads
    features = {name: torch.zeros(2, 48, size, size) for name, size in zip("0123", (32, 16, 8, 4), strict=True)}
    found = heads(features, [torch.zeros(0, 4)] * 2, [(64, 64)] * 2)[0]
    assert [len(result["boxes"]) for result in found] == [0, 0] and found[0]["masks"].shape[0] == 0


def test_every_level_of_the_pyramid_feeds_the_heads():
    pool = region_pool("light", 64, 7)
    features = {name: torch.zeros(1, 1, size, size) for name, size in zip("0123", (32, 16, 8, 4), strict=True)}
    boxes = [torch.tensor([[0.0, 0, side, side] for side in (7, 14, 28, 60)])]
    pool(features, boxes, [(64, 64)])
    assert pool.map_levels(boxes).tolist() == [0, 1, 2, 3]


def test_an_unknown_body_lists_the_bodies():
    with pytest.raises(OnemaskError, match="'vgg' is not one of light, resnet101"):
        sdanet(2, 64, "vgg")
