"""What every section is made of: the base model, types with their bounds, and where a file comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Base of every section: frozen, and a key that the model does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Resolution = Literal[32, 64, 128, 256, 512, 1024]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="hex SHA-256; `sha256sum FILE` prints it")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
REAL = "real"  # in the place of a method: a downstream training without synthetic images
REFERENCES = ("renders", "annotator")  # likewise, in the controls: what real images and the annotator's labels give
RELEASED = "released"  # the authors' own latents and label maps: no images to invert


class Source(Section):
    """Where a file comes from: `zoo` (this repository), `url` (the web) or `train` (a rule here makes it).

    Generators may be a `checkpoint` as well: another project's format, from its `url` or a `file` of yours, converted;
    annotated sets `real`: images of the class's section `real`.
    A checkpoint's URL without `sha256` is trusted on first use: config/downloads.lock.json then holds its hash.
    """

    source: Literal["zoo", "url", "train", "real", "checkpoint"]
    file: str | None = None
    url: str | None = None
    sha256: Sha256 | None = None
    licence: str | None = Field(None, description="to be accepted (`accepted_licences`) before it is fetched")
    page: str | None = Field(None, description="where the file and its licence are described")

    @model_validator(mode="after")
    def _complete(self) -> Source:
        where = {"zoo": "file", "url": "url"}.get(self.source)
        if where and not (getattr(self, where) and self.sha256):
            raise ValueError(f"source: {self.source} needs `{where}` and `sha256`")
        if self.source == "checkpoint" and (self.file is None) == (self.url is None):
            raise ValueError("source: checkpoint needs either `url` or `file`")
        return self
