# Verdicts on the paper's claims (config/claims.yaml) out of every result that the study has, without torch.

CLAIM_OPTIONS = {"study": STUDY.study, "seed": derive_seed(STUDY.seed, "claims"), "resamples": 2000}
# LAGM's samples are no clustering: it starts from one seed, as do the methods that have none.
CLUSTERED = [name for name, method in STUDY.methods.items() if method.clustering not in (None, "samples")]
RARE_RUNS = rare_runs(f"{RESULTS}/rare/{{cls}}/{{label}}/{{method}}")


use rule table1 as claims with:
    input:
        claims=repository("config/claims.yaml"),
        one_shot=per_method(f"{RESULTS}/one_shot/{{cls}}/{{method}}.csv"),
        rare=list(RARE_RUNS),
        speed=per_class(f"{RESULTS}/speed/{{cls}}.csv"),
        experiments=[f"{RESULTS}/experiments/{name}.csv" for name in STUDY.experiments],
    output:
        csv=f"{RESULTS}/claims.csv",
        tex=f"{RESULTS}/table_claims.tex",
    log:
        f"{LOGS}/claims.log",
    params:
        module="claims_table",
        options=CLAIM_OPTIONS | {"rare_replicates": list(RARE_RUNS.values()), "clustered": CLUSTERED},
        code=code("paper.py", "onemask.paper.claims_table"),
