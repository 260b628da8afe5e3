"""HFC + SwAV of one class: the projection with its prototypes, and the training log."""

from onemask.clustering.swav import LOG_COLUMNS, SwAVSettings, train_swav
from onemask.files import write_csv
from onemask.jobs import device, job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    settings = SwAVSettings.from_section(params.settings, params.truncation)
    result = train_swav(load_generator(snakemake.input.generator, device(snakemake)), settings, params.seed)
    result.projection.save(snakemake.output.clustering, result.prototypes)
    write_csv(snakemake.output.training, result.log, LOG_COLUMNS)
