"""A generator, annotator or annotated set from where its class's configuration says, checked, under resources/."""

import shutil
import urllib.request
from contextlib import closing
from http.client import HTTPException

from onemask.errors import OnemaskError
from onemask.files import atomic, sha256, verify_sha256
from onemask.jobs import job, repository


def open_url(url):
    try:
        return closing(urllib.request.urlopen(url, timeout=60))
    except (OSError, ValueError) as error:
        raise OnemaskError(f"{url}: cannot be fetched ({error}); check the network, or put the file in zoo/") from None


def open_source(source):
    """The source as an open binary stream; a zoo file is checked before it is copied, so that the message names it."""
    if source["source"] == "url":
        return open_url(source["url"])
    if source["source"] == "zoo":
        path = repository(snakemake) / source["file"]
        verify_sha256(path, source["sha256"])
        return open(path, "rb")
    return open(snakemake.input.trained, "rb")


def download(stream, copy, source):
    """The open URL's content, checked; every failure names the URL."""
    try:
        shutil.copyfileobj(stream, copy)
    except (OSError, HTTPException) as error:
        raise OnemaskError(f"{source['url']}: the connection was lost ({error}); run the rule again") from None
    copy.flush()
    if (found := sha256(copy.name)) != source["sha256"]:
        raise OnemaskError(f"{source['url']}: sha256 is {found}, the study says {source['sha256']}; nothing was kept")


with job(snakemake):
    source = snakemake.params.source
    with open_source(source) as stream, atomic(snakemake.output[0]) as temporary, open(temporary, "wb") as copy:
        if source["source"] == "url":
            download(stream, copy, source)
        else:
            shutil.copyfileobj(stream, copy)
