"""The annotated set of a class out of real images, each inverted into W+, or of the authors' released latents."""

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
from onemask.training.vgg16 import load_vgg16

SIZES = ("exemplars", "tuning", "supervised", "test", "rare_exemplars", "rare_test_positives", "allow_fewer")


def perceptual(real, where):
    """What tells images apart beside their pixels: VGG-16's or EfficientNet-Lite0's maps, or nothing."""
    if not real["perceptual"]:
        return None
    return (load_vgg16(real["vgg16"], where) if real["vgg16"] else load_feature_network(device=where)).maps


def inverted(params, images, mapping, labels, generator, where):
    """The set of `images`, which need latents."""
    real = params.real
    settings = InversionSettings(steps=real["steps"], batch=real["batch"])
    return make_real_set(
        images,
        mapping,
        labels,
        partial(invert, generator, settings=settings, seed=params.seed, features=perceptual(real, where)),
        generator.resolution,
        RealSetSettings(
            **{name: params.sizes[name] for name in SIZES},
            min_psnr=real["min_psnr"],
            rare_min_pixels=params.rare_min_pixels,
            batch=real["batch"],
        ),
        params.seed,
    )


with job(snakemake):
    params, where = snakemake.params, device(snakemake)
    root, labels = params.real["root"], read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator, where)
    module = import_module(f"onemask.data.{params.real['data_set']}")
    if hasattr(module, "annotated"):  # latents are there already
        latent = (generator.num_ws, generator.w_dim)
        made = module.annotated(root, labels, latent, generator.resolution, params.sizes, params.seed)
    else:
        mapping = read_mapping(snakemake.input.mapping, labels)
        images = module.read(root, snakemake.wildcards.cls, **params.scans)
        made = inverted(params, images, mapping, labels, generator, where)
    origin = {"generator": generator.fingerprint(), "labels": list(labels.names), "real": params.real["data_set"]}
    made = made.with_rare(labels.rare)
    made.metadata |= origin
    write_annotated(snakemake.output[0], made)
