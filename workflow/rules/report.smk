# The report: all tables and figures with the paper's findings beside ours. `make report` makes the HTML one as well.


use rule table1 as report_tex with:
    input:
        sections=repository("config/report.yaml"),
        claims=f"{RESULTS}/claims.csv",
        tables=[f"{RESULTS}/{name}.tex" for name in [*TABLES, "table_claims"]],
        figures=[f"{RESULTS}/{name}.pdf" for name in FIGURES],
        renders=f"{RESULTS}/table_renders.csv" if RENDERED else [],
        ablations=f"{RESULTS}/table_ablations.csv",
    output:
        tex=f"{RESULTS}/report.tex",
    log:
        f"{LOGS}/report_tex.log",
    params:
        module="report",
        options={
            "study": STUDY.study,
            "titles": {name: method.title for name, method in STUDY.methods.items()},
            "has": [*(["case_study"] if CASE else []), *(["annotator"] if RENDERED else [])],
        },
        code=code("paper.py", "onemask.paper.report"),


rule report_pdf:
    input:
        tex=f"{RESULTS}/report.tex",
        figures=[f"{RESULTS}/{name}.pdf" for name in FIGURES],
    output:
        f"{RESULTS}/report.pdf",
    log:
        f"{LOGS}/report_pdf.log",
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code("report_pdf.py"),
    script:
        "../../scripts/report_pdf.py"


rule readable_table:
    # A table's csv for the HTML report.
    input:
        csv=f"{RESULTS}/{{table}}.csv",
        note=repository("workflow/report/{table}.rst"),
    output:
        report(
            f"{RESULTS}/html/{{table}}.html",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        f"{LOGS}/readable_table/{{table}}.log",
    wildcard_constraints:
        table="|".join([*TABLES, "table3", "table_sdanet", "claims", "claims_downstream"]),
    threads: 1
    resources:
        mem_mb=500,
    params:
        study=STUDY.study,
        code=code("readable_table.py"),
    script:
        "../../scripts/readable_table.py"


rule paper:
    # Everything that the paper compares, measures and draws, by one target.
    input:
        [f"results/{name}.{kind}" for name in TABLES for kind in ("tex", "csv")],
        [f"results/{name}.{kind}" for name in FIGURES for kind in ("pdf", "png")],
        "results/claims.csv",
        "results/report.tex",
        losses_files(CASE, STUDY.losses.trial_kimg, "generator.safetensors") if CASE else [],
        [f"{RESULTS}/html/{name}.html" for name in [*TABLES, "claims"]],
