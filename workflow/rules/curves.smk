# Curves: IoU against detection (Fig. 11, B1) and the sweeps of Section 9 (Fig. 14, Sinkhorn), drawn without torch.


use rule table1 as fig11 with:
    input:
        rows=per_method(f"{RESULTS}/one_shot/{{cls}}/{{method}}.csv"),
    output:
        pdf=f"{RESULTS}/fig11.pdf",
        png=report(f"{RESULTS}/fig11.png", caption="../report/fig11.rst", category="Figures"),
    log:
        f"{LOGS}/fig11.log",
    params:
        module="fig11",
        options={"methods": TITLES},
        code=code("paper.py", "onemask.paper.fig11"),


use rule fig11 as figB1 with:
    output:
        pdf=f"{RESULTS}/figB1.pdf",
        png=report(f"{RESULTS}/figB1.png", caption="../report/figB1.rst", category="Figures"),
    log:
        f"{LOGS}/figB1.log",
    params:
        module="figB1",
        code=code("paper.py", "onemask.paper.figB1"),


use rule table1 as fig14a with:
    input:
        rows=f"{RESULTS}/experiments/fig14a.csv",
        reference=sweep_reference("fig14a"),
    output:
        pdf=f"{RESULTS}/fig14a.pdf",
        png=report(f"{RESULTS}/fig14a.png", caption="../report/fig14a.rst", category="Figures"),
    log:
        f"{LOGS}/fig14a.log",
    params:
        module="fig14a",
        options=sweep_options("fig14a"),
        code=code("paper.py", "onemask.paper.fig14a"),


use rule fig14a as fig14b with:
    input:
        rows=f"{RESULTS}/experiments/fig14b.csv",
        reference=sweep_reference("fig14b"),
    output:
        pdf=f"{RESULTS}/fig14b.pdf",
        png=report(f"{RESULTS}/fig14b.png", caption="../report/fig14b.rst", category="Figures"),
    log:
        f"{LOGS}/fig14b.log",
    params:
        module="fig14b",
        options=sweep_options("fig14b"),
        code=code("paper.py", "onemask.paper.fig14b"),


use rule fig14a as fig14c with:
    input:
        rows=f"{RESULTS}/experiments/fig14c.csv",
        reference=sweep_reference("fig14c"),
    output:
        pdf=f"{RESULTS}/fig14c.pdf",
        png=report(f"{RESULTS}/fig14c.png", caption="../report/fig14c.rst", category="Figures"),
    log:
        f"{LOGS}/fig14c.log",
    params:
        module="fig14c",
        options=sweep_options("fig14c"),
        code=code("paper.py", "onemask.paper.fig14c"),


use rule fig14a as fig_sinkhorn with:
    input:
        rows=f"{RESULTS}/experiments/sinkhorn.csv",
        reference=sweep_reference("sinkhorn"),
        iterations=f"{RESULTS}/experiments/sinkhorn_iterations.csv",
    output:
        pdf=f"{RESULTS}/fig_sinkhorn.pdf",
        png=report(f"{RESULTS}/fig_sinkhorn.png", caption="../report/fig_sinkhorn.rst", category="Figures"),
    log:
        f"{LOGS}/fig_sinkhorn.log",
    params:
        module="fig_sinkhorn",
        options=sweep_options("sinkhorn"),
        code=code("paper.py", "onemask.paper.fig_sinkhorn"),
