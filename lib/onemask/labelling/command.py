"""`onemask label`: a session on a generator, served as a page."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from onemask.annotation.command import chosen_device
from onemask.annotation.labeller import CLUSTERING
from onemask.checkpoints.reader import read_generator
from onemask.config import REPOSITORY, load_study
from onemask.errors import OnemaskError
from onemask.jobs import set_up_torch
from onemask.labelling.server import make_app
from onemask.labelling.session import Session, copy_file
from onemask.labels import read_labels

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Options:
    """The options of the command, see onemask.cli."""

    generator: str
    out: Path | None = None
    labels: Path | None = None
    clustering: Path | None = None
    method: str = "hfc_swav_fcn"
    study: str = "demo"
    truncation: float = 0.7
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 1
    device: str = "cpu"


def label(options: Options) -> None:
    """Serve until interrupted; OnemaskError for files and options that do not fit."""
    session, path = open_session(options)
    token = None if options.host in LOCAL else secrets.token_urlsafe(16)
    with socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: ports just left are free
        try:
            probe.bind((options.host, options.port))
        except OSError as error:
            raise OnemaskError(f"{options.host}:{options.port}: {error.strerror}; choose another --port") from None
    query = f"?token={token}" if token else ""
    address = f"http://{options.host}:{options.port}/{query}"
    print(f"open {address} (ctrl c ends; everything is kept in {session.folder})", flush=True)
    uvicorn.run(make_app(session, path, token), host=options.host, port=options.port, log_level="warning")


def open_session(options: Options) -> tuple[Session, Path]:
    """The session that the options ask for, and the generator's file."""
    study_name, _, cls = options.generator.partition(":")
    of_study = bool(cls) and not Path(options.generator).exists()
    study = load_study({"study": study_name if of_study else options.study})
    path, labels, clustering = Path(options.generator), options.labels, options.clustering
    if of_study:
        if cls not in study.classes:
            raise OnemaskError(f"{options.generator}: the study has {', '.join(study.classes)}")
        path = REPOSITORY / f"resources/generators/{study.study}/{cls}.safetensors"
        labels = labels or REPOSITORY / f"config/labels/{cls}.yaml"
        made = REPOSITORY / f"results/{study.study}/clustering/{cls}"
        if not path.is_file():
            raise OnemaskError(f"{path}: is not there; snakemake --cores 2 {path.relative_to(REPOSITORY)}")
        name = study.methods[options.method].clustering if options.method in study.methods else None
        clustering = clustering or (made / f"{name}.safetensors" if name else None)
    if labels is None:
        raise OnemaskError("--labels: which labels are there? config/labels/face.yaml shows the form")
    device = chosen_device(options.device)
    set_up_torch(options.threads, device)
    generator = read_generator(path).to(device)
    out = options.out or Path(f"labelling-{cls or path.stem}")
    if clustering and clustering.is_file() and not (out / CLUSTERING).is_file():
        copy_file(clustering, out / CLUSTERING)
    return Session(out, generator, read_labels(labels), study, options.method, options.truncation), path
