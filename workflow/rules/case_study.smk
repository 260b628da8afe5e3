# The case study of Section 8 and Appendix C: Table 6, Figures 13, C2, C3, C4 of the class that is marked as one.
CASE_METHODS = [name for name in STUDY.rare.methods if CASE and name in STUDY.methods_of(CASE)]
CASE_ITEMS = rare_labels(CASE) if CASE else []
FIG13_ITEMS = [name for name in ("pliers", "hammer", "wrench") if name in CASE_ITEMS]
SAMPLES = {"samples": 300, "each": 8, "first_seed": 900_000_000}


rule sort_samples:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=clustering_of,
    output:
        f"{RESULTS}/sorted/{{cls}}/{{method}}.npz",
    log:
        f"{LOGS}/sort_samples/{{cls}}/{{method}}.log",
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        **SAMPLES,
        method=method_settings,
        heads=section("heads"),
        loader=clustering_loader,
        item_names=lambda w: rare_labels(w.cls),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "{method}", "sorted"),
        code=lambda w: code("sort_samples.py", *method_modules(w)),
    script:
        "../../scripts/sort_samples.py"


rule sample_scans:
    input:
        generator=GENERATOR,
    output:
        f"{RESULTS}/scans/{{cls}}.npz",
    log:
        f"{LOGS}/sample_scans/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=1500,
    params:
        each=8,
        first_seed=SAMPLES["first_seed"],
        world=world_options,
        archive=lambda w: scans_of(w).root,
        crop=lambda w: scans_of(w).crop,
        skip_bad=lambda w: scans_of(w).skip_bad,
        truncation=STUDY.truncation,
        version=STUDY.version,
        code=code("sample_scans.py", "onemask.demo.baggage"),
    script:
        "../../scripts/sample_scans.py"


rule score_milestones:
    # By request, like score_generator: needs the extra `score`.
    input:
        images=f"{RESULTS}/renders/{{cls}}.npy",
        milestones=f"{RESULTS}/generators/{{cls}}/milestones",
    output:
        f"{RESULTS}/generators/{{cls}}/scores.csv",
    log:
        f"{LOGS}/score_milestones/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=2000,
    params:
        samples=2000,
        seed=seed("{cls}", "scores"),
        code=code("score_milestones.py"),
    script:
        "../../scripts/score_milestones.py"


use rule score_milestones as score_loss with:
    input:
        images=f"{RESULTS}/renders/{{cls}}.npy",
        milestones=f"{RESULTS}/losses/{{cls}}/{{loss}}.{{kimg}}k/milestones",
    output:
        f"{RESULTS}/losses/{{cls}}/{{loss}}.{{kimg}}k/scores.csv",
    log:
        f"{LOGS}/score_loss/{{cls}}.{{loss}}.{{kimg}}k.log",


use rule table1 as table_losses with:
    # By request, like the scores that it reads.
    input:
        metrics=losses_files(CASE, STUDY.losses.kimg, "metrics.csv"),
        scores=losses_files(CASE, STUDY.losses.kimg, "scores.csv"),
    output:
        tex=f"{RESULTS}/table_losses.tex",
        csv=f"{RESULTS}/table_losses.csv",
    log:
        f"{LOGS}/table_losses.log",
    params:
        module="table_losses",
        options={
            "study": STUDY.study,
            "class": CASE,
            "losses": (
                {name: loss_settings(CASE, name, STUDY.losses.kimg) for name in STUDY.losses.presets} if CASE else {}
            ),
        },
        code=code("paper.py", "onemask.paper.table_losses"),


use rule table4 as table6 with:
    input:
        rows=expand(f"{RESULTS}/rare/{CASE}/{{label}}/{{method}}.csv", label=CASE_ITEMS, method=CASE_METHODS),
        failures=expand(
            f"{RESULTS}/rare/{CASE}/{{label}}/{{method}}.failures.csv", label=CASE_ITEMS, method=CASE_METHODS
        ),
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table6.tex",
        csv=f"{RESULTS}/table6.csv",
    log:
        f"{LOGS}/table6.log",
    params:
        module="table6",
        options={"methods": TITLES, "classes": {CASE: CASE_ITEMS}},
        code=code("paper.py", "onemask.paper.table6"),


use rule fig1 as fig13 with:
    input:
        pictures=[f"{RESULTS}/rare/{CASE}/{label}/{PICTURED}.npz" for label in FIG13_ITEMS],
        contents=pictures_of(CASE, PICTURED),
        labels=repository(f"config/labels/{CASE}.yaml"),
    output:
        pdf=f"{RESULTS}/fig13.pdf",
        png=report(f"{RESULTS}/fig13.png", caption="../report/fig13.rst", category="Pictures"),
    log:
        f"{LOGS}/fig13.log",
    params:
        module="fig13",
        options={
            "study": STUDY.study,
            "method": STUDY.methods[PICTURED].title,
            "items": FIG13_ITEMS,
            "unseen": 6,
        },
        code=code("paper.py", "onemask.paper.fig13"),


use rule fig1 as figC2 with:
    input:
        metrics=f"{RESULTS}/generators/{CASE}/metrics.csv",
        scores=f"{RESULTS}/generators/{CASE}/scores.csv",
    output:
        pdf=f"{RESULTS}/figC2.pdf",
        png=f"{RESULTS}/figC2.png",
    log:
        f"{LOGS}/figC2.log",
    params:
        module="figC2",
        options={
            "study": STUDY.study,
            "class": CASE,
            "loss": STUDY.classes[CASE].generator_training.loss if CASE else None,
        },
        code=code("paper.py", "onemask.paper.figC2"),


use rule fig1 as figC3 with:
    input:
        pictures=f"{RESULTS}/sorted/{CASE}/{PICTURED}.npz",
        labels=repository(f"config/labels/{CASE}.yaml"),
    output:
        pdf=f"{RESULTS}/figC3.pdf",
        png=report(f"{RESULTS}/figC3.png", caption="../report/figC3.rst", category="Pictures"),
    log:
        f"{LOGS}/figC3.log",
    params:
        module="figC3",
        options={
            "study": STUDY.study,
            "method": STUDY.methods[PICTURED].title,
            "items": CASE_ITEMS,
            "samples": SAMPLES["samples"],
            "shown": SAMPLES["each"],
        },
        code=code("paper.py", "onemask.paper.figC3"),


use rule fig1 as figC4 with:
    input:
        scans=f"{RESULTS}/scans/{CASE}.npz",
    output:
        pdf=f"{RESULTS}/figC4.pdf",
        png=report(f"{RESULTS}/figC4.png", caption="../report/figC4.rst", category="Pictures"),
    log:
        f"{LOGS}/figC4.log",
    params:
        module="figC4",
        options={"study": STUDY.study},
        code=code("paper.py", "onemask.paper.figC4"),
