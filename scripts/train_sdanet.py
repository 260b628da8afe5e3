"""SDANet trained on real scans and, by ratio, on generated ones; scored on the real test split."""

from pathlib import Path

import numpy as np
import torch

from onemask.downstream.detect import (
    DetectorOptions,
    average_precision,
    class_iou,
    coco_results,
    confident_map,
    find,
    label_map,
    overlaps,
    train_detector,
)
from onemask.downstream.instances import check_labels, joined, read_instances
from onemask.downstream.sdanet import sdanet
from onemask.evaluation.pictures import save_arrays
from onemask.files import write_csv, write_json
from onemask.jobs import device, job

KEYS = ["study", "class", "method", "ratio"]
SHOWN = 3  # test scans whose detections are kept for a figure
PRECISIONS = {"ap": "segm", "ap_box": "bbox"}


with job(snakemake):
    params, wildcards, items = snakemake.params, snakemake.wildcards, snakemake.params.item_names
    training, validation, test = read_instances(snakemake.input.real, "real", "validation", "test")
    check_labels(training, items, snakemake.input.real)
    if snakemake.input.synthetic:
        (synthetic,) = read_instances(snakemake.input.synthetic, "synthetic")
        training = joined(training, synthetic.first(int(wildcards.ratio) * len(training)))
    torch.set_num_threads(1)  # whatever the rule declares beyond one loads data
    torch.manual_seed(params.seed)
    network, options = sdanet(len(items), test.images.shape[-1], params.body), DetectorOptions(**params.options)
    where, workers, state = device(snakemake), snakemake.threads - 1, Path(params.state)
    curve = train_detector(
        network, training, validation, len(items), options, params.seed, state, where, workers, params.code
    )
    found = find(network, test.images, where)
    pixels = overlaps(found, test, len(items))
    keys = dict(zip(KEYS, (params.study, wildcards.cls, wildcards.method, wildcards.ratio), strict=True))
    precision = {name: average_precision(found, test, len(items), kind) for name, kind in PRECISIONS.items()}
    shared = {**keys, "run": wildcards.run, "images": len(test), **precision}
    scores = [{**shared, "item": item, "iou": iou} for item, iou in zip(items, class_iou(pixels), strict=True)]
    write_csv(snakemake.output.scores, scores, list(scores[0]))
    run = {**keys, "replicate": wildcards.run, "exemplar": 0}
    rows = [
        {**run, "image": image, "item": item, "intersection": intersection, "union": union}
        for number, item in enumerate(items)
        for image, (intersection, union) in enumerate(pixels[:, :, number].T)
    ]
    write_csv(snakemake.output.rows, rows, list(rows[0]))
    curve = [{"study": params.study, "ratio": wildcards.ratio, "run": wildcards.run, **row} for row in curve]
    write_csv(snakemake.output.curve, curve, list(curve[0]))
    write_json(snakemake.output.detections, coco_results(found))
    shape = test.images.shape[2:]
    pictures = {
        "images": test.images[:SHOWN].transpose(0, 2, 3, 1),
        "truths": np.stack([label_map(*test.of(image), shape) for image in range(min(SHOWN, len(test)))]),
        "label_maps": np.stack([confident_map(each, shape) for each in found[:SHOWN]]),
    }
    save_arrays(snakemake.output.pictures, pictures)
    state.unlink(missing_ok=True)
