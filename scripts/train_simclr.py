"""HFC + SimCLR of one class: the projection, and the training log."""

from onemask.clustering.simclr import LOG_COLUMNS, SimCLRSettings, train_simclr
from onemask.files import write_csv
from onemask.jobs import device, job
from onemask.stylegan2.checkpoint import load_generator

with job(snakemake):
    params = snakemake.params
    settings = SimCLRSettings.from_section(params.settings, params.truncation)
    result = train_simclr(load_generator(snakemake.input.generator, device(snakemake)), settings, params.seed)
    result.projection.save(snakemake.output.clustering)
    write_csv(snakemake.output.training, result.log, LOG_COLUMNS)
