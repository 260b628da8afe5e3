"""Print a table2.csv and say where the files are: the end of `make demo`."""

import sys
from pathlib import Path

from onemask.errors import one_line_errors
from onemask.paper.table2 import print_table

with one_line_errors():
    path = Path(sys.argv[1])
    print_table(path)
    print()
    print(f"LaTeX table     {path.with_suffix('.tex')}")
    print(f"its values      {path}")
    print("one row per class, method, exemplar, test image and label: results/<study>/one_shot/<class>/<method>.csv")
