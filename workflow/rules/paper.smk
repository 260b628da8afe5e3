# Tables and figures: drawn from csv files alone, without torch. `publish` copies the configured study's to results/.
from onemask.paper.published import check_rows, read_table2

with one_line_errors():
    published_rows = read_table2(REPOSITORY / "config/published.yaml")
    check_rows([method.published for method in STUDY.methods.values()], published_rows)


rule table2:
    input:
        rows=per_method(f"{RESULTS}/one_shot/{{cls}}/{{method}}.csv"),
        failures=per_method(f"{RESULTS}/one_shot/{{cls}}/{{method}}.failures.csv"),
        annotators=per_class(rules.annotator_report.output[0]),
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table2.tex",
        csv=f"{RESULTS}/table2.csv",
        metrics=f"{RESULTS}/metrics.json",
    log:
        f"{LOGS}/table2.log",
    benchmark:
        f"{BENCHMARKS}/table2.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        study=STUDY.study,
        classes=STUDY.class_names,
        methods={name: method.model_dump(include={"title", "published"}) for name, method in STUDY.methods.items()},
        style=STUDY.table.model_dump(mode="json"),
        code=code("table2.py"),
    script:
        "../../scripts/table2.py"


rule draw_swav_curves:
    input:
        per_class(f"{RESULTS}/clustering/{{cls}}/swav.csv"),
    output:
        png=report(f"{RESULTS}/swav_curves.png", caption="../report/swav_curves.rst", category="Curves"),
        pdf=f"{RESULTS}/swav_curves.pdf",
    log:
        f"{LOGS}/draw_swav_curves.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        study=STUDY.study,
        classes=STUDY.class_names,
        code=code("draw_swav_curves.py"),
    script:
        "../../scripts/draw_swav_curves.py"


rule compare_methods:
    input:
        per_method(f"{RESULTS}/one_shot/{{cls}}/{{method}}.csv"),
    output:
        f"{RESULTS}/comparison.csv",
    log:
        f"{LOGS}/compare_methods.log",
    threads: 1
    resources:
        mem_mb=1000,
    params:
        methods=[name for name, method in STUDY.methods.items() if method.clustering == "swav"],
        code=code("compare_methods.py"),
    script:
        "../../scripts/compare_methods.py"


rule publish:
    input:
        f"{RESULTS}/{{artefact}}",
    output:
        "results/{artefact}",
    log:
        f"{LOGS}/publish/{{artefact}}.log",
    wildcard_constraints:
        artefact="|".join(map(re.escape, PUBLISHED)),
    threads: 1
    resources:
        mem_mb=100,
    shell:
        "cp {input} {output} 2> {log}"
