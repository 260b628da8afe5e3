# A check on the annotator's labels: renders with exact masks, inverted into W+, and every method scored on them.


rule invert_renders:
    input:
        generator=GENERATOR,
        annotator=ANNOTATOR.replace("{which}", "first"),
        annotated=ANNOTATED,
        labels=labels,
    output:
        f"{RESULTS}/inverted/{{cls}}.npz",
    log:
        f"{LOGS}/invert_renders/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/invert_renders/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=STUDY.inversion.model_dump(mode="json", exclude={"methods", "exemplars"}),
        version=STUDY.version,
        seed=seed("{cls}", "inversion"),
        code=lambda w: code("invert_renders.py", f"onemask.demo.{w.cls}"),
    script:
        "../../scripts/invert_renders.py"


use rule one_shot as score_inverted with:
    input:
        generator=GENERATOR,
        annotated=rules.invert_renders.output[0],
        labels=labels,
        clustering=clustering_of,
    output:
        rows=f"{RESULTS}/inverted/{{cls}}/{{method}}.csv",
        failures=f"{RESULTS}/inverted/{{cls}}/{{method}}.failures.csv",
    log:
        f"{LOGS}/inverted/{{cls}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/score_inverted/{{cls}}/{{method}}.tsv"
    params:
        limit=STUDY.inversion.exemplars,
        shown=None,


use rule table1 as table_renders with:
    input:
        rows=per_method(f"{RESULTS}/inverted/{{cls}}/{{method}}.csv", STUDY.inversion.methods, RENDERED),
        failures=per_method(f"{RESULTS}/inverted/{{cls}}/{{method}}.failures.csv", STUDY.inversion.methods, RENDERED),
        table2=f"{RESULTS}/table2.csv",
    output:
        tex=f"{RESULTS}/table_renders.tex",
        csv=f"{RESULTS}/table_renders.csv",
    log:
        f"{LOGS}/table_renders.log",
    params:
        module="table_renders",
        options={"methods": TITLES},
        code=code("paper.py", "onemask.paper.table_renders"),
