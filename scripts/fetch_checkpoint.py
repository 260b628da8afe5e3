"""A generator's checkpoint as its authors publish it, from the web: resumed, checked, its licence accepted before."""

from pathlib import Path

from onemask.download import download
from onemask.errors import OnemaskError
from onemask.jobs import job

with job(snakemake):
    source = snakemake.params.source
    if snakemake.params.refused:
        raise OnemaskError(snakemake.params.refused)
    download(source["url"], Path(snakemake.output[0]), source["sha256"], Path(snakemake.params.lock))
