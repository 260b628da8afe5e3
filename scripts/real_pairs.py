"""Real images of a class with their own annotation, by split; none of them is in the class's annotated set."""

from importlib import import_module

import numpy as np

from onemask.data.annotated import read_annotated
from onemask.data.parts import paint, read_mapping, to_square
from onemask.downstream.pairs import Pairs, write_splits
from onemask.errors import OnemaskError
from onemask.jobs import job
from onemask.labels import read_labels

TEST = "test"

with job(snakemake):
    params, labels = snakemake.params, read_labels(snakemake.input.labels)
    module = import_module(f"onemask.data.{params.real['data_set']}")
    if not hasattr(module, "read"):
        raise OnemaskError(f"downstream: {params.real['data_set']} has no real images; leave the class out of it")
    mapping = read_mapping(snakemake.input.mapping, labels)
    used = set(read_annotated(snakemake.input.annotated, labels).metadata["images"])
    images = module.read(params.real["root"], snakemake.wildcards.cls)
    order = np.random.default_rng(params.seed).permutation(len(images))
    free = [images[index] for index in order if images[index].name not in used]
    own = any(image.split == TEST for image in images)
    splits = {}
    for name, count in params.images.items():
        pool = [image for image in free if not own or (image.split == TEST) == (name == TEST)]
        if len(pool) < count:
            raise OnemaskError(f"downstream.{name}: {count} images, {params.real['root']} has {len(pool)} left")
        loaded = [(pixels, paint(parts, mapping, labels)[0]) for pixels, parts in (i.load() for i in pool[:count])]
        splits[name] = Pairs(
            np.stack([to_square(pixels, params.resolution).transpose(2, 0, 1) for pixels, _ in loaded]),
            np.stack([to_square(label_map, params.resolution) for _, label_map in loaded]),
        )
        taken = {image.name for image in pool[:count]}
        free = [image for image in free if image.name not in taken]
    write_splits(snakemake.output[0], splits)
