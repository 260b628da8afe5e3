"""Landmarks of unseen faces, and of the annotated one first."""

import numpy as np
from tqdm import tqdm

from onemask.data.face_mesh import FaceMesh
from onemask.data.polygons import read_polygons
from onemask.errors import OnemaskError
from onemask.evaluation.landmarks import SURE
from onemask.evaluation.pictures import save_arrays
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.stylegan2.images import to_pixels
from onemask.stylegan2.mobile import load_mobile_generator

SIZE = 512  # the network sees 192 px
SHOWN = 160

with job(snakemake):
    params = snakemake.params
    annotation = read_polygons(snakemake.input.annotation, read_labels(snakemake.input.labels))
    generator, mesh = load_mobile_generator(snakemake.input.generator), FaceMesh(snakemake.input.wheel)
    faces = [(annotation.seed, annotation.truncation), *((seed, params.truncation) for seed in params.seeds)]
    points, scores, shown = [], [], []
    for seed, truncation in tqdm(faces, desc="landmarks", unit="face", mininterval=1):
        image = generator.synthesize(generator.sample_ws([seed], truncation))
        found, score = mesh(to_pixels(image, SIZE)[0])
        points.append(found)
        scores.append(score)
        shown.append(to_pixels(image, SHOWN)[0])
    if scores[0] <= SURE:
        raise OnemaskError(f"{snakemake.input.annotation}: no landmarks are found in its face; annotate another one")
    seeds = np.array([seed for seed, _ in faces])
    arrays = {"seeds": seeds, "points": np.stack(points), "scores": np.array(scores), "images": np.stack(shown)}
    save_arrays(snakemake.output[0], arrays)
