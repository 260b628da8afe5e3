# Table 3 (Section 7.2): does synthetic data, annotated by a one-shot method, help a supervised segmenter?

SYNTHETIC = STUDY.downstream.real * max(STUDY.downstream.ratios)  # images per class, method and run
SDANET = bool(sdanet_files("csv"))
DOWNSTREAM_TABLES = ["table3", *(["table_sdanet"] if SDANET else [])]
DOWNSTREAM_FIGURES = [
    "fig_downstream",
    "fig_downstream_examples",
    *(["fig_sdanet", "fig_sdanet_examples"] if SDANET else []),
]
TRAINING = STUDY.downstream.model_dump(
    mode="json", include={"steps", "batch", "learning_rate", "weight_decay", "evaluate_every"}
)


rule render_pairs:
    # The demo's real annotated images: renders that no generator was trained on, with exact masks.
    output:
        f"{RESULTS}/downstream/{{cls}}/real.npz",
    log:
        f"{LOGS}/render_pairs/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=1500,
    params:
        images={
            "real": ("downstream_train", 0, STUDY.downstream.real),
            "validation": ("downstream_validation", 0, STUDY.downstream.validation),
            "test": ("test", 0, STUDY.downstream.test),
        },
        resolution=lambda w: class_of(w).resolution,
        world=world_options,
        version=STUDY.version,
        code=lambda w: code("render_pairs.py", f"onemask.demo.{w.cls}"),
    script:
        "../../scripts/render_pairs.py"


rule real_pairs:
    input:
        annotated=ANNOTATED,
        labels=labels,
        mapping=mapping,
    output:
        f"{RESULTS}/downstream/{{cls}}/real.npz",
    log:
        f"{LOGS}/real_pairs/{{cls}}.log",
    wildcard_constraints:
        cls=REAL_IMAGES,
    threads: 1
    resources:
        mem_mb=6000,
    params:
        real=section("real"),
        scans=scan_options,
        images={name: getattr(STUDY.downstream, name) for name in ("real", "validation", "test")},
        resolution=lambda w: class_of(w).resolution,
        seed=seed("{cls}", "real images"),
        code=lambda w: code("real_pairs.py", f"onemask.data.{class_of(w).real.data_set}"),
    script:
        "../../scripts/real_pairs.py"


ruleorder: real_pairs > render_pairs


rule synthesise_pairs:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=synthesis_clustering,
    output:
        f"{RESULTS}/synthetic/{{cls}}/{{method}}.{{run}}.npz",
    log:
        f"{LOGS}/synthesise_pairs/{{cls}}/{{method}}.{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/synthesise_pairs/{{cls}}/{{method}}.{{run}}.tsv"
    wildcard_constraints:
        method=rf"(?!({'|'.join(REFERENCES)})\.)[a-z][a-z0-9_]*",  # those have rules of their own
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes,
    params:
        method=method_settings,
        heads=section("heads"),
        loader=clustering_loader,
        images=SYNTHETIC,
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "{method}"),
        samples=seed("{cls}", "downstream samples", "{run}"),
        code=lambda w: code("synthesise_pairs.py", *method_modules(w)),
    script:
        "../../scripts/synthesise_pairs.py"


use rule render_pairs as render_further_pairs with:
    # A control's reference in the place of synthetic images: further renders with exact masks.
    output:
        f"{RESULTS}/synthetic/{{cls}}/renders.{{run}}.npz",
    log:
        f"{LOGS}/render_further_pairs/{{cls}}.{{run}}.log",
    params:
        images=lambda w: {
            "synthetic": ("downstream_train", STUDY.downstream.real + int(w.run) * SYNTHETIC, SYNTHETIC),
        },
        resolution=lambda w: class_of(w).resolution,
        world=world_options,
        version=STUDY.version,
        code=lambda w: code("render_pairs.py", f"onemask.demo.{w.cls}"),


rule annotator_pairs:
    # Another one: a run's generated images with the labels of the annotator that made the annotated set.
    input:
        generator=GENERATOR,
        annotator=ANNOTATOR.replace("{which}", "first"),
    output:
        f"{RESULTS}/synthetic/{{cls}}/annotator.{{run}}.npz",
    log:
        f"{LOGS}/annotator_pairs/{{cls}}.{{run}}.log",
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        images=SYNTHETIC,
        truncation=STUDY.truncation,
        version=STUDY.version,
        samples=seed("{cls}", "downstream samples", "{run}"),
        code=code("annotator_pairs.py"),
    script:
        "../../scripts/annotator_pairs.py"


rule train_downstream:
    # All conditions of a run start from the same weights.
    input:
        real=rules.render_pairs.output[0],
        synthetic=lambda w: [] if w.method == REAL else rules.synthesise_pairs.output[0].format(**w),  # or a reference
        labels=labels,
    output:
        rows=f"{RESULTS}/downstream/{{cls}}/{{method}}.{{ratio}}.{{run}}.csv",
        curve=f"{RESULTS}/downstream/{{cls}}/{{method}}.{{ratio}}.{{run}}.curve.csv",
        pictures=f"{RESULTS}/downstream/{{cls}}/{{method}}.{{ratio}}.{{run}}.npz",
    log:
        f"{LOGS}/train_downstream/{{cls}}/{{method}}.{{ratio}}.{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/train_downstream/{{cls}}/{{method}}.{{ratio}}.{{run}}.tsv"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=1440,
    params:
        study=STUDY.study,
        real=STUDY.downstream.real,
        settings=TRAINING,
        backbone=STUDY.downstream.backbone,
        version=STUDY.version,
        seed=seed("{cls}", "downstream", "{run}"),
        state=f"{RESULTS}/downstream/{{cls}}/{{method}}.{{ratio}}.{{run}}.state.safetensors",
        code=code("train_downstream.py"),
    script:
        "../../scripts/train_downstream.py"


use rule train_downstream as train_control with:
    output:
        rows=f"{RESULTS}/controls/{{control}}/{{cls}}/{{method}}.{{ratio}}.{{run}}.csv",
        curve=f"{RESULTS}/controls/{{control}}/{{cls}}/{{method}}.{{ratio}}.{{run}}.curve.csv",
        pictures=f"{RESULTS}/controls/{{control}}/{{cls}}/{{method}}.{{ratio}}.{{run}}.npz",
    log:
        f"{LOGS}/train_control/{{control}}/{{cls}}/{{method}}.{{ratio}}.{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/train_control/{{control}}/{{cls}}/{{method}}.{{ratio}}.{{run}}.tsv"
    params:
        study=STUDY.study,
        real=lambda w: control_of(w).real or STUDY.downstream.real,
        settings=lambda w: TRAINING | {"steps": control_of(w).steps or STUDY.downstream.steps},
        backbone=STUDY.downstream.backbone,
        version=STUDY.version,
        seed=seed("{cls}", "downstream", "{run}"),
        state=f"{RESULTS}/controls/{{control}}/{{cls}}/{{method}}.{{ratio}}.{{run}}.state.safetensors",
        code=code("train_downstream.py"),


rule gather_downstream:
    input:
        rows=downstream_files("csv"),
        curves=downstream_files("curve.csv"),
    output:
        rows=f"{RESULTS}/downstream.csv",
        curves=f"{RESULTS}/downstream_curves.csv",
    log:
        f"{LOGS}/gather_downstream.log",
    threads: 1
    resources:
        mem_mb=1000,
    params:
        runs=[dict(zip(("class", "method", "ratio", "run"), each)) for each in downstream_runs()],
        code=code("gather_downstream.py"),
    script:
        "../../scripts/gather_downstream.py"


use rule gather_downstream as gather_controls with:
    input:
        rows=lambda w: control_files("csv"),
        curves=lambda w: control_files("curve.csv"),
    output:
        rows=f"{RESULTS}/controls.csv",
        curves=f"{RESULTS}/controls_curves.csv",
    log:
        f"{LOGS}/gather_controls.log",
    params:
        runs=control_runs(),
        code=code("gather_downstream.py"),


use rule table1 as table3 with:
    input:
        rows=rules.gather_downstream.output.rows,
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table3.tex",
        csv=f"{RESULTS}/table3.csv",
    log:
        f"{LOGS}/table3.log",
    params:
        module="table3",
        options={"methods": TITLES, "settings": STUDY.downstream.model_dump(mode="json")},
        code=code("paper.py", "onemask.paper.table3"),


use rule table1 as table_controls with:
    # By request: more than an hour of trainings that tell what Table 3's effects are made of.
    input:
        rows=rules.gather_downstream.output.rows,
        controls=rules.gather_controls.output.rows,
    output:
        tex=f"{RESULTS}/table_controls.tex",
        csv=f"{RESULTS}/table_controls.csv",
    log:
        f"{LOGS}/table_controls.log",
    params:
        module="table_controls",
        options={"methods": TITLES, "settings": STUDY.downstream.model_dump(mode="json", include={"real", "steps"})},
        code=code("paper.py", "onemask.paper.table_controls"),


use rule fig1 as fig_downstream with:
    input:
        rows=rules.gather_downstream.output.rows,
        curves=rules.gather_downstream.output.curves,
    output:
        pdf=f"{RESULTS}/fig_downstream.pdf",
        png=report(f"{RESULTS}/fig_downstream.png", caption="../report/fig_downstream.rst", category="Figures"),
    log:
        f"{LOGS}/fig_downstream.log",
    params:
        module="fig_downstream",
        options={"methods": TITLES},
        code=code("paper.py", "onemask.paper.fig_downstream"),


use rule fig1 as fig_downstream_examples with:
    # Run 0, with as many synthetic images as there are.
    input:
        pictures=[
            f"{RESULTS}/downstream/{cls}/{method}.{ratio}.{run}.npz"
            for cls, method, ratio, run in downstream_runs()
            if run == 0 and ratio in (0, max(STUDY.downstream.ratios))
        ],
        labels=[repository(f"config/labels/{cls}.yaml") for cls in DOWNSTREAM_CLASSES],
    output:
        pdf=f"{RESULTS}/fig_downstream_examples.pdf",
        png=report(
            f"{RESULTS}/fig_downstream_examples.png",
            caption="../report/fig_downstream_examples.rst",
            category="Pictures",
        ),
    log:
        f"{LOGS}/fig_downstream_examples.log",
    params:
        module="fig_downstream_examples",
        options={
            "study": STUDY.study,
            "classes": DOWNSTREAM_CLASSES,
            "shown": [
                [cls, method]
                for cls, method, ratio, run in downstream_runs()
                if run == 0 and ratio in (0, max(STUDY.downstream.ratios))
            ],
            "titles": {REAL: "Real images alone"}
            | {name: STUDY.methods[name].title for name in STUDY.downstream.methods},
            "ratio": max(STUDY.downstream.ratios),
        },
        code=code("paper.py", "onemask.paper.fig_downstream_examples"),


rule scan_instances:
    # Annotated scans by split, of the items that the case study segments.
    input:
        simulated_scans,
    output:
        f"{RESULTS}/sdanet/{{cls}}/real.npz",
    log:
        f"{LOGS}/scan_instances/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        item_names=lambda w: rare_labels(w.cls),
        counts={name: getattr(STUDY.sdanet, name) for name in ("real", "validation", "test")},
        scans=lambda w: scans_of(w).model_dump(include={"crop", "skip_bad", "root"}),
        resolution=lambda w: class_of(w).resolution,
        seed=seed("{cls}", "sdanet", "scans"),
        code=code("scan_instances.py"),
    script:
        "../../scripts/scan_instances.py"


rule annotate_items:
    # BagGAN's labelled data set: a binary segmenter per item, all of them on the same samples, by `onemask annotate`.
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=synthesis_clustering,
    output:
        dataset=directory(f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{run}}"),
        instances=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{run}}.npz",
        quality=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{run}}.quality.csv",  # on the annotated test scans
    log:
        f"{LOGS}/annotate_items/{{cls}}.{{method}}.{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/annotate_items/{{cls}}.{{method}}.{{run}}.tsv"
    threads: 1
    resources:
        mem_mb=detector_memory,
        runtime=1440,
    params:
        item_names=lambda w: rare_labels(w.cls),
        method=method_settings,
        heads=section("heads"),
        images=STUDY.sdanet.real * max(STUDY.sdanet.ratios),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "{method}", "sdanet", "{run}"),
        code=lambda w: code("annotate_items.py", *method_modules(w)),
    script:
        "../../scripts/annotate_items.py"


rule train_sdanet:
    input:
        real=rules.scan_instances.output[0],
        synthetic=lambda w: [] if w.method == REAL else rules.annotate_items.output.instances.format(**w),
    output:
        scores=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{ratio}}.{{run}}.csv",
        rows=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{ratio}}.{{run}}.pixels.csv",
        curve=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{ratio}}.{{run}}.curve.csv",
        detections=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{ratio}}.{{run}}.detections.json",  # COCO's results
        pictures=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{ratio}}.{{run}}.pictures.npz",
    log:
        f"{LOGS}/train_sdanet/{{cls}}.{{method}}.{{ratio}}.{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/train_sdanet/{{cls}}.{{method}}.{{ratio}}.{{run}}.tsv"
    threads: 1
    resources:
        mem_mb=detector_memory,
        runtime=1440,
    params:
        study=STUDY.study,
        item_names=lambda w: rare_labels(w.cls),
        body=STUDY.sdanet.body,
        options=STUDY.sdanet.model_dump(
            mode="json",
            include={"steps", "batch", "learning_rate", "momentum", "weight_decay", "warm_up", "evaluate_every"},
        ),
        version=STUDY.version,
        seed=seed("{cls}", "sdanet", "{run}"),
        state=f"{RESULTS}/sdanet/{{cls}}/{{method}}.{{ratio}}.{{run}}.state.safetensors",
        code=code("train_sdanet.py"),
    script:
        "../../scripts/train_sdanet.py"


use rule table1 as table_sdanet with:
    input:
        rows=sdanet_files("csv"),
        published=repository("config/published.yaml"),
    output:
        tex=f"{RESULTS}/table_sdanet.tex",
        csv=f"{RESULTS}/table_sdanet.csv",
    log:
        f"{LOGS}/table_sdanet.log",
    params:
        module="table_sdanet",
        options={
            "settings": STUDY.sdanet.model_dump(mode="json"),
            "title": STUDY.methods[STUDY.sdanet.method].title if STUDY.sdanet.method else None,
        },
        code=code("paper.py", "onemask.paper.table_sdanet"),


use rule fig1 as fig_sdanet with:
    input:
        curves=sdanet_files("curve.csv"),
        rows=sdanet_files("csv"),
    output:
        pdf=f"{RESULTS}/fig_sdanet.pdf",
        png=report(f"{RESULTS}/fig_sdanet.png", caption="../report/fig_sdanet.rst", category="Figures"),
    log:
        f"{LOGS}/fig_sdanet.log",
    params:
        module="fig_sdanet",
        options={},
        code=code("paper.py", "onemask.paper.fig_sdanet"),


use rule fig1 as fig_sdanet_examples with:
    # Run 0 of every ratio.
    input:
        pictures=sdanet_files("pictures.npz", runs=1),
        labels=repository(f"config/labels/{CASE}.yaml"),
    output:
        pdf=f"{RESULTS}/fig_sdanet_examples.pdf",
        png=report(
            f"{RESULTS}/fig_sdanet_examples.png", caption="../report/fig_sdanet_examples.rst", category="Pictures"
        ),
    log:
        f"{LOGS}/fig_sdanet_examples.log",
    params:
        module="fig_sdanet_examples",
        options={"study": STUDY.study, "items": rare_labels(CASE) if CASE else [], "ratios": [0, *STUDY.sdanet.ratios]},
        code=code("paper.py", "onemask.paper.fig_sdanet_examples"),


use rule claims as claims_downstream with:
    input:
        claims=repository("config/claims_downstream.yaml"),
        experiments=[rules.gather_downstream.output.rows],
        sdanet=sdanet_files("pixels.csv"),
    output:
        csv=f"{RESULTS}/claims_downstream.csv",
        tex=f"{RESULTS}/table_claims_downstream.tex",
    log:
        f"{LOGS}/claims_downstream.log",
    params:
        module="claims_table",
        options=CLAIM_OPTIONS | {"runs": True},
        code=code("paper.py", "onemask.paper.claims_table"),


use rule report_tex as report_downstream_tex with:
    input:
        sections=repository("config/report_downstream.yaml"),
        claims=rules.claims_downstream.output.csv,
        tables=[f"{RESULTS}/{name}.tex" for name in [*DOWNSTREAM_TABLES, "table_claims_downstream"]],
        figures=[f"{RESULTS}/{name}.pdf" for name in DOWNSTREAM_FIGURES],
    output:
        tex=f"{RESULTS}/report_downstream.tex",
    log:
        f"{LOGS}/report_downstream_tex.log",
    params:
        module="report",
        options={
            "study": STUDY.study,
            "titles": {},
            "has": ["case_study"] if "table_sdanet" in DOWNSTREAM_TABLES else [],
        },
        code=code("paper.py", "onemask.paper.report"),


use rule report_pdf as report_downstream_pdf with:
    input:
        tex=rules.report_downstream_tex.output.tex,
        figures=[f"{RESULTS}/{name}.pdf" for name in DOWNSTREAM_FIGURES],
    output:
        f"{RESULTS}/report_downstream.pdf",
    log:
        f"{LOGS}/report_downstream_pdf.log",


rule downstream:
    # Beside `paper`: many trainings (docs/downstream.md).
    input:
        [f"results/{name}.{kind}" for name in DOWNSTREAM_TABLES for kind in ("tex", "csv")],
        [f"results/{name}.{kind}" for name in DOWNSTREAM_FIGURES for kind in ("pdf", "png")],
        "results/claims_downstream.csv",
        "results/report_downstream.tex",
        [f"{RESULTS}/html/{name}.html" for name in [*DOWNSTREAM_TABLES, "claims_downstream"]],
