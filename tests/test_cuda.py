"""Every method on a GPU: what a segmenter fitted there predicts is what one fitted on the CPU does, up to rounding."""

import numpy as np
import pytest
import torch

from onemask.annotation.labeller import fit_clustering
from onemask.clustering.kinds import CLUSTERINGS
from onemask.config import load_study
from onemask.evaluation.one_shot import Reader
from onemask.segmenters.base import (
    build_settings,
    load_clustering,
    load_segmenter,
    method_builder,
    save_segmenter,
)
from onemask.stylegan2.generator import Generator

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
STUDY = load_study({"study": "test"}).model_dump(mode="json")


@pytest.fixture(scope="module")
def generators():
    """The same small generator on the CPU and on the GPU."""
    made = {}
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        made[device] = Generator(32, 32, 32, channel_base=512, channel_max=32, mapping_layers=2).to(device).eval()
        made[device].requires_grad_(False)
    return made


@pytest.fixture(scope="module")
def clusterings(generators, tmp_path_factory):
    """A file per kind of clustering, made on the CPU."""
    folder = tmp_path_factory.mktemp("clusterings")
    for name in CLUSTERINGS:
        fit_clustering(folder / name, generators["cpu"], name, STUDY[name], 0.7, 1)
    return folder


@pytest.mark.parametrize("name", STUDY["methods"])
def test_a_method_on_a_gpu_predicts_what_it_does_on_the_cpu(name, generators, clusterings, tmp_path):
    method, kind = STUDY["methods"][name], STUDY["methods"][name]["clustering"]
    ws = generators["cpu"].sample_ws(range(4), 0.7).numpy()
    label_map = np.zeros((1, 32, 32), np.uint8)
    label_map[:, 8:24, 8:24] = 1
    predicted = {}
    for device, generator in generators.items():
        clustering = load_clustering(clusterings / kind, CLUSTERINGS[kind], device) if kind else None
        segmenter = method_builder(method, STUDY["heads"], 2, clustering)(3)
        read = Reader(generator)
        read.fit(segmenter, ws[:1], label_map)
        predicted[device] = read.predict([segmenter], ws)
        save_segmenter(tmp_path / device, segmenter, method["module"], build_settings(method, STUDY["heads"]), 2)
        kept = load_segmenter(tmp_path / device, clustering, device)
        assert np.array_equal(read.predict([kept], ws), predicted[device])
    assert (predicted["cpu"] == predicted["cuda"]).mean() > 0.97


@pytest.mark.parametrize("name", CLUSTERINGS)
def test_a_clustering_can_be_made_on_a_gpu(name, generators, tmp_path):
    fit_clustering(tmp_path / name, generators["cuda"], name, STUDY[name], 0.7, 1)
    load_clustering(tmp_path / name, CLUSTERINGS[name])
