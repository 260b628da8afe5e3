"""Real images of a class with their own annotation, by split; none of them is in the class's annotated set."""

from importlib import import_module

import numpy as np

from onemask.data.annotated import read_metadata
from onemask.data.parts import labelled, read_mapping
from onemask.downstream.pairs import Pairs, write_splits
from onemask.downstream.real import choose_images
from onemask.errors import OnemaskError
from onemask.jobs import job
from onemask.labels import read_labels

with job(snakemake):
    params, labels = snakemake.params, read_labels(snakemake.input.labels)
    module = import_module(f"onemask.data.{params.real['data_set']}")
    if not hasattr(module, "read"):
        raise OnemaskError(f"downstream: {params.real['data_set']} has no real images; leave the class out of it")
    mapping = read_mapping(snakemake.input.mapping, labels)
    used = set(read_metadata(snakemake.input.annotated)["images"])
    images = module.read(params.real["root"], snakemake.wildcards.cls, **params.scans)
    chosen = choose_images(images, params.images, used, params.seed)
    splits = {}
    for name, images in chosen.items():
        made = [labelled(image, mapping, labels, params.resolution) for image in images]
        pixels = np.stack([each.image.transpose(2, 0, 1) for each in made])
        splits[name] = Pairs(pixels, np.stack([each.label_map for each in made]))
    write_splits(snakemake.output[0], splits)
