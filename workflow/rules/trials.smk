# Tuning trials: which there are, the settings and the clustering files of each.
from onemask.evaluation.tuning import draw_trials, with_trial

TUNED_SECTIONS = ["swav", "kmeans", "heads"]


def trials_of(method):
    """The trials of a method, the same for every class and for every method of the same grid."""
    space = STUDY.tuning.space.get(method, {})
    own = tuned_sections(STUDY, method)
    trials_seed = derive_seed(STUDY.seed, "tuning trials")
    return draw_trials(space, STUDY.tuning.trials, trials_seed, f"tuning.space.{method}", own)


def tuned_sections(sections, method):
    """What a method reads: its own settings stand in the section `heads`, so that a trial may change them."""
    values = {name: getattr(sections, name).model_dump(mode="json") for name in TUNED_SECTIONS}
    return values | {"heads": values["heads"] | STUDY.methods[method].settings}


def trial_sections(cls, method):
    """The class's sections under each trial."""
    sections = tuned_sections(STUDY.classes[cls], method)
    return [with_trial(sections, trial) for trial in trials_of(method)]


def trial_clustering(cls, name, settings):
    """File of the clustering `name` under a trial's settings: methods share it; the study's own is made already."""
    if settings == getattr(STUDY.classes[cls], name).model_dump(mode="json"):
        return f"{RESULTS}/clustering/{cls}/{name}.safetensors"
    return f"{RESULTS}/tuning/{cls}/{name}/{digest(settings)[:12]}.safetensors"


def trial_clusterings(wildcards):
    """Input function: the clusterings of a method's trials."""
    name = method_of(wildcards).clustering
    trials = trial_sections(wildcards.cls, wildcards.method) if name else []
    return [trial_clustering(wildcards.cls, name, sections[name]) for sections in trials]


def trial_settings(name):
    """Params function: the settings of a clustering that a trial asks for, found by its file's name."""

    def settings(wildcards):
        methods = STUDY.methods_of(wildcards.cls)
        trials = [sections[name] for method in methods for sections in trial_sections(wildcards.cls, method)]
        return next(trial for trial in trials if wildcards.digest in trial_clustering(wildcards.cls, name, trial))

    return settings
