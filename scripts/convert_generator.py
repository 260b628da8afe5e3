"""A generator's checkpoint of another project as onemask's safetensors, with its model card."""

from pathlib import Path

from onemask.checkpoints.convert import convert
from onemask.files import verify_sha256
from onemask.jobs import job

with job(snakemake):
    path, source = Path(snakemake.input[0]), snakemake.params.source
    if source["sha256"]:
        verify_sha256(path, source["sha256"])
    convert(path, Path(snakemake.output.generator), Path(snakemake.output.card), source)
