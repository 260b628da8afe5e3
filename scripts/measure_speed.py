"""Inference speed of a class's methods, each fitted on the first exemplar."""

from pathlib import Path

from onemask.data.annotated import read_annotated
from onemask.evaluation.one_shot import Reader
from onemask.evaluation.speed import COLUMNS, Contender, authors_upsampling, measure_speed
from onemask.files import write_csv
from onemask.jobs import device, job, set_up_torch
from onemask.labels import read_labels
from onemask.seeds import derive_seed
from onemask.segmenters.base import load_clustering, method_builder
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    set_up_torch(params.threads, device(snakemake))  # the rule holds all cores, so that nothing runs beside it
    labels, generator = read_labels(snakemake.input.labels), load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, labels, generator)
    files = {Path(file).stem: file for file in snakemake.input.clusterings}
    read, first, contenders = Reader(generator), annotated.indices("exemplars")[:1], []
    for name, method in params.methods.items():
        clustering = load_clustering(files.get(method["clustering"]), params.loaders[name])
        segmenter = method_builder(method, params.heads, len(labels), clustering)(derive_seed(params.seed, name))
        read.fit(segmenter, annotated.ws[first], annotated.label_maps[first])
        contenders.append(Contender(name, segmenter, authors_upsampling(method, clustering)))
    keys = {"study": params.study, "class": snakemake.wildcards.cls}
    unseen = annotated.ws[annotated.indices("test")[: params.images]]
    write_csv(snakemake.output[0], measure_speed(generator, contenders, unseen, keys).to_dict("records"), COLUMNS)
