# Tuning, by request (`snakemake results/demo/tuning.csv`): as many trials for every method, on the tuning split alone.
# Its outcome (tuning_ranking.csv) is written by hand into config/studies, so no target of the tables depends on it.


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
        mem_mb=memory(3000),
        runtime=minutes,
    params:
        trials=lambda w: trials_of(w.method),
        heads=lambda w: [sections["heads"] for sections in trial_sections(w.cls, w.method)],
        exemplars=STUDY.tuning.exemplars,
        method=lambda w: varied_method(w, class_sections(w.cls, w.method)),
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
