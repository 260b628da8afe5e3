"""Inference speed of a class's methods, each fitted on the first exemplar."""

from pathlib import Path

from onemask.evaluation.inputs import read_class
from onemask.evaluation.one_shot import Reader
from onemask.evaluation.speed import COLUMNS, Contender, authors_upsampling, measure_speed
from onemask.files import write_csv
from onemask.jobs import device, job, set_up_torch
from onemask.seeds import derive_seed
from onemask.segmenters.base import load_clustering, method_builder

with job(snakemake):
    params = snakemake.params
    set_up_torch(params.threads, device(snakemake))  # the rule holds all cores, so that nothing runs beside it
    labels, generator, annotated = read_class(snakemake)
    files = {Path(file).stem: file for file in snakemake.input.clusterings}
    read, first, contenders = Reader(generator), annotated.indices("exemplars")[:1], []
    for name, method in params.methods.items():
        clustering = load_clustering(files.get(method["clustering"]), params.loaders[name], generator.device)
        segmenter = method_builder(method, params.heads, len(labels), clustering)(derive_seed(params.seed, name))
        read.fit(segmenter, annotated.ws[first], annotated.label_maps[first])
        contenders.append(Contender(name, segmenter, authors_upsampling(method, clustering)))
    keys = {"study": params.study, "class": snakemake.wildcards.cls}
    unseen = annotated.ws[annotated.indices("test")[: params.images]]
    write_csv(snakemake.output[0], measure_speed(generator, contenders, unseen, keys).to_dict("records"), COLUMNS)
