# One job per (class, method): fitted on each exemplar alone, scored on the test split, one csv row per image and label.


rule one_shot:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=clustering_of,
    output:
        rows=f"{RESULTS}/one_shot/{{cls}}/{{method}}.csv",
        failures=f"{RESULTS}/one_shot/{{cls}}/{{method}}.failures.csv",
        pictures=f"{RESULTS}/one_shot/{{cls}}/{{method}}.npz",
    log:
        f"{LOGS}/one_shot/{{cls}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/one_shot/{{cls}}/{{method}}.tsv"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes,
    params:
        study=STUDY.study,
        method=method_settings,
        heads=section("heads"),
        rare=None,
        shots=1,
        limit=None,
        shown=12,
        allow_failures=STUDY.allow_failures,
        loader=clustering_loader,
        version=STUDY.version,
        seed=seed("{cls}", "{method}"),
        code=lambda w: code("one_shot.py", *method_modules(w)),
    script:
        "../../scripts/one_shot.py"


use rule one_shot as segment_contents with:
    # One scan of the case study labelled for all its contents: Table 2 has no such class, the pictures alone are shown.
    output:
        rows=f"{RESULTS}/contents/{{cls}}/{{method}}.csv",
        failures=f"{RESULTS}/contents/{{cls}}/{{method}}.failures.csv",
        pictures=f"{RESULTS}/contents/{{cls}}/{{method}}.npz",
    log:
        f"{LOGS}/contents/{{cls}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/contents/{{cls}}/{{method}}.tsv"
    params:
        limit=1,


use rule one_shot as rare with:
    # Table 4: a binary segmenter of a rare label, fitted on each of the label's own exemplars.
    output:
        rows=f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.csv",
        failures=f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.failures.csv",
        pictures=f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.npz",
    log:
        f"{LOGS}/rare/{{cls}}/{{label}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/rare/{{cls}}/{{label}}/{{method}}.tsv"
    params:
        rare=rare_label,
        limit=STUDY.rare.exemplars,
        shown=6,
        seed=seed("{cls}", "{method}", "rare", "{label}"),


use rule rare as rare_replicate with:
    # The same exemplars under another seed of the clustering.
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=replicated_clustering,
    output:
        rows=f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.{{replicate}}.csv",
        failures=f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.{{replicate}}.failures.csv",
    log:
        f"{LOGS}/rare/{{cls}}/{{label}}/{{method}}.{{replicate}}.log",
    benchmark:
        f"{BENCHMARKS}/rare/{{cls}}/{{label}}/{{method}}.{{replicate}}.tsv"
    params:
        shown=None,


use rule one_shot as run_experiment with:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=run_clustering,
    output:
        rows=f"{RESULTS}/runs/{{cls}}/{{method}}/{{digest}}.csv",
        failures=f"{RESULTS}/runs/{{cls}}/{{method}}/{{digest}}.failures.csv",
    log:
        f"{LOGS}/runs/{{cls}}/{{method}}/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/run_experiment/{{cls}}/{{method}}/{{digest}}.tsv"
    params:
        method=lambda w: varied_method(w, run_of(w)[2]),
        heads=lambda w: run_of(w)[2]["heads"],
        shots=lambda w: run_of(w)[1].shots,
        shown=None,
        limit=lambda w: STUDY.experiments[run_of(w)[0]].exemplars,


rule gather_experiment:
    input:
        rows=lambda w: [run_file(w.experiment, *each) for each in configured_runs(w)],
        failures=lambda w: [failures_of(run_file(w.experiment, *each)) for each in configured_runs(w)],
    output:
        rows=f"{RESULTS}/experiments/{{experiment}}.csv",
        failures=f"{RESULTS}/experiments/{{experiment}}.failures.csv",
    log:
        f"{LOGS}/gather_experiment/{{experiment}}.log",
    threads: 1
    resources:
        mem_mb=1000,
    params:
        runs=lambda w: [
            {"shots": run.shots, "replicate": run.replicate, "point": run.point} for run, _ in configured_runs(w)
        ],
        exemplars=lambda w: STUDY.experiments[w.experiment].exemplars,
        code=code("gather_experiment.py"),
    script:
        "../../scripts/gather_experiment.py"
