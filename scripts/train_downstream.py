"""DeepLabV3 trained on real images and, by ratio, on synthetic ones; scored on the real test split."""

from pathlib import Path

import torch

from onemask.downstream.deeplab import deeplabv3
from onemask.downstream.pairs import check_labels, mixed, read_splits
from onemask.downstream.train import TrainingOptions, predict, train_segmenter
from onemask.evaluation.metrics import METRICS, area_rows, write_rows
from onemask.evaluation.pictures import save_arrays
from onemask.files import write_csv
from onemask.jobs import device, job
from onemask.labels import read_labels

SHOWN = 2  # test images whose predictions are kept for a figure

with job(snakemake):
    params, wildcards = snakemake.params, snakemake.wildcards
    names = read_labels(snakemake.input.labels).names
    real, validation, test = read_splits(snakemake.input.real, "real", "validation", "test")
    check_labels(real[: params.real], [validation, test], names, snakemake.input.real)
    (synthetic,) = read_splits(snakemake.input.synthetic, "synthetic") if snakemake.input.synthetic else [None]
    training = mixed(real[: params.real], synthetic, int(wildcards.ratio))
    torch.set_num_threads(1)  # whatever the rule declares beyond one loads data
    torch.manual_seed(params.seed)
    network = deeplabv3(params.backbone, len(names), test.images.shape[-1])
    options, state = TrainingOptions(**params.settings), Path(params.state)
    where, workers = device(snakemake), snakemake.threads - 1
    curve = train_segmenter(
        network, training, validation, names, options, params.seed, state, where, workers, params.code
    )
    predicted = predict(network, test.images, where)
    keys = {"study": params.study, "class": wildcards.cls, "method": wildcards.method, "exemplar": 0}
    write_rows(snakemake.output.rows, area_rows(predicted, test.label_maps, names).assign(**keys))
    write_csv(snakemake.output.curve, curve, ["step", "loss", *METRICS])
    shown = {"images": test.images.transpose(0, 2, 3, 1), "label_maps": predicted, "truths": test.label_maps}
    save_arrays(snakemake.output.pictures, {name: array[:SHOWN] for name, array in shown.items()})
    state.unlink(missing_ok=True)
