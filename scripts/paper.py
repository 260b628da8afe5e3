"""A table or figure of the paper out of result files alone, without torch: drawn by a module of onemask.paper."""

from importlib import import_module

from onemask.jobs import job

with job(snakemake):
    module = import_module(f"onemask.paper.{snakemake.params.module}")
    module.make(dict(snakemake.input.items()), dict(snakemake.output.items()), snakemake.params.options)
