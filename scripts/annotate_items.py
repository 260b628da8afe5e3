"""A labelled data set of several items: `onemask annotate` with a segmenter per item, fitted on one scan of each."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from onemask.annotation.command import Request, run
from onemask.annotation.labeller import CLUSTERING, LABELS, fit_labeller, load_labeller
from onemask.downstream.instances import annotation_quality, from_dataset, write_instances
from onemask.errors import OnemaskError
from onemask.evaluation.inputs import read_class
from onemask.evaluation.one_shot import Reader, item_exemplars, rare_task
from onemask.files import sha256, write_csv
from onemask.jobs import device, job
from onemask.labels import LabelSet
from onemask.seeds import derive_seed
from onemask.stylegan2.latents import in_every_layer

with job(snakemake):
    params, number = snakemake.params, int(snakemake.wildcards.run)
    labels, generator, annotated = read_class(snakemake)
    # Snakemake removes an unfinished output: an interrupted job goes on in this folder, which is of its settings alone.
    behind = [params.code, dict(params.method), dict(params.heads), params.truncation, params.item_names, labels.rare]
    behind += [sha256(path) for path in (snakemake.input.annotated, snakemake.input.generator)]
    behind += [sha256(snakemake.input.clustering)] if snakemake.input.clustering else []
    folder = Path(f"{snakemake.output.dataset}.part{derive_seed(params.seed, json.dumps(behind)) % 10**8}")
    # One scan alone would have no negatives: its segmenter finds the item in every bag. The others' exemplars are some.
    exemplars = item_exemplars(annotated, params.item_names, number)
    shots = sorted(set(exemplars.values()))
    labellers, segmenters = [], []
    for item in exemplars:
        own = folder / "labellers" / item
        labellers.append(own)
        if (own / LABELS).is_file():  # fitted again on another kind of machine, it would be another labeller
            segmenters.append(load_labeller(own, generator).segmenter)
            continue
        own.mkdir(parents=True, exist_ok=True)
        if snakemake.input.clustering:
            shutil.copyfile(snakemake.input.clustering, own / CLUSTERING)
        fitted = fit_labeller(
            own,
            generator,
            in_every_layer(annotated.ws[shots], generator.num_ws).contiguous(),
            rare_task(annotated, item).label_maps[shots],
            LabelSet(("background", item), (labels.colours[0], labels.rare[item]), {}),
            params.method,
            {"heads": params.heads},  # the clustering is there already
            params.truncation,
            derive_seed(params.seed, item),
        )
        segmenters.append(fitted.segmenter)
    if not labellers:
        raise OnemaskError(f"{snakemake.input.annotated}: no item has an exemplar {number}; lower sdanet.runs")
    test, items = annotated.indices("test"), list(exemplars)
    found = Reader(generator).predict(segmenters, annotated.ws[test]) > 0
    quality = annotation_quality(found, np.stack([annotated.rare[item][test] for item in items]), items)
    write_csv(snakemake.output.quality, quality, list(quality[0]))
    options = {"truncation": params.truncation, "seed": params.seed, "labellers": tuple(labellers)}
    machine = {"threads": torch.get_num_threads(), "device": device(snakemake)}
    run(Request(Path(snakemake.input.generator), folder, params.images, **options, **machine))
    folder.rename(snakemake.output.dataset)
    folder = Path(snakemake.output.dataset)
    write_instances(snakemake.output.instances, {"synthetic": from_dataset(folder, params.item_names)})
