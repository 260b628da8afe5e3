"""SDANet trained on real scans and, by ratio, on generated ones; scored on the real test split."""

import torch

from onemask.downstream.detect import DetectorOptions, average_precision, class_iou, find, train_detector
from onemask.downstream.instances import joined, read_instances
from onemask.downstream.sdanet import sdanet
from onemask.files import write_csv
from onemask.jobs import device, job

COLUMNS = ["study", "class", "method", "ratio", "run", "item", "iou", "ap", "ap_box", "images"]

with job(snakemake):
    params, wildcards, items = snakemake.params, snakemake.wildcards, snakemake.params.item_names
    training, validation, test = read_instances(snakemake.input.real, "real", "validation", "test")
    if snakemake.input.synthetic:
        (synthetic,) = read_instances(snakemake.input.synthetic, "synthetic")
        training = joined(training, synthetic.first(int(wildcards.ratio) * len(training)))
    torch.manual_seed(params.seed)
    network, where = sdanet(len(items), test.images.shape[-1], params.body), device(snakemake)
    options = DetectorOptions(**params.options)
    curve = train_detector(network, training, validation, len(items), options, params.seed, where)
    found = find(network, test.images, where)
    shared = {
        **{"study": params.study, "class": wildcards.cls, "method": wildcards.method, "ratio": wildcards.ratio},
        **{"run": wildcards.run, "images": len(test)},
        "ap": average_precision(found, test, len(items)),
        "ap_box": average_precision(found, test, len(items), "bbox"),
    }
    ious = class_iou(found, test, len(items))
    rows = [{**shared, "item": item, "iou": iou} for item, iou in zip(items, ious, strict=True)]
    write_csv(snakemake.output.scores, rows, COLUMNS)
    write_csv(snakemake.output.curve, curve, ["step", "loss", "iou"])
