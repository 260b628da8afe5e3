# Figures made of pictures (1, 6, 7, 9, 12): a few images per class or method, kept as npz, then drawn without torch.
PICTURED = "hfc_swav_fcn" if "hfc_swav_fcn" in STUDY.methods else next(iter(STUDY.methods))
FIG1_CLASSES = [cls for cls in STUDY.classes if PICTURED in STUDY.methods_of(cls)]
PERTURBED = "face" if "face" in STUDY.classes else STUDY.class_names[0]
RARE = {cls: label for cls, label in (("face", "eye_g"), ("horse", "rider")) if cls in STUDY.classes}
# fitted on the one annotated image; copy_mask's prediction is the exemplar's annotation, which stands in Fig. 9 anyway
ONE_SHOT = [
    name for name, method in STUDY.methods.items() if method.fit_split == "exemplars" and method.module != "copy_mask"
]
FIG9 = [[cls, name] for cls in STUDY.class_names for name in ONE_SHOT if name in STUDY.methods_of(cls)]
FIG9_CLASSES = list(dict.fromkeys(cls for cls, _ in FIG9))
FIG12 = [
    [cls, label, name] for cls, label in RARE.items() for name in STUDY.rare.methods if name in STUDY.methods_of(cls)
]


rule sample_perturbations:
    input:
        generator=GENERATOR,
    output:
        f"{RESULTS}/perturbations/{{cls}}.npz",
    log:
        f"{LOGS}/sample_perturbations/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=memory(2000, fixed=1700),
    params:
        samples=lambda w: {
            "strengths": [0.3, 0.6, 0.9, 1.0],
            "identities": 2,
            "samples": 4,
            "truncation": STUDY.truncation,
            "seed": derive_seed(STUDY.seed, w.cls, "perturbations"),
        },
        version=STUDY.version,
        code=code("sample_perturbations.py"),
    script:
        "../../scripts/sample_perturbations.py"


rule fig1:
    input:
        pictures=[pictures_of(cls, PICTURED) for cls in FIG1_CLASSES],
        labels=[repository(f"config/labels/{cls}.yaml") for cls in FIG1_CLASSES],
    output:
        pdf=f"{RESULTS}/fig1.pdf",
        png=report(f"{RESULTS}/fig1.png", caption="../report/fig1.rst", category="Pictures"),
    log:
        f"{LOGS}/fig1.log",
    threads: 1
    resources:
        mem_mb=memory(1000, fixed=880),
    params:
        module="fig1",
        options={
            "study": STUDY.study,
            "classes": FIG1_CLASSES,
            "method": STUDY.methods[PICTURED].title,
            "unseen": 7,
            "opacity": 0.75,
        },
        code=code("paper.py", "onemask.paper.fig1"),
    script:
        "../../scripts/paper.py"


use rule fig1 as fig6 with:
    input:
        samples=f"{RESULTS}/perturbations/{PERTURBED}.npz",
    output:
        pdf=f"{RESULTS}/fig6.pdf",
        png=report(f"{RESULTS}/fig6.png", caption="../report/fig6.rst", category="Pictures"),
    log:
        f"{LOGS}/fig6.log",
    params:
        module="fig6",
        options={
            "study": STUDY.study,
            "class": PERTURBED,
            "truncation": STUDY.truncation,
            "strengths": [0.3, 0.6, 0.9],
            "identities": 2,
            "columns": 3,
        },
        code=code("paper.py", "onemask.paper.fig6"),


use rule fig1 as fig7 with:
    input:
        samples=f"{RESULTS}/perturbations/{PERTURBED}.npz",
    output:
        pdf=f"{RESULTS}/fig7.pdf",
        png=report(f"{RESULTS}/fig7.png", caption="../report/fig7.rst", category="Pictures"),
    log:
        f"{LOGS}/fig7.log",
    params:
        module="fig7",
        options={
            "study": STUDY.study,
            "class": PERTURBED,
            "truncation": STUDY.truncation,
            "strength": 1.0,
            "columns": 4,
        },
        code=code("paper.py", "onemask.paper.fig7"),


use rule fig1 as fig9 with:
    input:
        pictures=[f"{RESULTS}/one_shot/{cls}/{name}.npz" for cls, name in FIG9],
        annotated=expand(ANNOTATED, cls=FIG9_CLASSES),
        labels=expand(repository("config/labels/{cls}.yaml"), cls=FIG9_CLASSES),
    output:
        pdf=f"{RESULTS}/fig9.pdf",
        png=report(f"{RESULTS}/fig9.png", caption="../report/fig9.rst", category="Pictures"),
    log:
        f"{LOGS}/fig9.log",
    params:
        module="fig9",
        options={
            "study": STUDY.study,
            "classes": FIG9_CLASSES,
            "shown": FIG9,
            "titles": {name: STUDY.methods[name].title for name in ONE_SHOT},
        },
        code=code("paper.py", "onemask.paper.fig9"),


use rule fig1 as fig12 with:
    input:
        pictures=[f"{RESULTS}/rare/{cls}/{label}/{name}.npz" for cls, label, name in FIG12],
    output:
        pdf=f"{RESULTS}/fig12.pdf",
        png=report(f"{RESULTS}/fig12.png", caption="../report/fig12.rst", category="Pictures"),
    log:
        f"{LOGS}/fig12.log",
    params:
        module="fig12",
        options={
            "study": STUDY.study,
            "shown": FIG12,
            "titles": {name: STUDY.methods[name].title for name in STUDY.rare.methods},
            "each": 5,
        },
        code=code("paper.py", "onemask.paper.fig12"),
