"""One method fitted on the annotated face: how far unseen faces' parts agree with their landmarks."""

import numpy as np
import torch
from tqdm import tqdm

from onemask.data.face_mesh import read_outlines
from onemask.evaluation.landmarks import COLUMNS, SURE, part_scores
from onemask.evaluation.pictures import save_arrays
from onemask.files import read_npz, write_csv
from onemask.jobs import device, job
from onemask.labels import read_labels
from onemask.real_faces import read_exemplar
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.mobile import load_mobile_generator

with job(snakemake):
    params, where = snakemake.params, device(snakemake)
    labels, outlines = read_labels(snakemake.input.labels), read_outlines(snakemake.input.wheel)
    annotation, label_map = read_exemplar(snakemake.input.annotation, labels, params.resolution)
    found = read_npz(snakemake.input.landmarks, ["seeds", "points", "scores"], "landmarks", "make them again")
    generator = load_mobile_generator(snakemake.input.generator, params.resolution, images=False).to(where)
    clustering = load_clustering(snakemake.input.clustering, params.loader, where)
    segmenter = method_builder(params.method, params.heads, len(labels), clustering)(params.seed)
    features = generator.features(generator.sample_ws([annotation.seed], annotation.truncation))[1]
    segmenter.fit(features, torch.from_numpy(label_map)[None].to(where))
    label_maps = [label_map]
    for seed in tqdm(found["seeds"][1:], desc="segment", unit="face", mininterval=1):
        features = generator.features(generator.sample_ws([int(seed)], params.truncation))[1]
        label_maps.append(segmenter.predict(features)[0].cpu().numpy())
    faces = zip(found["seeds"].tolist(), found["points"], found["scores"].tolist(), label_maps, strict=True)
    rows = [
        {"method": snakemake.wildcards.method, "seed": seed} | row
        for seed, points, score, predicted in faces
        if score > SURE
        for row in part_scores(predicted, points, outlines, labels.names)
    ]
    write_csv(snakemake.output.rows, rows, COLUMNS)
    save_arrays(snakemake.output.label_maps, {"seeds": found["seeds"], "label_maps": np.stack(label_maps)})
