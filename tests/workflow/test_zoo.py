"""The zoo's annotated sets: pasting the exemplar's mask must be a floor, not a solution."""

import numpy as np
import pytest
from conftest import ROOT

from onemask.config import load_study
from onemask.data.annotated import read_annotated
from onemask.evaluation.metrics import area_rows, image_scores
from onemask.labels import read_labels

STUDY = load_study({"study": "demo"})


@pytest.mark.parametrize("name", STUDY.class_names)
def test_pasting_an_exemplars_mask_scores_below_sixty_on_the_tuning_images(name):
    labels = read_labels(ROOT / f"config/labels/{name}.yaml")
    annotated = read_annotated(ROOT / STUDY.classes[name].annotated.file, labels)
    tuning = annotated.split("tuning")[1]
    exemplars = annotated.split("exemplars")[1]
    scores = []
    for mask in exemplars:
        rows = area_rows(np.broadcast_to(mask, tuning.shape), tuning, labels.names)
        rows = rows.assign(**{"study": "demo", "class": name, "method": "copy_mask", "exemplar": 0})
        scores.append(image_scores(rows)["wiou_fg"].mean())
    assert len(scores) == 20 and np.mean(scores) < 0.6


@pytest.mark.parametrize("name", STUDY.class_names)
def test_the_sizes_are_those_that_the_table_speaks_of(name):
    annotated = read_annotated(
        ROOT / STUDY.classes[name].annotated.file, labels := read_labels(ROOT / f"config/labels/{name}.yaml")
    )
    assert len(annotated.indices("exemplars")) == 20
    assert len(annotated.indices("test")) >= 100 and len(annotated.indices("tuning")) >= 50
    for label in labels.rare:
        masks = annotated.rare[label]
        assert len(annotated.indices(f"rare_exemplars/{label}")) == 20
        assert all(masks[i].any() for i in annotated.indices(f"rare_exemplars/{label}"))
        assert masks[annotated.indices(f"rare_test/{label}")].any((1, 2)).sum() >= 20
