"""A generator, annotator or annotated set from where its class's configuration says, checked, under resources/."""

import shutil
from pathlib import Path

from onemask.download import download
from onemask.files import atomic, verify_sha256
from onemask.jobs import job, repository

with job(snakemake):
    source, target = snakemake.params.source, Path(snakemake.output[0])
    if source["source"] == "url":
        download(source["url"], target, source["sha256"])
    else:
        path = repository(snakemake) / source["file"] if source["source"] == "zoo" else snakemake.input.trained
        if source["source"] == "zoo":
            verify_sha256(path, source["sha256"])
        with atomic(target) as temporary:
            shutil.copyfile(path, temporary)
