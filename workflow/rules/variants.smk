# Variants: methods and clusterings under other settings than the study's, for tuning trials and experiments.
from functools import cache

from onemask.config import own_settings
from onemask.evaluation.experiments import plan
from onemask.evaluation.tuning import draw_trials, with_trial


def sections_of(sections, method):
    """What a method reads, as plain values that a variant may change. A head's own settings stand in `heads`."""
    values = {name: getattr(sections, name).model_dump(mode="json") for name in [*CLUSTERINGS, "heads"]}
    entry = STUDY.methods[method]
    own = bool(own_settings()[entry.module])
    heads = values["heads"] if own else values["heads"] | entry.settings
    return values | {"heads": heads, "method": {"head": entry.head, "settings": entry.settings if own else {}}}


@cache
def class_sections(cls, method):
    return sections_of(STUDY.classes[cls], method)


def trials_of(method):
    """The trials of a method, the same for every class and for every method of the same grid."""
    space = STUDY.tuning.space.get(method, {})
    trials_seed = derive_seed(STUDY.seed, "tuning trials")
    return draw_trials(space, STUDY.tuning.trials, trials_seed, f"tuning.space.{method}", sections_of(STUDY, method))


def trial_sections(cls, method):
    """The class's sections under each trial."""
    return [with_trial(class_sections(cls, method), trial) for trial in trials_of(method)]


@cache
def runs_of(experiment):
    """The runs of an experiment, each with its class's sections under its changes."""
    settings = STUDY.experiments[experiment]
    classes = STUDY.class_names if settings.classes is None else settings.classes
    runs = plan(classes, settings.model_dump(mode="json"))
    runs = [run for run in runs if not run.replicate or STUDY.methods[run.method].clustering]
    return [(run, with_trial(class_sections(run.cls, run.method), run.changes)) for run in runs]


def configured_runs(wildcards):
    configured("experiment", STUDY.experiments, wildcards.experiment)
    return runs_of(wildcards.experiment)


def variant_clustering(cls, method, sections, replicate=0):
    """File of a method's clustering under these sections, [] without: methods share it; the study's own is made already."""
    name = STUDY.methods[method].clustering
    if not name:
        return []
    if sections[name] == getattr(STUDY.classes[cls], name).model_dump(mode="json") and not replicate:
        return f"{RESULTS}/clustering/{cls}/{name}.safetensors"
    return f"{RESULTS}/variants/{cls}/{name}/{digest([sections[name], replicate])[:12]}.safetensors"


def trial_clusterings(wildcards):
    """Input function: the clusterings of a method's trials."""
    cls, method = wildcards.cls, wildcards.method
    clustered = STUDY.methods[method].clustering
    return [variant_clustering(cls, method, each) for each in trial_sections(cls, method)] if clustered else []


def run_file(experiment, run, sections):
    """File of a run's rows: what a run reads names it; a run that changes nothing is the study's own."""
    own = class_sections(run.cls, run.method)
    used = [name for name in (STUDY.methods[run.method].clustering, "heads", "method") if name]
    if run.shots == 1 and not run.replicate and all(sections[name] == own[name] for name in used):
        return f"{RESULTS}/one_shot/{run.cls}/{run.method}.csv"
    exemplars = STUDY.experiments[experiment].exemplars
    identity = [{name: sections[name] for name in used}, run.shots, run.replicate, exemplars]
    return f"{RESULTS}/runs/{run.cls}/{run.method}/{digest(identity)[:12]}.csv"


def failures_of(file):
    """The failures that one_shot writes beside a file of rows."""
    return f"{file.removesuffix('.csv')}.failures.csv"


@cache
def variants():
    """{file: (settings, replicate)} of every clustering that a trial, an experiment or a rare label asks for."""
    asked = [
        (cls, method, sections, 0)
        for cls in STUDY.class_names
        for method in STUDY.methods_of(cls)
        for sections in trial_sections(cls, method)
    ]
    asked += [
        (run.cls, run.method, sections, run.replicate)
        for experiment in STUDY.experiments
        for run, sections in runs_of(experiment)
    ]
    asked += [
        (cls, method, class_sections(cls, method), replicate)
        for cls in STUDY.class_names
        if rare_labels(cls)
        for method in STUDY.methods_of(cls)
        if method in STUDY.rare.methods
        for replicate in STUDY.rare.replicates
    ]
    asked += [
        (cls, method, class_sections(cls, method), run)
        for cls in DOWNSTREAM_CLASSES
        for method in STUDY.methods_of(cls)
        if method in STUDY.downstream.methods
        for run in range(1, STUDY.downstream.runs)
    ]
    if CASE and STUDY.sdanet.method:
        own = class_sections(CASE, STUDY.sdanet.method)
        asked += [(CASE, STUDY.sdanet.method, own, run) for run in range(1, STUDY.sdanet.runs)]
    found = {}
    for cls, method, sections, replicate in asked:
        if file := variant_clustering(cls, method, sections, replicate):
            found[file] = (sections[STUDY.methods[method].clustering], replicate)
    return found


@cache
def experiment_runs():
    """{file: (experiment, run, sections)} of every run; experiments may share one."""
    return {
        run_file(experiment, run, sections): (experiment, run, sections)
        for experiment in STUDY.experiments
        for run, sections in runs_of(experiment)
    }


def found_by_file(table, pattern, wildcards):
    """The entry of a variant's file; a digest that no trial and no experiment asks for is one line."""
    file = pattern.format(**wildcards)
    with one_line_errors():
        if file not in table:
            raise OnemaskError(f"{file}: no trial or experiment of study {STUDY.study} asks for it")
    return table[file]


def variant_of(name):
    """Function of wildcards: settings and replicate of a variant of the clustering `name`."""
    return lambda w: found_by_file(variants(), f"{RESULTS}/variants/{{cls}}/{name}/{{digest}}.safetensors", w)


def variant_settings(name):
    """Params function: the settings of a clustering's variant."""
    return lambda w: variant_of(name)(w)[0]


def variant_seed(name):
    """Params function: a replicate has a seed of its own, every other variant the study's."""

    def seed_of(wildcards):
        replicate = variant_of(name)(wildcards)[1]
        return derive_seed(STUDY.seed, wildcards.cls, name, *(["replicate", replicate] if replicate else []))

    return seed_of


def sweep_reference(experiment):
    """Scores of another head at the sweeps' default point, [] where an experiment starts from another one."""
    sweep, reference = STUDY.experiments.get(experiment), STUDY.experiments.get("sweep_fcn")
    same = sweep and reference and sweep.base == reference.base
    return f"{RESULTS}/experiments/sweep_fcn.csv" if same else []


def sweep_options(experiment):
    """What a sweep's figure says of its settings: all that it changes beside its grid, and who the reference is."""
    sweep = STUDY.experiments.get(experiment)
    head = (
        ", ".join(STUDY.methods[name].title for name in STUDY.experiments["sweep_fcn"].methods)
        if sweep_reference(experiment)
        else None
    )
    fixed = {key: value for key, value in sweep.base.items() if key not in sweep.grid} if sweep else {}
    swept = ", ".join(STUDY.methods[name].title for name in sweep.methods) if sweep else ""
    return {"swept": swept, "base": fixed, "reference": head}


def run_of(wildcards):
    """Experiment, run and sections behind a file of runs/."""
    return found_by_file(experiment_runs(), f"{RESULTS}/runs/{{cls}}/{{method}}/{{digest}}.csv", wildcards)


def replicated_clustering(wildcards):
    """Input function: a method's clustering under the study's settings and another seed."""
    cls, method = wildcards.cls, wildcards.method
    return variant_clustering(cls, method, class_sections(cls, method), int(wildcards.replicate))


def synthesis_clustering(wildcards):
    """Input function: the clustering of a downstream run, a seed of its own each."""
    cls, method = wildcards.cls, wildcards.method
    method_of(wildcards)
    return variant_clustering(cls, method, class_sections(cls, method), int(wildcards.run))


def run_clustering(wildcards):
    """Input function: the clustering of a run."""
    _, run, sections = run_of(wildcards)
    return variant_clustering(run.cls, run.method, sections, run.replicate)


def varied_method(wildcards, sections):
    """A method's settings where the sections hold its head and settings."""
    return method_settings(wildcards) | sections["method"]


def swav_clusterings():
    """(class, settings) of every SwAV training of the study."""
    own = [(name, entry.swav.model_dump(mode="json")) for name, entry in STUDY.classes.items()]
    found = [(Path(file).parts[-3:-1], settings) for file, (settings, _) in variants().items()]
    varied = [(cls, settings) for (cls, name), settings in found if name == "swav"]
    return own + varied


def segmenter_fits():
    """(class, method, exemplars) of Table 2, of every experiment, and of the rare labels."""
    own = [
        (name, method, entry.annotated_set.exemplars)
        for name, entry in STUDY.classes.items()
        for method in STUDY.methods_of(name)
    ]
    runs = [(run.cls, run.method, STUDY.experiments[name].exemplars) for name, run, _ in experiment_runs().values()]
    rare = [
        (cls, method, STUDY.rare.exemplars)
        for cls in STUDY.classes
        for label in rare_labels(cls)
        for method in STUDY.methods_of(cls)
        if method in STUDY.rare.methods
    ]
    return own + runs + rare
