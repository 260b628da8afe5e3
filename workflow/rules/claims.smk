# Verdicts on the paper's claims (config/claims.yaml) out of every result that the study has, without torch.


use rule table1 as claims with:
    input:
        claims=repository("config/claims.yaml"),
        one_shot=per_method(f"{RESULTS}/one_shot/{{cls}}/{{method}}.csv"),
        rare=per_rare(f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}.csv", STUDY.rare.methods),
        speed=per_class(f"{RESULTS}/speed/{{cls}}.csv"),
        experiments=[f"{RESULTS}/experiments/{name}.csv" for name in STUDY.experiments],
    output:
        csv=f"{RESULTS}/claims.csv",
        tex=f"{RESULTS}/table_claims.tex",
    log:
        f"{LOGS}/claims.log",
    params:
        module="claims_table",
        options={"study": STUDY.study, "seed": derive_seed(STUDY.seed, "claims"), "resamples": 2000},
        code=code("paper.py", "onemask.paper.claims_table"),
