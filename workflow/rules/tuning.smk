# Tuning, by request (`snakemake results/demo/tuning.csv`): as many trials for every method, on the tuning split alone.
# Its outcome (tuning_ranking.csv) is written by hand into config/studies, so no target of the tables depends on it.


rule tune:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
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
        trials=STUDY.tuning.trials,
        exemplars=STUDY.tuning.exemplars,
        space=lambda w: STUDY.tuning.space.get(w.method, {}),
        method=method_settings,
        sections=lambda w: {
            name: STUDY.job_settings(w.cls, name)
            for name in ("swav", "kmeans", "heads")
        },
        truncation=STUDY.truncation,
        version=STUDY.version,
        trials_seed=seed("tuning trials"),
        seed=seed("{cls}", "{method}", "tuning"),
        code=lambda w: code("tune.py", method_module(w)),
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
