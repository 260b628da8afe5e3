"""A generator's checkpoint as its authors publish it, from the web: resumed, checked, its licence accepted before."""

from pathlib import Path

from onemask.download import download
from onemask.errors import OnemaskError
from onemask.jobs import job

with job(snakemake):
    source = snakemake.params.source
    licence = source["licence"]
    if not snakemake.params.accepted:
        raise OnemaskError(
            f"{source['url']}: is under the {licence} ({source['page'] or 'ask its authors'}); read it, and if you"
            f" accept it, add {licence!r} to `accepted_licences` in config/config.yaml"
        )
    download(source["url"], Path(snakemake.output[0]), source["sha256"], Path(snakemake.params.lock))
