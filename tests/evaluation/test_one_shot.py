import numpy as np
import pytest
import torch

from onemask.data.annotated import AnnotatedSet
from onemask.errors import OnemaskError
from onemask.evaluation import one_shot
from onemask.evaluation.metrics import COLUMNS, image_scores
from onemask.evaluation.one_shot import (
    Reader,
    Task,
    check_failures,
    evaluate_method,
    fit_groups,
    item_exemplars,
    part_task,
    rare_task,
)
from onemask.segmenters.base import load_method
from onemask.stylegan2 import protocol

LABELS = ["background", "left", "right"]
KEYS = {"study": "test", "class": "cat", "method": "m"}


class FakeGenerator:
    """Its features are the first numbers of the latent, spread over 4 x 4 pixels; it counts the images it made."""

    num_ws, w_dim, resolution = 3, 17, 4
    device, feature_channels = torch.device("cpu"), [1, 1]

    def __init__(self):
        self.images = 0

    def features(self, ws):
        self.images += len(ws)
        return None, [ws[:, 0, 16:, None, None].expand(-1, -1, 2, 2), ws[:, 1, :16].reshape(-1, 1, 4, 4)]


def sample(count=8, seed=0):
    """Latents that hold a random map of -1, 0, 1; the label is that value plus one."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-1, 2, (count, 16))
    ws = np.concatenate([values, np.zeros((count, 1))], axis=1).astype(np.float32)
    return ws, (values + 1).reshape(-1, 4, 4).astype(np.uint8)


def build(name, **settings):
    return lambda seed: load_method(name).build(settings, 3, None, seed)


def outcome(generator, ws, maps, method, groups, required=(), **more):
    task = Task(maps, tuple(LABELS), [np.asarray(group) for group in groups], np.arange(4, len(ws)), required)
    return evaluate_method(generator, ws, task, method, seed=1, keys=KEYS, **more)


def evaluate(*arguments, **more):
    found = outcome(*arguments, **more)
    assert found.failures.empty
    return found.rows


def test_rows_of_copy_mask_equal_a_direct_comparison():
    ws, maps = sample()
    rows = evaluate(FakeGenerator(), ws, maps, build("copy_mask"), [[0], [1]])
    assert list(rows.columns) == COLUMNS and len(rows) == 2 * 4 * 3
    for row in rows.to_dict("records"):
        label, true, pasted = LABELS.index(row["label"]), maps[4 + row["image"]], maps[row["exemplar"]]
        assert row["intersection"] == ((true == label) & (pasted == label)).sum()
        assert row["union"] == ((true == label) | (pasted == label)).sum()
        assert row["area_true"] == (true == label).sum() and row["area_predicted"] == (pasted == label).sum()


def test_a_learnable_task_is_learnt_and_the_batch_does_not_matter():
    ws, maps = sample()
    method = build("repurposegan", head="mlp3", hidden=16, epochs=150)
    small, large = (evaluate(FakeGenerator(), ws, maps, method, [[0], [1]], batch=b) for b in (2, 64))
    assert image_scores(small)["miou"].min() > 0.95
    assert small.equals(large)


def test_features_of_test_images_are_computed_once_for_all_exemplars():
    generator = FakeGenerator()
    ws, maps = sample()
    evaluate(generator, ws, maps, build("copy_mask"), [[0], [1], [2]])
    assert generator.images == 3 + 4


def test_each_exemplar_has_its_own_seed_whatever_comes_before_it():
    seeds = []
    ws, maps = sample()

    def record(seed):
        seeds.append(seed)
        return build("copy_mask")(seed)

    evaluate(FakeGenerator(), ws, maps, record, [[0], [1]])
    evaluate(FakeGenerator(), ws, maps, record, [[3], [1], [2]])
    assert seeds[:2] == seeds[2:4] and len(set(seeds)) == 3


def test_a_missing_label_is_fine_unless_it_is_the_one_to_be_learnt():
    ws, maps = sample()
    maps[1][maps[1] == 2] = 0
    evaluate(FakeGenerator(), ws, maps, build("copy_mask"), [[0], [1]])
    found = outcome(FakeGenerator(), ws, maps, build("copy_mask"), [[0], [1], [2]], required=("right",))
    assert found.rows["exemplar"].unique().tolist() == [0, 2]
    assert found.failures["exemplar"].tolist() == [1] and "holds no 'right'" in found.failures["reason"][0]


def test_the_first_segmenter_s_label_maps_are_kept_for_pictures():
    ws, maps = sample()
    found = outcome(FakeGenerator(), ws, maps, build("copy_mask"), [[0], [1]])
    assert found.first == 0 and (found.label_maps == maps[0]).all()  # a copied mask is the same on every image
    maps[0][maps[0] == 2] = 0
    found = outcome(FakeGenerator(), ws, maps, build("copy_mask"), [[0], [1]], required=("right",))
    assert found.first == 1 and (found.label_maps == maps[1]).all()


def test_an_exemplar_on_which_a_method_fails_is_left_out_and_the_others_keep_their_rows(capsys):
    def fragile(seed):
        if seed == seeds[1]:
            raise OnemaskError("the head's loss is not finite")
        return build("copy_mask")(seed)

    ws, maps = sample()
    seeds = []
    whole = evaluate(FakeGenerator(), ws, maps, lambda seed: seeds.append(seed) or build("copy_mask")(seed), [[0], [1]])
    found = outcome(FakeGenerator(), ws, maps, fragile, [[0], [1]])
    assert found.rows.equals(whole[whole["exemplar"] == 0])
    assert found.failures.to_dict("records") == [{**KEYS, "exemplar": 1, "reason": "the head's loss is not finite"}]
    check_failures(found, allowed=True)
    assert "failed: cat, m, exemplar 1: the head's loss is not finite\n" in capsys.readouterr().err
    with pytest.raises(OnemaskError, match="cat, m: 1 exemplars failed, exemplar 1: .*not finite; `allow_failures"):
        check_failures(found, allowed=False)


def test_a_method_that_fails_on_every_exemplar_is_an_error_even_where_failures_are_allowed():
    ws, maps = sample()
    with pytest.raises(OnemaskError, match="cat, m: no exemplar could be fitted; the first: holds no 'right'"):
        outcome(FakeGenerator(), ws, np.zeros_like(maps), build("copy_mask"), [[0], [1]], required=("right",))


def test_a_rare_label_that_nobody_drew_gives_no_rows():
    ws, maps = sample()
    found = outcome(FakeGenerator(), ws, maps, build("copy_mask"), [])
    assert found.rows.empty and list(found.rows.columns) == COLUMNS and found.failures.empty


def annotated_set():
    ws, maps = sample()
    splits = {
        "exemplars": np.array([3, 5, 7]),
        "supervised": np.array([0, 1, 2]),
        "test": np.array([4, 6]),
        "rare_exemplars/hat": np.array([6, 7]),
        "rare_test/hat": np.array([0, 1]),
    }
    return AnnotatedSet(ws, maps, {"hat": maps == 2}, splits | {"nobody": np.array([], np.int64)})


def groups(split, **more):
    return [group.tolist() for group in fit_groups(annotated_set(), split, **more)]


def test_groups_of_a_split():
    assert groups("exemplars") == [[3], [5], [7]]
    assert groups("rare_exemplars/hat") == [[6], [7]]
    assert groups("supervised") == [[0, 1, 2]] and groups("nobody") == []
    with pytest.raises(OnemaskError, match="no split 'tuning'"):
        groups("tuning")


def test_several_shots_are_an_exemplar_and_those_after_it():
    assert groups("exemplars", shots=2) == [[3, 5], [5, 7], [7, 3]]
    with pytest.raises(OnemaskError, match="4 shots are asked for, the split exemplars has 3"):
        groups("exemplars", shots=4)


def test_tasks_of_parts_and_of_a_rare_label():
    annotated = annotated_set()
    parts = part_task(annotated, LABELS, "exemplars", shots=2, limit=2)
    assert [group.tolist() for group in parts.groups] == [[3, 5], [5, 7]] and parts.test.tolist() == [4, 6]
    rare = rare_task(annotated, "hat", limit=1)
    assert rare.labels == ("background", "hat") and rare.required == ("hat",)
    assert [group.tolist() for group in rare.groups] == [[6]] and rare.test.tolist() == [0, 1]
    assert np.array_equal(rare.label_maps, annotated.label_maps == 2)


def test_exemplars_of_items_and_those_that_have_none(capsys):
    annotated = annotated_set()
    assert item_exemplars(annotated, ["hat"], 1) == {"hat": 7} and capsys.readouterr().err == ""
    assert item_exemplars(annotated, ["hat"], 2) == {}
    assert capsys.readouterr().err == "hat: no exemplar 2, no segmenter\n"


def test_reader_predicts_for_an_exemplar_set_read_in_pieces():
    ws, maps = sample()
    reader = Reader(FakeGenerator(), batch=3)
    segmenter = reader.fit(build("copy_mask")(0), ws, maps)
    assert reader.predict([segmenter, segmenter], ws[:5]).shape == (2, 5, 4, 4)


@pytest.mark.parametrize("samples", [3, 7])
def test_a_head_fitted_on_more_than_can_be_held_is_the_same(samples, monkeypatch):
    """Maps that are made anew for each minibatch are those that would be held; of few samples they are made twice."""
    ws, maps = sample()
    generator, fitted = FakeGenerator(), []
    for most in (one_shot.MOST_HELD, 0):
        monkeypatch.setattr(one_shot, "MOST_HELD", most)
        generator.images = 0
        segmenter = build("repurposegan", head="fcn3", hidden=8, epochs=9, batch=3)(1)
        fitted.append(Reader(generator, batch=2).fit(segmenter, ws[:samples], maps[:samples]).state())
    assert all(torch.equal(value, fitted[1][name]) for name, value in fitted[0].items())
    assert generator.images == (1 + 3 if samples == 3 else 1 + 3 * 7)  # an example, then the batches of nine steps


def test_images_whose_maps_are_large_are_read_few_at_a_time(monkeypatch):
    ws, maps = sample()
    generator, read = FakeGenerator(), []
    whole = generator.features
    monkeypatch.setattr(generator, "features", lambda part: read.append(len(part)) or whole(part))
    segmenter = Reader(generator, batch=4).fit(build("copy_mask")(1), ws[:1], maps[:1])
    for most, sizes in ((protocol.MOST_ENLARGED, [4, 4]), (3 * 4 * 2 * 16, [3, 3, 2]), (0, [1] * 8)):
        monkeypatch.setattr(protocol, "MOST_ENLARGED", most)
        read.clear()
        Reader(generator, batch=4).predict([segmenter], ws)
        assert read == sizes
