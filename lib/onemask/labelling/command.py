"""`onemask label`: a session on a generator, served as a page."""

from __future__ import annotations

import errno
import fcntl
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from onemask.annotation.command import SECTIONS, chosen_device
from onemask.checkpoints.reader import read_generator
from onemask.clustering.kinds import CLUSTERINGS
from onemask.clustering.projection import FeatureProjection
from onemask.config import REPOSITORY, load_study
from onemask.errors import OnemaskError
from onemask.files import atomic
from onemask.jobs import set_up_torch
from onemask.labelling.server import LEAST_TOKEN, LOOPBACK, make_app
from onemask.labelling.session import Session, copy_file
from onemask.labelling.setup import Setup
from onemask.labels import LabelSet, read_labels
from onemask.real_faces import load_real_faces
from onemask.sections import MethodSettings, Study
from onemask.segmenters.base import load_clustering
from onemask.stylegan2.mobile import load_mobile_generator
from onemask.stylegan2.protocol import FeatureGenerator

METHOD = "hfc_swav_fcn"
TRUNCATION = 0.7  # of a generator that no study knows
REAL_FACES = "real_faces"
ANYWHERE = ("0.0.0.0", "::")
TOKEN = ".token"


@dataclass(frozen=True)
class Options:
    """The options of the command, see onemask.cli."""

    generator: str
    out: Path | None = None
    labels: Path | None = None
    clustering: Path | None = None
    method: str | None = None
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
    generator, labels = read_subject(subject, options)  # before a folder is made
    with held(folder), bound(options.host, options.port) as listening:
        session = open_session(folder, generator, labels, subject, options)
        for note in session.notes:
            print(note, flush=True)
        if session.wants_clustering():
            session.worker.start("clustering", session.cluster)
        serve(session, listening, options.host)


def serve(session: Session, listening: socket.socket, host: str) -> None:
    """The page of a session, until it is interrupted."""
    token = None if host in LOOPBACK else kept_token(session.folder)
    name = socket.gethostname() if host in ANYWHERE else f"[{host}]" if ":" in host else host
    query = f"?token={token}" if token else ""
    address = f"http://{name}:{listening.getsockname()[1]}/{query}"
    print(f"open {address} (ctrl c ends; everything is kept in {session.folder})", flush=True)
    server = uvicorn.Server(uvicorn.Config(make_app(session, token), log_level="warning"))
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that holds the address; OnemaskError where that cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise OnemaskError(f"--host {host}: {error.strerror}") from None
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ports just left are free
        try:
            made.bind(address)
        except OSError as error:
            option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
            raise OnemaskError(f"{host}:{port}: {error.strerror}; choose another {option}") from None
        made.listen()
        yield made


def kept_token(folder: Path) -> str:
    """The session's own: a page that was left open stays welcome when the server is started again."""
    path = folder / TOKEN
    token = path.read_text().strip() if path.is_file() else ""
    if len(token) < LEAST_TOKEN:  # none, or one that a full disk cut off
        token = secrets.token_urlsafe(16)
        with atomic(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(token)
    return token


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


def read_subject(subject: Subject, options: Options) -> tuple[FeatureGenerator, LabelSet]:
    """Its generator on the device, and its labels; OnemaskError for files that are none."""
    labels = read_labels(subject.labels)
    device = chosen_device(options.device)
    set_up_torch(options.threads, device)
    if subject.resolution:
        return load_mobile_generator(subject.path, subject.resolution).to(device), labels
    return read_generator(subject.path).to(device), labels


def open_session(
    folder: Path, generator: FeatureGenerator, labels: LabelSet, subject: Subject, options: Options
) -> Session:
    """The session in `folder`, with the subject's clustering where there is one."""
    session = Session(folder, generator, labels, subject.setup)
    if subject.clustering and (options.clustering or session.wants_clustering()):
        check_clustering(subject.clustering, subject.setup, generator)
        copy_file(subject.clustering, folder / str(subject.setup.clustering))
    return session


def check_clustering(path: Path, setup: Setup, generator: FeatureGenerator) -> None:
    """OnemaskError unless the file is a clustering of the method's kind, of features such as the generator has."""
    made = load_clustering(path, CLUSTERINGS[setup.method["clustering"]])
    if isinstance(made, FeatureProjection):
        features = generator.features(generator.sample_ws([0], setup.truncation))[1]
        wanted, found = sum(map_.shape[1] for map_ in features), made.weight.shape[1]
        if wanted != found:
            raise OnemaskError(f"{path}: is of {found} features, the generator has {wanted}; it is another one's")


def subject_of(options: Options) -> Subject:
    """What the options name; OnemaskError for a class, a method or a file that there is not."""
    name, _, cls = options.generator.partition(":")
    of_class = bool(cls) and not Path(options.generator).exists()
    study = load_study({"study": name if of_class else options.study})
    if options.method and options.method not in study.methods:
        raise OnemaskError(f"--method {options.method!r} is not one of {', '.join(study.methods)}")
    if options.generator == REAL_FACES:
        return real_faces(study, options)
    if not of_class:
        if options.labels is None:
            raise OnemaskError("--labels: which labels are there? config/labels/face.yaml shows the form")
        path = Path(options.generator)
        setup = setup_of(study.methods, study, options, TRUNCATION)
        return Subject(path.stem, path, options.labels, given(options, setup), setup)
    if cls not in study.classes:
        raise OnemaskError(f"{options.generator}: the study has {', '.join(study.classes)}")
    setup = setup_of(study.methods, study.classes[cls], options, study.truncation)
    labels = options.labels or REPOSITORY / f"config/labels/{cls}.yaml"
    made = REPOSITORY / f"results/{study.study}/clustering/{cls}/{setup.method['clustering']}.safetensors"
    path = there(f"resources/generators/{study.study}/{cls}.safetensors", f"--config study={study.study}")
    clustering = given(options, setup) or (made if made.is_file() else None)
    return Subject(f"{study.study}-{cls}", path, labels, clustering, setup)


def real_faces(study: Study, options: Options) -> Subject:
    """The study real_faces, which has a generator of another kind, under its own settings and with its own method."""
    own = load_real_faces(REPOSITORY / "config/real_faces/study.yaml")
    made = REPOSITORY / "results/real_faces/clustering/face/swav.safetensors"
    methods = study.methods | own.measured.chosen(study.methods)
    setup = setup_of(methods, own, options, own.truncation, own.measured.shown)
    clustering = made if setup.method["clustering"] == "swav" and made.is_file() else None
    path = there("resources/generators/real_faces/face.safetensors")
    labels = options.labels or REPOSITORY / f"config/labels/{own.labels}.yaml"
    return Subject(REAL_FACES, path, labels, given(options, setup) or clustering, setup, own.resolution)


def setup_of(
    methods: Mapping[str, MethodSettings], sections: Any, options: Options, truncation: float, default: str = METHOD
) -> Setup:
    """One of the methods under the sections of a class, of a study, or of another configuration."""
    plain: dict[str, Any] = {name: getattr(sections, name).model_dump(mode="json") for name in SECTIONS}
    truncation = truncation if options.truncation is None else round(options.truncation, 2)
    return Setup(methods[options.method or default].model_dump(mode="json"), plain, truncation)


def given(options: Options, setup: Setup) -> Path | None:
    """The option --clustering; OnemaskError where there is no such file, or the method wants none."""
    if options.clustering and not options.clustering.is_file():
        raise OnemaskError(f"--clustering {options.clustering}: there is no such file")
    if options.clustering and not setup.clustering:
        raise OnemaskError(f"--clustering: {setup.title} has none; leave the option out, or choose another --method")
    return options.clustering


def there(path: str, options: str = "") -> Path:
    """A file of the workflow; OnemaskError says how it is made, with Snakemake's `options`."""
    if not (REPOSITORY / path).is_file():
        raise OnemaskError(f"{REPOSITORY / path}: is not there; snakemake --cores 2 {path} {options}".rstrip())
    return REPOSITORY / path
