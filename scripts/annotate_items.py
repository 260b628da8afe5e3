"""A labelled data set of several items: `onemask annotate` with a segmenter per item, fitted on one scan of each."""

import shutil
import sys
from pathlib import Path

import torch

from onemask.annotation.command import Request, run
from onemask.annotation.labeller import CLUSTERING, fit_labeller
from onemask.downstream.instances import from_dataset, write_instances
from onemask.errors import OnemaskError
from onemask.evaluation.inputs import read_class
from onemask.evaluation.one_shot import latents, rare_task
from onemask.jobs import device, job
from onemask.labels import LabelSet
from onemask.seeds import derive_seed

with job(snakemake):
    params, number = snakemake.params, int(snakemake.wildcards.run)
    folder, (labels, generator, annotated) = Path(snakemake.output.dataset), read_class(snakemake)
    # One scan alone would have no negatives: its segmenter finds the item in every bag. The others' exemplars are some.
    exemplars = {}
    for item in params.item_names:
        groups = rare_task(annotated, item).groups
        if number < len(groups):
            (exemplars[item],) = groups[number]
        else:  # the generator draws the item too seldom
            print(f"{item}: no exemplar {number}, no segmenter", file=sys.stderr)
    shots = sorted(set(exemplars.values()))
    labellers = []
    for item in exemplars:
        own = folder / "labellers" / item
        own.mkdir(parents=True, exist_ok=True)
        if snakemake.input.clustering:
            shutil.copyfile(snakemake.input.clustering, own / CLUSTERING)
        fit_labeller(
            own,
            generator,
            latents(annotated.ws[shots], generator.num_ws).contiguous(),
            rare_task(annotated, item).label_maps[shots],
            LabelSet(("background", item), (labels.colours[0], labels.rare[item]), {}),
            params.method,
            {"heads": params.heads},  # the clustering is there already
            params.truncation,
            derive_seed(params.seed, item),
        )
        labellers.append(own)
    if not labellers:
        raise OnemaskError(f"{snakemake.input.annotated}: no item has an exemplar {number}; lower sdanet.runs")
    options = {"truncation": params.truncation, "seed": params.seed, "labellers": tuple(labellers)}
    machine = {"threads": torch.get_num_threads(), "device": device(snakemake)}
    run(Request(Path(snakemake.input.generator), folder, params.images, **options, **machine))
    write_instances(snakemake.output.instances, {"synthetic": from_dataset(folder, params.item_names)})
