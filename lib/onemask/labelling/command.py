"""`onemask label`: a session on a generator, served as a page."""

from __future__ import annotations

import fcntl
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from onemask.annotation.command import SECTIONS, chosen_device
from onemask.checkpoints.reader import read_generator
from onemask.config import REPOSITORY, load_study
from onemask.errors import OnemaskError
from onemask.jobs import set_up_torch
from onemask.labelling.server import make_app
from onemask.labelling.session import Session, Setup, copy_file
from onemask.labels import read_labels
from onemask.real_faces import load_real_faces
from onemask.sections import Study
from onemask.stylegan2.mobile import load_mobile_generator

LOCAL = ("127.0.0.1", "localhost", "::1")
TRUNCATION = 0.7  # of a generator that no study knows
REAL_FACES = "real_faces"


@dataclass(frozen=True)
class Options:
    """The options of the command, see onemask.cli."""

    generator: str
    out: Path | None = None
    labels: Path | None = None
    clustering: Path | None = None
    method: str = "hfc_swav_fcn"
    study: str = "demo"
    truncation: float | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Subject:
    """What is labelled: a generator's file, its labels' file, a clustering that may be there, and how to fit."""

    name: str
    path: Path
    labels: Path
    clustering: Path | None
    setup: Setup
    resolution: int | None = None  # of MobileStyleGAN's features


def label(options: Options) -> None:
    """Serve until interrupted; OnemaskError for files and options that do not fit."""
    subject = subject_of(options)
    folder = options.out or Path(f"labelling-{subject.name}")
    with held(folder):
        session = open_session(folder, subject, options)
        if session.wants_clustering():
            session.start("clustering", session.cluster)
        serve(session, options)


def serve(session: Session, options: Options) -> None:
    """The page of a session, until it is interrupted."""
    token = None if options.host in LOCAL else secrets.token_urlsafe(16)
    six = ":" in options.host
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: ports just left are free
        try:
            probe.bind((options.host, options.port))
        except OSError as error:
            raise OnemaskError(f"{options.host}:{options.port}: {error.strerror}; choose another --port") from None
    query = f"?token={token}" if token else ""
    address = f"http://{f'[{options.host}]' if six else options.host}:{options.port}/{query}"
    print(f"open {address} (ctrl c ends; everything is kept in {session.folder})", flush=True)
    uvicorn.run(make_app(session, token), host=options.host, port=options.port, log_level="warning")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder for this process alone; OnemaskError while another one has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"{folder}: another `onemask label` has it open; end that one, or choose another --out"
            raise OnemaskError(message) from None
        yield


def open_session(folder: Path, subject: Subject, options: Options) -> Session:
    """The session in `folder`, with the subject's clustering where there is one."""
    labels = read_labels(subject.labels)
    device = chosen_device(options.device)
    set_up_torch(options.threads, device)
    if subject.resolution:
        generator: Any = load_mobile_generator(subject.path, subject.resolution).to(device)
    else:
        generator = read_generator(subject.path).to(device)
    session = Session(folder, generator, labels, subject.setup)
    if subject.clustering and (options.clustering or session.wants_clustering()):
        copy_file(subject.clustering, folder / str(subject.setup.clustering))
    return session


def subject_of(options: Options) -> Subject:
    """What the options name; OnemaskError for a class, a method or a file that there is not."""
    name, _, cls = options.generator.partition(":")
    of_class = bool(cls) and not Path(options.generator).exists()
    study = load_study({"study": name if of_class else options.study})
    if options.method not in study.methods:
        raise OnemaskError(f"--method {options.method!r} is not one of {', '.join(study.methods)}")
    if options.generator == REAL_FACES:
        return real_faces(study, options)
    if not of_class:
        if options.labels is None:
            raise OnemaskError("--labels: which labels are there? config/labels/face.yaml shows the form")
        path = Path(options.generator)
        return Subject(path.stem, path, options.labels, given(options), setup_of(study, study, options, TRUNCATION))
    if cls not in study.classes:
        raise OnemaskError(f"{options.generator}: the study has {', '.join(study.classes)}")
    setup = setup_of(study, study.classes[cls], options, study.truncation)
    labels = options.labels or REPOSITORY / f"config/labels/{cls}.yaml"
    made = REPOSITORY / f"results/{study.study}/clustering/{cls}/{setup.method['clustering']}.safetensors"
    path = there(f"resources/generators/{study.study}/{cls}.safetensors")
    return Subject(f"{study.study}-{cls}", path, labels, given(options) or (made if made.is_file() else None), setup)


def real_faces(study: Study, options: Options) -> Subject:
    """The study real_faces, which has a generator of another kind, under its own settings."""
    own = load_real_faces(REPOSITORY / "config/real_faces/study.yaml")
    made = REPOSITORY / "results/real_faces/clustering/face/swav.safetensors"
    setup = setup_of(study, own, options, own.truncation)
    clustering = made if setup.method["clustering"] == "swav" and made.is_file() else None
    path = there("resources/generators/real_faces/face.safetensors")
    labels = options.labels or REPOSITORY / f"config/labels/{own.labels}.yaml"
    return Subject(REAL_FACES, path, labels, given(options) or clustering, setup, own.resolution)


def setup_of(study: Study, sections: Any, options: Options, truncation: float) -> Setup:
    """A method of the study under the sections of a class, of the study, or of another configuration."""
    plain: dict[str, Any] = {name: getattr(sections, name).model_dump(mode="json") for name in SECTIONS}
    truncation = truncation if options.truncation is None else options.truncation
    return Setup(study.methods[options.method].model_dump(mode="json"), plain, truncation)


def given(options: Options) -> Path | None:
    """The option --clustering; OnemaskError where there is no such file."""
    if options.clustering and not options.clustering.is_file():
        raise OnemaskError(f"--clustering {options.clustering}: there is no such file")
    return options.clustering


def there(path: str) -> Path:
    """A file of the workflow; OnemaskError says how it is made."""
    if not (REPOSITORY / path).is_file():
        raise OnemaskError(f"{REPOSITORY / path}: is not there; snakemake --cores 2 {path}")
    return REPOSITORY / path
