"""A method fitted on one exemplar: that exemplar with its annotation, and test images with predictions, as pictures."""

from onemask.data.annotated import read_annotated
from onemask.evaluation.one_shot import Reader, latents
from onemask.evaluation.pictures import save_pictures, segment_images
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.seeds import derive_seed
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator
from onemask.stylegan2.images import to_pixels

with job(snakemake):
    params, method = snakemake.params, snakemake.params.method
    labels = read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, labels, generator)
    clustering = load_clustering(snakemake.input.clustering, params.loader)
    build = method_builder(method, params.heads, len(labels), clustering)
    segmenter = build(derive_seed(params.seed, "exemplar", params.exemplar))
    one = annotated.indices("exemplars")[params.exemplar : params.exemplar + 1]
    unseen = annotated.indices("test")[: params.unseen]
    Reader(generator).fit(segmenter, annotated.ws[one], annotated.label_maps[one])
    ws = latents(annotated.ws[unseen], generator.num_ws)
    images, predicted = segment_images(generator, segmenter, ws, generator.resolution)
    exemplar = to_pixels(generator.synthesize(latents(annotated.ws[one], generator.num_ws)), generator.resolution)
    save_pictures(snakemake.output[0], [*exemplar, *images], [*annotated.label_maps[one], *predicted])
