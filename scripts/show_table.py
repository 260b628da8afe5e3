"""Print a table2.csv, how far the annotators agree, and where the files are: the end of `make demo`."""

import sys
from pathlib import Path

from onemask.errors import one_line_errors
from onemask.files import read_json
from onemask.paper.table2 import print_table, read_csv

with one_line_errors():
    path = Path(sys.argv[1])
    print_table(path)
    print()
    print("annotators (two, from different seeds): IoU between them on the test images, that is, what means nothing")
    for study, name in read_csv(path)[["study", "class"]].drop_duplicates().values:
        report = read_json(path.parent / study / "annotators" / f"{name}.json")
        if agreement := report.get("agreement"):
            print(f"{name:<8}wIoU_fg {100 * agreement['wiou_fg']:.1f}   mIoU {100 * agreement['miou']:.1f}")
    print()
    print(f"LaTeX table     {path.with_suffix('.tex')}")
    print(f"its values      {path}")
    print("one row per class, method, exemplar, test image and label: results/<study>/one_shot/<class>/<method>.csv")
