"""Tuning of one method on one class: every trial is fitted on a few exemplars and scored on the tuning split."""

import json

from onemask.clustering.kmeans import KMeansSettings, fit_kmeans
from onemask.clustering.swav import SwAVSettings, train_swav
from onemask.data.annotated import read_annotated
from onemask.evaluation.metrics import METRICS, image_scores
from onemask.evaluation.one_shot import evaluate_method, fit_groups
from onemask.evaluation.tuning import draw_trials, with_trial
from onemask.files import write_csv
from onemask.jobs import job
from onemask.labels import read_labels
from onemask.seeds import derive_seed
from onemask.segmenters.base import method_builder
from onemask.stylegan2.checkpoint import load_generator


def swav(generator, section, seed):
    return train_swav(generator, SwAVSettings.from_section(section, snakemake.params.truncation), seed).projection


def kmeans(generator, section, seed):
    return fit_kmeans(generator, KMeansSettings(truncation=snakemake.params.truncation, **section), seed)


TRAIN = {"swav": swav, "kmeans": kmeans}


def score(generator, annotated, labels, sections):
    """Mean of each metric over exemplars and tuning images under the sections' settings."""
    params, method = snakemake.params, snakemake.params.method
    name = method["clustering"]
    clustering = TRAIN[name](generator, sections[name], derive_seed(params.seed, name)) if name else None
    groups = fit_groups(annotated, method["fit_split"])[: params.exemplars]
    keys = {"study": "tuning", "class": snakemake.wildcards.cls, "method": snakemake.wildcards.method}
    build = method_builder(method, sections["heads"], len(labels), clustering)
    data, tuning = (generator, annotated.ws, annotated.label_maps), annotated.indices("tuning")
    rows = evaluate_method(*data, build, groups, tuning, labels.names, params.seed, keys=keys)
    return image_scores(rows)[METRICS].mean().to_dict()


with job(snakemake):
    params, names = snakemake.params, dict(snakemake.wildcards.items())
    labels = read_labels(snakemake.input.labels)
    generator = load_generator(snakemake.input.generator)
    annotated = read_annotated(snakemake.input.annotated, labels, generator)
    trials = draw_trials(params.space, params.trials, params.trials_seed, f"tuning.space.{names['method']}")
    scores = [score(generator, annotated, labels, with_trial(params.sections, trial)) for trial in trials]
    rows = [
        {"class": names["cls"], "method": names["method"], "trial": number, "settings": json.dumps(trial), **metrics}
        for number, (trial, metrics) in enumerate(zip(trials, scores, strict=True))
    ]
    write_csv(snakemake.output[0], rows, ["class", "method", "trial", "settings", *METRICS])
