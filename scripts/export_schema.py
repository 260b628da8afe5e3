"""Write workflow/schemas/study.schema.json from the models of onemask.sections (`make schema`)."""

from pathlib import Path

from onemask.config import json_schema
from onemask.files import write_json

write_json(Path(__file__).resolve().parents[1] / "workflow/schemas/study.schema.json", json_schema())
