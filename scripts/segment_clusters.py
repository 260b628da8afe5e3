"""K-means clusters in images of a class: by StyleGAN block, and merged over all blocks to fewer and fewer."""

from dataclasses import replace

import torch

from onemask.clustering.kmeans import KMeansSettings, fit_codebooks, merge
from onemask.clustering.pixels import draw_seeds
from onemask.evaluation.pictures import save_arrays
from onemask.jobs import job
from onemask.seeds import derive_seed
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.images import to_pixels


def label_maps(clusterings):
    """uint8 [clusterings, n, H, W] of the images shown."""
    assigned = [clustering.assign(features, generator.resolution) for clustering in clusterings]
    return torch.stack(assigned).to(torch.uint8).numpy()


with job(snakemake):
    params = snakemake.params
    generator = load_generator(snakemake.input.generator)
    shown = draw_seeds(params.images, torch.Generator().manual_seed(derive_seed(params.seed, "images shown")))
    images, features = generator.features(generator.sample_ws(shown, params.truncation))
    settings = KMeansSettings(truncation=params.truncation, **params.settings)
    codebooks, codes = fit_codebooks(generator, replace(settings, block_clusters=params.block_clusters), params.seed)
    content = {
        "images": to_pixels(images, generator.resolution),
        "blocks": label_maps(codebooks),
        "sizes": [features[codebook.maps[-1]].shape[-1] for codebook in codebooks],
        "block_clusters": params.block_clusters,
        "merged": label_maps([merge(codebooks, codes, number) for number in params.merged]),
        "merged_clusters": params.merged,
    }
    save_arrays(snakemake.output[0], content)
