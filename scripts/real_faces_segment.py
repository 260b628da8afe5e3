"""A segmenter fitted on the one annotated face; that face with its annotation and unseen faces with predictions."""

import torch

from onemask.clustering.projection import FeatureProjection
from onemask.evaluation.pictures import save_pictures, segment_images
from onemask.jobs import device, job
from onemask.labels import read_labels
from onemask.real_faces import read_exemplar
from onemask.segmenters.base import load_method, save_segmenter
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.mobile import load_mobile_generator

with job(snakemake):
    params, where = snakemake.params, device(snakemake)
    labels = read_labels(snakemake.input.labels)
    annotation, label_map = read_exemplar(snakemake.input.annotation, labels, params.resolution)
    generator = load_mobile_generator(snakemake.input.generator, params.resolution).to(where)
    projection = FeatureProjection.load(snakemake.input.clustering).to(where)
    settings = {key: value for key, value in params.method.items() if key != "module"}
    segmenter = load_method(params.method["module"]).build(settings, len(labels), projection, params.seed)
    image, features = generator.features(generator.sample_ws([annotation.seed], annotation.truncation))
    segmenter.fit(features, torch.from_numpy(label_map)[None].to(where))
    save_segmenter(snakemake.output.segmenter, segmenter, params.method["module"], settings, len(labels))
    unseen = generator.sample_ws(params.unseen, params.truncation)
    images, predicted = segment_images(generator, segmenter, unseen, params.image_size)
    save_pictures(snakemake.output.pictures, [*to_pixels(image, params.image_size), *images], [label_map, *predicted])
