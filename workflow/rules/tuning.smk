# Tuning, by request (`snakemake results/demo/tuning.csv`): as many trials for every method, on the tuning split alone.
# Its outcome (tuning_ranking.csv) is written by hand into config/studies, so no target of the tables depends on it.
import hashlib
import json

from onemask.evaluation.tuning import draw_trials, with_trial

TUNED_SECTIONS = ["swav", "kmeans", "heads"]


def trials_of(method):
    """The trials of a method, the same for every class and for every method of the same grid."""
    space = STUDY.tuning.space.get(method, {})
    own = {name: getattr(STUDY, name).model_dump(mode="json") for name in TUNED_SECTIONS}
    trials_seed = derive_seed(STUDY.seed, "tuning trials")
    return draw_trials(space, STUDY.tuning.trials, trials_seed, f"tuning.space.{method}", own)


def trial_sections(cls, method):
    """The class's sections under each trial."""
    sections = {name: STUDY.job_settings(cls, name) for name in TUNED_SECTIONS}
    return [with_trial(sections, trial) for trial in trials_of(method)]


def trial_clustering(cls, name, settings):
    """File of the clustering `name` under a trial's settings: methods share it; the study's own is made already."""
    if settings == STUDY.job_settings(cls, name):
        return f"{RESULTS}/clustering/{cls}/{name}.safetensors"
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{RESULTS}/tuning/{cls}/{name}/{digest[:12]}.safetensors"


def trial_clusterings(wildcards):
    """Input function: the clusterings of a method's trials."""
    name = STUDY.methods[wildcards.method].clustering
    trials = trial_sections(wildcards.cls, wildcards.method) if name else []
    return [trial_clustering(wildcards.cls, name, sections[name]) for sections in trials]


def trial_settings(name):
    """Params function: the settings of a clustering that a trial asks for, found by its file's name."""

    def settings(wildcards):
        methods = STUDY.methods_of(wildcards.cls)
        trials = [sections[name] for method in methods for sections in trial_sections(wildcards.cls, method)]
        return next(trial for trial in trials if wildcards.digest in trial_clustering(wildcards.cls, name, trial))

    return settings


wildcard_constraints:
    digest="[0-9a-f]{12}",


use rule train_swav as tune_swav with:
    output:
        clustering=f"{RESULTS}/tuning/{{cls}}/swav/{{digest}}.safetensors",
        training=f"{RESULTS}/tuning/{{cls}}/swav/{{digest}}.csv",
    log:
        f"{LOGS}/tune_swav/{{cls}}/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/tune_swav/{{cls}}/{{digest}}.tsv"
    params:
        settings=trial_settings("swav"),


use rule fit_kmeans as tune_kmeans with:
    output:
        clustering=f"{RESULTS}/tuning/{{cls}}/kmeans/{{digest}}.safetensors",
    log:
        f"{LOGS}/tune_kmeans/{{cls}}/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/tune_kmeans/{{cls}}/{{digest}}.tsv"
    params:
        settings=trial_settings("kmeans"),


rule tune:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clusterings=trial_clusterings,
    output:
        f"{RESULTS}/tuning/{{cls}}/{{method}}.csv",
    log:
        f"{LOGS}/tune/{{cls}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/tune/{{cls}}/{{method}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        trials=lambda w: trials_of(w.method),
        heads=lambda w: [sections["heads"] for sections in trial_sections(w.cls, w.method)],
        exemplars=STUDY.tuning.exemplars,
        method=method_settings,
        loader=clustering_loader,
        version=STUDY.version,
        seed=seed("{cls}", "{method}", "tuning"),
        code=lambda w: code("tune.py", *method_modules(w)),
    script:
        "../../scripts/tune.py"


rule tuning:
    input:
        per_method(f"{RESULTS}/tuning/{{cls}}/{{method}}.csv"),
    output:
        trials=f"{RESULTS}/tuning.csv",
        ranking=f"{RESULTS}/tuning_ranking.csv",
    log:
        f"{LOGS}/tuning.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        by="wiou_fg",
        code=code("rank_trials.py"),
    script:
        "../../scripts/rank_trials.py"
