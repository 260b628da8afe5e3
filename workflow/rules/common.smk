# The study, names of files, and what rules are given: paths, sub-configurations, seeds, code digests.
import hashlib
import json
import os
import re
from pathlib import Path

from onemask.clustering.kinds import CLUSTERINGS
from onemask.codedigest import code_digest
from onemask.config import load_study, own_defaults
from onemask.errors import OnemaskError, one_line_errors
from onemask.labels import read_labels
from onemask.sections import REAL, REFERENCES, RELEASED, GeneratorTrainingSettings
from onemask.seeds import derive_seed

REPOSITORY = Path(workflow.basedir)

# Checked by the typed models of onemask.config rather than by snakemake.utils.validate, whose messages take many lines
# and know no near misses; workflow/schemas/study.schema.json is exported from them.
with one_line_errors():
    STUDY = load_study(config, REPOSITORY)

RESULTS = f"results/{STUDY.study}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
GENERATOR = f"resources/generators/{STUDY.study}/{{cls}}.safetensors"
ANNOTATOR = f"resources/annotators/{STUDY.study}/{{cls}}.{{which}}.safetensors"
ANNOTATED = f"resources/annotated/{STUDY.study}/{{cls}}.npz"
CASE = next((name for name, entry in STUDY.classes.items() if entry.case_study), None)  # Section 8's
TABLES = [f"table{name}" for name in ("1", "2", "4", "5", "7", "8", "9", "10", "A1", "_ablations")]
FIGURES = [f"fig{name}" for name in ("1", "2", "6", "7", "9", "11", "B1", "12", "14a", "14b", "14c", "_sinkhorn")]
RENDERED = [name for name in STUDY.class_names if STUDY.classes[name].annotators]  # annotated by a network
if RENDERED:
    TABLES.append("table_renders")
if CASE:
    TABLES.insert(TABLES.index("table7"), "table6")
    FIGURES += ["fig13", "figC3", "figC4"]
PUBLISHED = [
    *(f"{name}.{kind}" for name in TABLES for kind in ("tex", "csv")),
    *(f"{name}.{kind}" for name in [*FIGURES, "swav_curves"] for kind in ("pdf", "png")),
    *("metrics.json", "comparison.csv", "claims.csv", "table_claims.tex", "report.tex", "report.pdf"),
    *(["table_losses.tex", "table_losses.csv", "figC2.pdf", "figC2.png"] if CASE else []),  # by request alone
    *(f"{name}.{kind}" for name in ("table3", "table_sdanet", "table_controls") for kind in ("tex", "csv")),
    *(
        f"{name}.{kind}"
        for name in ("fig_downstream", "fig_downstream_examples", "fig_sdanet", "fig_sdanet_examples")
        for kind in ("pdf", "png")
    ),
    *("claims_downstream.csv", "table_claims_downstream.tex", "report_downstream.tex", "report_downstream.pdf"),
]
SIDES = {name: entry.resolution for name, entry in STUDY.classes.items()}
SCANS = {name: entry.scans for name, entry in STUDY.classes.items() if entry.scans}
SCANNED = "|".join(SCANS) or "$^"  # a pattern of their names; one that nothing matches where there are none
CONVERTED = "|".join(n for n, c in STUDY.classes.items() if c.generator.source == "checkpoint") or "$^"
REAL_IMAGES = "|".join(n for n, c in STUDY.classes.items() if c.real) or "$^"
DOWNSTREAM_CLASSES = STUDY.downstream_classes


wildcard_constraints:
    cls="[a-z][a-z0-9_]*",
    method="[a-z][a-z0-9_]*",
    which="first|second",
    digest="[0-9a-f]{12}",
    label="[a-z][a-z0-9_]*",
    replicate="[1-9][0-9]*",
    loss="[a-z][a-z0-9_]*",
    kimg="[1-9][0-9]*",
    run="[0-9]+",
    ratio="[0-9]+",
    control="[a-z][a-z0-9_]*",


def repository(path):
    """A file of the repository, relative to the working directory: the same name wherever the repository lies."""
    return os.path.relpath(REPOSITORY / path)


def mapping(wildcards):
    """Input function: which parts of a class's real images are which labels."""
    data_set = class_of(wildcards).real.data_set
    return [] if data_set == RELEASED else repository(f"config/datasets/{data_set}.{wildcards.cls}.yaml")


def labels(wildcards):
    return repository(f"config/labels/{wildcards.cls}.yaml")


def configured(kind, entries, name):
    """The study's class, method or experiment called `name`; a target that asks for another one is one line."""
    with one_line_errors():
        if name not in entries:
            there = f"there are {', '.join(entries)}" if entries else "there are none"
            raise OnemaskError(f"{kind} {name!r} is not in study {STUDY.study}; {there}")
    return entries[name]


def class_of(wildcards):
    return configured("class", STUDY.classes, wildcards.cls)


def method_of(wildcards):
    return configured("method", STUDY.methods, wildcards.method)


def rare_label(wildcards):
    names = {name: name for name in rare_labels(wildcards.cls)}
    return configured(f"rare label of {wildcards.cls}", names, wildcards.label)


def digest(settings):
    """Hex digest of plain values: names a file or a folder by the settings behind it."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def section(name):
    """Params function: a class's resolved section of the configuration, and nothing else of it."""
    return lambda wildcards: getattr(class_of(wildcards), name).model_dump(mode="json")


def seed(*names):
    """Params function: the job's own seed, e.g. from (study seed, class, method)."""
    return lambda wildcards: derive_seed(STUDY.seed, *(name.format(**wildcards) for name in names))


def side_of(wildcards):
    """Pixels of a class's images; of the study's largest for jobs of all classes."""
    return max(64, SIDES.get(wildcards.get("cls"), max(SIDES.values(), default=64)))


def memory(megabytes, fixed=500):
    """Resource function: what jobs that hold a class's images and maps take at 64 px.

    Beyond `fixed` (torch alone takes 500 MB) it grows with the images' side. A job that was killed asks for twice as
    much (`retries`).
    """

    def wanted(wildcards, attempt):
        return round((fixed + (megabytes - fixed) * side_of(wildcards) / 64) * 2 ** (attempt - 1))

    return wanted


def minutes(wildcards, attempt):
    """Resource function: after which a cluster ends a job that fits or inverts images of so many pixels.

    Twice what `preflight` counts for the longest of 1024 px, and the profile's two hours for small ones.
    """
    return round((120 + 2 * (side_of(wildcards) / 64) ** 2) * 2 ** (attempt - 1))


def detector_memory(wildcards, attempt):
    """Resource function: what SDANet's jobs take, and twice the bytes of all images that one may hold."""
    asked, side = STUDY.sdanet, side_of(wildcards)
    images = asked.real * (1 + max(asked.ratios)) + asked.validation + asked.test
    return memory(2000)(wildcards, attempt) + round(2 * images * 3 * side**2 / 1e6)


def code(script, *modules):
    """Digest of the code behind a script; `modules` are those that it loads by name."""
    return code_digest(REPOSITORY / "scripts" / script, modules)


def per_class(pattern, **wildcards):
    return expand(pattern, cls=STUDY.class_names, **wildcards)


def per_method(pattern, methods=None, classes=None):
    """One file per class and method of the class, in the table's order; of `methods` or `classes` alone where given."""
    return [
        pattern.format(cls=cls, method=method)
        for cls in STUDY.class_names
        if classes is None or cls in classes
        for method in STUDY.methods_of(cls)
        if methods is None or method in methods
    ]


def rare_labels(cls):
    """Rare labels of a class (config/labels), in order; none for a class without."""
    with one_line_errors():
        return list(read_labels(REPOSITORY / f"config/labels/{cls}.yaml").rare)


def per_rare(pattern, methods):
    """One file per class, rare label and method of the class."""
    return [
        pattern.format(cls=cls, label=label, method=method)
        for cls in STUDY.class_names
        for label in rare_labels(cls)
        for method in STUDY.methods_of(cls)
        if method in methods
    ]


def rare_runs(pattern):
    """{file: replicate} of the rare labels' runs: the study's own, and other seeds of methods with a clustering."""
    runs = dict.fromkeys(per_rare(f"{pattern}.csv", STUDY.rare.methods), 0)
    clustered = [name for name in STUDY.rare.methods if STUDY.methods[name].clustering]
    return runs | {
        file: replicate
        for replicate in STUDY.rare.replicates
        for file in per_rare(f"{pattern}.{replicate}.csv", clustered)
    }


def scans_of(wildcards):
    """Settings of a class whose generator is trained on baggage scans."""
    return configured("class of baggage scans", SCANS, wildcards.cls)


def scan_options(wildcards):
    """How the reader of a class's scans, if it is trained on scans, is to treat them."""
    if wildcards.cls not in SCANS:
        return {}
    scans = SCANS[wildcards.cls]
    return {"crop": scans.crop or class_of(wildcards).resolution, "skip_bad": scans.skip_bad}


def world_options(wildcards):
    """What a class's renders depend on beside seed and size."""
    return {"packing": SCANS[wildcards.cls].packing} if wildcards.cls in SCANS else {}


def simulated_scans(wildcards):
    """Input function: scans that a rule makes; a user's own archive is known by its folder and no input."""
    return [] if scans_of(wildcards).root else f"{RESULTS}/pidray/{wildcards.cls}"


def generator_source(wildcards):
    return class_of(wildcards).generator


def checkpoint_file(wildcards):
    """Input function: a class's checkpoint, the user's own file or one that is fetched."""
    own = generator_source(wildcards).file
    return own or f"resources/checkpoints/{STUDY.study}/{wildcards.cls}.checkpoint"


def annotator_source(wildcards):
    return configured(f"annotator of {wildcards.cls}", class_of(wildcards).annotators, wildcards.which)


def annotated_source(wildcards):
    return class_of(wildcards).annotated


def fetched(source):
    """What the content of a fetched file depends on: not on the name of its licence."""
    return source.model_dump(mode="json", include={"source", "file", "url", "sha256"})


def licence_refused(source):
    """What to do where a source's licence is not accepted; None, whatever its name, where it is or there is none."""
    if source.licence in [None, *STUDY.accepted_licences]:
        return None
    return (
        f"{source.url}: is under the {source.licence} ({source.page or 'ask its authors'}); read it, and if you"
        f" accept it, add {source.licence!r} to `accepted_licences` in config/config.yaml"
    )


def if_trained(source, pattern):
    """Input function: `pattern` where the source says that this workflow makes the file, else nothing."""
    return lambda wildcards: (pattern.format(**wildcards) if source(wildcards).source in ("train", "real") else [])


def method_settings(wildcards):
    """What a method is built from: not how it is called in a table."""
    method_of(wildcards)
    return settings_of_method(wildcards.method)


def settings_of_method(name):
    return plain_method(STUDY.methods[name])


def plain_method(method):
    """What a job gets of a method; its looks are no reason to run again."""
    return method.model_dump(mode="json", exclude={"title", "published"})


def speed_methods(cls):
    return [name for name in STUDY.methods_of(cls) if name in STUDY.speed.methods]


def speed_clusterings(cls):
    """Files of the clusterings of a class's timed methods."""
    names = dict.fromkeys(STUDY.methods[name].clustering for name in speed_methods(cls))
    return [f"{RESULTS}/clustering/{cls}/{name}.safetensors" for name in names if name]


def real_faces_method(wildcards):
    return configured("method", REAL_FACES_METHODS, wildcards.method)


def real_faces_clustering(wildcards):
    """The clustering that a measured method is built on; the figure's for SwAV."""
    name = real_faces_method(wildcards).clustering
    return f"{REAL_FACES_RESULTS}/clustering/face/{name}.safetensors" if name else []


def speed_modules(cls):
    """Modules that the timing of a class's methods loads by name."""
    methods = [STUDY.methods[name] for name in speed_methods(cls)]
    loaders = [CLUSTERINGS[method.clustering][0] for method in methods if method.clustering]
    return sorted({*(f"onemask.segmenters.{method.module}" for method in methods), *loaders})


def method_module(wildcards):
    return f"onemask.segmenters.{method_of(wildcards).module}"


def method_modules(wildcards):
    """Modules that a one-shot job loads by name: its method's, and its clustering's."""
    loader = clustering_loader(wildcards)
    return [method_module(wildcards), *loader[:1]]


def clustering_loader(wildcards):
    return CLUSTERINGS.get(method_of(wildcards).clustering, ())


def clustering_of(wildcards):
    name = method_of(wildcards).clustering
    return f"{RESULTS}/clustering/{wildcards.cls}/{name}.safetensors" if name else []


def training_state(wildcards):
    return state_folder(wildcards, f"{RESULTS}/generators/{wildcards.cls}", section("generator_training")(wildcards))


def state_folder(wildcards, prefix, settings):
    """Folder of a training's state: other settings, scans or seed start afresh, a larger kimg goes on.

    Where it starts from another state the script adds that file's hash.
    """
    left_out = ("kimg", "snapshot_kimg")
    settings = {name: value for name, value in settings.items() if name not in left_out and value is not None}
    behind = [settings, class_of(wildcards).resolution, STUDY.seed]
    if wildcards.cls in SCANS:
        scans = SCANS[wildcards.cls].model_dump(mode="json", exclude={"test", "skip_bad"}, exclude_defaults=True)
        behind += [scans] if scans else []
    return f"{prefix}.state.{digest(behind)[:8]}"


def loss_settings(cls, loss, kimg):
    """Training settings of a class with another of the study's losses: `kimg` thousand images, by one process."""
    changes = configured("loss", STUDY.losses.presets, loss)
    own = configured("class", STUDY.classes, cls).generator_training.model_dump()
    fixed = {"kimg": int(kimg), "processes": 1, "start_from": None}
    settings = GeneratorTrainingSettings.model_validate(own | changes | fixed)
    return settings.model_dump(mode="json")


def losses_files(cls, kimg, name):
    """One file per loss of the study."""
    return [f"{RESULTS}/losses/{cls}/{loss}.{kimg}k/{name}" for loss in STUDY.losses.presets]


def pictures_of(cls, method):
    """Pictures of a method's first segmenter: of Table 2's jobs, or of one fit on the case study's contents."""
    return f"{RESULTS}/{'contents' if cls == CASE else 'one_shot'}/{cls}/{method}.npz"


def downstream_runs():
    """(class, method, ratio, run) of every training of Table 3; the method REAL has no synthetic images, ratio 0."""
    return [
        (cls, method, ratio, run)
        for cls in DOWNSTREAM_CLASSES
        for method in [REAL, *(name for name in STUDY.downstream.methods if name in STUDY.methods_of(cls))]
        for ratio in ([0] if method == REAL else STUDY.downstream.ratios)
        for run in range(STUDY.downstream.runs)
    ]


def downstream_files(kind):
    """A file of that kind per training, in the order of downstream_runs."""
    return [
        f"{RESULTS}/downstream/{cls}/{method}.{ratio}.{run}.{kind}" for cls, method, ratio, run in downstream_runs()
    ]


def control_of(wildcards):
    return configured("control", STUDY.downstream.controls, wildcards.control)


def control_runs():
    """What tells the trainings of Table 3's controls apart, in a fixed order."""
    return [
        {"control": name, "class": cls, "method": method, "run": run}
        | {"ratio": 0 if method == REAL else control.ratio or max(STUDY.downstream.ratios)}
        | {"real": control.real or STUDY.downstream.real, "steps": control.steps or STUDY.downstream.steps}
        for name, control in STUDY.downstream.controls.items()
        for cls in STUDY.control_classes(name)
        for method in control.methods
        for run in range(STUDY.downstream.runs)
    ]


def control_files(kind):
    """A file of that kind per training, in the order of control_runs; a study without controls is one line."""
    if not control_runs():
        with one_line_errors():
            raise OnemaskError(
                f"study {STUDY.study} has no downstream.controls for its classes, which table_controls compares"
            )
    return [
        f"{RESULTS}/controls/{run['control']}/{run['class']}/{run['method']}.{run['ratio']}.{run['run']}.{kind}"
        for run in control_runs()
    ]


def sdanet_files(kind, runs=None):
    """A file of that kind per training of SDANet (of its first `runs`); none in a study without a case study."""
    if not CASE or not STUDY.sdanet.method:
        return []
    mixtures = [(REAL, 0), *((STUDY.sdanet.method, ratio) for ratio in STUDY.sdanet.ratios)]
    return [
        f"{RESULTS}/sdanet/{CASE}/{method}.{ratio}.{run}.{kind}"
        for method, ratio in mixtures
        for run in range(runs or STUDY.sdanet.runs)
    ]
