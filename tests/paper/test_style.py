import math

from onemask.paper import style


def test_special_characters_are_escaped():
    assert style.escape("a_b & 5% {x} #1 $") == r"a\_b \& 5\% \{x\} \#1 \$"
    assert style.escape("\\ ~ ^") == r"\textbackslash{} \textasciitilde{} \textasciicircum{}"


def test_scores():
    assert style.latex_score(81.25, 2.04) == r"81.2{\tiny$\pm$2.0}"
    assert style.latex_score(81.26, math.nan, 2, bold=True) == r"\textbf{81.26}"
    assert style.plain_score(81.26, 2.04) == "81.3 ± 2.0 "
    assert style.plain_score(81.26, math.nan, bold=True) == "81.3*"
    assert style.latex_score(math.nan, math.nan) == "--"


def test_columns_are_aligned():
    assert style.aligned([["name", "x"], ["a", "10.0"]]) == ["name     x", "a     10.0"]
