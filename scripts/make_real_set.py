"""The annotated set of a class out of real annotated images, each inverted into W+ of the class's generator."""

from functools import partial
from importlib import import_module

from onemask.annotation.real_set import RealSetSettings, make_real_set
from onemask.data.annotated import write_annotated
from onemask.data.parts import read_mapping
from onemask.jobs import device, job
from onemask.labels import read_labels
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.inversion import InversionSettings, invert
from onemask.training.image_features import load_feature_network

SIZES = ("exemplars", "tuning", "supervised", "test", "rare_exemplars", "rare_test_positives", "allow_fewer")

with job(snakemake):
    params, where = snakemake.params, device(snakemake)
    real, labels = params.real, read_labels(snakemake.input.labels)
    mapping = read_mapping(snakemake.input.mapping, labels)
    images = import_module(f"onemask.data.{real['data_set']}").read(real["root"], snakemake.wildcards.cls)
    generator = load_generator(snakemake.input.generator, where)
    features = load_feature_network(device=where).maps if real["perceptual"] else None
    inversion = InversionSettings(steps=real["steps"], batch=real["batch"])
    annotated = make_real_set(
        images,
        mapping,
        labels,
        partial(invert, generator, settings=inversion, seed=params.seed, features=features),
        generator.resolution,
        RealSetSettings(
            **{name: params.sizes[name] for name in SIZES},
            min_psnr=real["min_psnr"],
            rare_min_pixels=params.rare_min_pixels,
            batch=real["batch"],
        ),
        params.seed,
    )
    annotated.metadata |= {"generator": generator.fingerprint(), "labels": list(labels.names), "real": real["data_set"]}
    write_annotated(snakemake.output[0], annotated)
