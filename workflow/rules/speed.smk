# Table 5's measurement. Up to 16 cores, as many as there are on a small machine, so that nothing runs beside it there; it
# computes on one thread of them.


rule measure_speed:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clusterings=lambda w: speed_clusterings(w.cls),
    output:
        f"{RESULTS}/speed/{{cls}}.csv",
    log:
        f"{LOGS}/measure_speed/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_speed/{{cls}}.tsv"
    threads: 16
    resources:
        mem_mb=memory(3000),
        runtime=minutes,
    params:
        study=STUDY.study,
        threads=1,
        methods=lambda w: {name: settings_of_method(name) for name in speed_methods(w.cls)},
        loaders=lambda w: {name: CLUSTERINGS.get(STUDY.methods[name].clustering, ()) for name in speed_methods(w.cls)},
        heads=section("heads"),
        images=STUDY.speed.images,
        version=STUDY.version,
        seed=seed("{cls}", "speed"),
        code=lambda w: code("measure_speed.py", *speed_modules(w.cls)),
    script:
        "../../scripts/measure_speed.py"
