"""HFC + SwAV on MobileStyleGAN's features: the projection with its prototypes, and the training log."""

from onemask.clustering.swav import LOG_COLUMNS, SwAVSettings, train_swav
from onemask.files import write_csv
from onemask.jobs import device, job
from onemask.stylegan2.mobile import load_mobile_generator

with job(snakemake):
    params = snakemake.params
    generator = load_mobile_generator(snakemake.input.generator, params.resolution, images=False).to(device(snakemake))
    settings = SwAVSettings.from_section(params.settings, params.truncation)
    result = train_swav(generator, settings, params.seed)
    result.projection.save(snakemake.output.clustering, result.prototypes)
    write_csv(snakemake.output.training, result.log, LOG_COLUMNS)
