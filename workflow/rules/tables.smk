# Tables beside Table 2 (paper.smk): each is drawn by its module of onemask.paper from result files alone, without torch.
TITLES = {name: method.model_dump(include={"title", "published"}) for name, method in STUDY.methods.items()}
ABLATIONS = [name for name in ("kmeans", "projection", "marginals") if name in STUDY.experiments]
A1_SECTIONS = (*CLUSTERINGS, "heads")
# what experiments change beside their grids, and where Table 10's supervised segmenters are
EXPERIMENT_OPTIONS = {name: {"methods": TITLES, "base": entry.base} for name, entry in STUDY.experiments.items()}
FEW_SHOT = STUDY.experiments.get("table10")
SUPERVISED = [name for name, method in STUDY.methods.items() if method.fit_split == "supervised"]
# what generators were trained on: the study knows the number of its own renders, of a fetched generator's data nothing
UNLABELLED = {
    cls: (
        {"source": "the fetched generator's", "renders": None}
        if entry.generator.source in ("url", "checkpoint")
        else {"source": "own renders", "renders": entry.generator_training.renders}
    )
    for cls, entry in ((name, STUDY.classes[name]) for name in STUDY.class_names)
}


rule table1:
    input:
        generators=per_class(GENERATOR),
        annotated=per_class(ANNOTATED),
        labels=per_class(repository("config/labels/{cls}.yaml")),
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table1.tex",
        csv=f"{RESULTS}/table1.csv",
    log:
        f"{LOGS}/table1.log",
    threads: 1
    resources:
        mem_mb=memory(1000, fixed=880),
    params:
        module="table1",
        study=STUDY.study,
        options={"study": STUDY.study, "classes": UNLABELLED},
        code=code("paper.py", "onemask.paper.table1"),
    script:
        "../../scripts/paper.py"


use rule table1 as table4 with:
    input:
        rows=per_rare(f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.csv", STUDY.rare.methods),
        failures=per_rare(f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.failures.csv", STUDY.rare.methods),
        annotators=[f"{RESULTS}/annotators/{cls}.json" for cls in RENDERED if rare_labels(cls)],
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table4.tex",
        csv=f"{RESULTS}/table4.csv",
    log:
        f"{LOGS}/table4.log",
    params:
        module="table4",
        options={"methods": TITLES, "classes": {cls: rare_labels(cls) for cls in STUDY.class_names}},
        code=code("paper.py", "onemask.paper.table4"),


use rule table1 as table5 with:
    input:
        rows=per_class(f"{RESULTS}/speed/{{cls}}.csv"),
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table5.tex",
        csv=f"{RESULTS}/table5.csv",
    log:
        f"{LOGS}/table5.log",
    params:
        module="table5",
        options={"methods": TITLES},
        code=code("paper.py", "onemask.paper.table5"),


use rule table1 as table7 with:
    input:
        rows=f"{RESULTS}/experiments/table7.csv",
        failures=f"{RESULTS}/experiments/table7.failures.csv",
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table7.tex",
        csv=f"{RESULTS}/table7.csv",
    log:
        f"{LOGS}/table7.log",
    params:
        module="table7",
        options=EXPERIMENT_OPTIONS.get("table7"),
        code=code("paper.py", "onemask.paper.table7"),


use rule table1 as table8 with:
    input:
        rows=f"{RESULTS}/experiments/table8.csv",
        failures=f"{RESULTS}/experiments/table8.failures.csv",
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table8.tex",
        csv=f"{RESULTS}/table8.csv",
    log:
        f"{LOGS}/table8.log",
    params:
        module="table8",
        options=EXPERIMENT_OPTIONS.get("table8"),
        code=code("paper.py", "onemask.paper.table8"),


use rule table1 as table9 with:
    input:
        rows=f"{RESULTS}/experiments/table9.csv",
        failures=f"{RESULTS}/experiments/table9.failures.csv",
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table9.tex",
        csv=f"{RESULTS}/table9.csv",
    log:
        f"{LOGS}/table9.log",
    params:
        module="table9",
        options=EXPERIMENT_OPTIONS.get("table9"),
        code=code("paper.py", "onemask.paper.table9"),


use rule table1 as table10 with:
    input:
        rows=f"{RESULTS}/experiments/table10.csv",
        failures=f"{RESULTS}/experiments/table10.failures.csv",
        supervised=[
            f"{RESULTS}/one_shot/{cls}/{name}.csv"
            for cls in (FEW_SHOT and FEW_SHOT.classes) or STUDY.class_names
            for name in STUDY.methods_of(cls)
            if name in SUPERVISED
        ],
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table10.tex",
        csv=f"{RESULTS}/table10.csv",
    log:
        f"{LOGS}/table10.log",
    params:
        module="table10",
        options=EXPERIMENT_OPTIONS.get("table10"),
        code=code("paper.py", "onemask.paper.table10"),


use rule table1 as tableA1 with:
    input:
        generators=per_class(GENERATOR),
        labels=per_class(repository("config/labels/{cls}.yaml")),
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/tableA1.tex",
        csv=f"{RESULTS}/tableA1.csv",
    log:
        f"{LOGS}/tableA1.log",
    params:
        module="tableA1",
        options={
            "study": STUDY.study,
            "truncation": STUDY.truncation,
            "methods": {
                name: method.model_dump(mode="json", include={"title", "head"})
                | {"settings": own_defaults(method.module) | method.settings}
                for name, method in STUDY.methods.items()
            },
            "classes": {
                cls: {name: getattr(STUDY.classes[cls], name).model_dump(mode="json") for name in A1_SECTIONS}
                for cls in STUDY.class_names
            },
        },
        code=code("paper.py", "onemask.paper.tableA1"),


use rule table1 as table_ablations with:
    input:
        rows=[f"{RESULTS}/experiments/{name}.csv" for name in ABLATIONS],
        failures=[f"{RESULTS}/experiments/{name}.failures.csv" for name in ABLATIONS],
    output:
        tex=f"{RESULTS}/table_ablations.tex",
        csv=f"{RESULTS}/table_ablations.csv",
    log:
        f"{LOGS}/table_ablations.log",
    params:
        module="table_ablations",
        options={
            "methods": TITLES,
            "grids": {name: list(STUDY.experiments[name].grid) for name in ABLATIONS},
            "bases": {name: STUDY.experiments[name].base for name in ABLATIONS},
        },
        code=code("paper.py", "onemask.paper.table_ablations"),
