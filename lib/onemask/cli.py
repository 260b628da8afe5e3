"""The command `onemask`: what one does with a generator outside of a study's workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="Segment everything a StyleGAN2 generates, from one annotated image.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def main() -> None:
    """Segment everything a StyleGAN2 generates, from one annotated image."""


@app.command()
def annotate(
    generator: Annotated[Path, typer.Argument(help="onemask's safetensors, or any file that `convert` takes")],
    out: Annotated[Path, typer.Argument(help="folder of the labelled data set; an unfinished one is completed")],
    count: Annotated[int, typer.Option(min=1, help="images to label")] = 1000,
    label_map: Annotated[
        Path | None, typer.Option(help="the one annotation: a PNG whose values are the labels, of the generator's size")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="names and colours, as config/labels/face.yaml has them")] = None,
    image_seed: Annotated[int | None, typer.Option(help="the annotated image is the sample of this seed")] = None,
    latent: Annotated[Path | None, typer.Option(help="or of this W+ latent, an npy [num_ws, w_dim] or [w_dim]")] = None,
    image: Annotated[Path | None, typer.Option(help="or this image, inverted into W+")] = None,
    labeller: Annotated[
        list[Path] | None,
        typer.Option(help="not an annotation but OUT/labeller of an earlier run; of several the surest has a pixel"),
    ] = None,
    method: Annotated[str, typer.Option(help="one of the study's methods")] = "hfc_swav_fcn",
    study: Annotated[str, typer.Option(help="the study whose settings are used")] = "demo",
    truncation: Annotated[float, typer.Option(min=0.0, max=1.0, help="psi of the samples")] = 0.7,
    seed: int = 0,
    most_certain: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="share of images to keep, the most certain (heads, datasetgan)")
    ] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="images at a time; fewer where their maps are large")] = 8,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads")] = 1,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one")] = "cpu",
) -> None:
    """Label COUNT generated images from one annotated image, as a COCO data set."""
    from onemask.annotation.command import Request, run  # torch takes seconds to import: not for --help
    from onemask.errors import one_line_errors

    request = Request(
        generator=generator,
        out=out,
        count=count,
        label_map=label_map,
        labels=labels,
        image_seed=image_seed,
        latent=latent,
        image=image,
        labellers=tuple(labeller or ()),
        method=method,
        study=study,
        truncation=truncation,
        seed=seed,
        most_certain=most_certain,
        batch=batch,
        threads=threads,
        device=device,
    )
    with one_line_errors():
        run(request)


@app.command()
def label(
    generator: Annotated[str, typer.Option(help="a checkpoint's file, study:class as demo:face, or real_faces")],
    out: Annotated[Path | None, typer.Option(help="folder of the session; one that is there is continued")] = None,
    labels: Annotated[Path | None, typer.Option(help="names and colours; a study's class brings its own")] = None,
    clustering: Annotated[Path | None, typer.Option(help="a clustering that is there already; else it is made")] = None,
    method: Annotated[str | None, typer.Option(help="of the study; else SwAV with an FCN, on real faces MLP")] = None,
    study: Annotated[str, typer.Option(help="the study whose settings are used")] = "demo",
    truncation: Annotated[
        float | None, typer.Option(min=0.01, max=1.0, help="psi of the samples at first; the study's, or 0.7")
    ] = None,
    host: Annotated[str, typer.Option(help="another than loopback asks every visitor for a token")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads")] = 1,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one")] = "cpu",
) -> None:
    """A page in the browser: paint one generated sample, see the others being segmented."""
    from onemask.errors import OnemaskError, one_line_errors

    with one_line_errors():
        try:
            from onemask.labelling.command import Options, label
        except ModuleNotFoundError as missing:
            remedy = "pip install -c constraints.txt -e '.[label]'"
            raise OnemaskError(f"{missing.name} is not installed: {remedy}") from None
        label(Options(generator, out, labels, clustering, method, study, truncation, host, port, threads, device))


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="StyleGAN2-ADA's or StyleGAN2's .pkl, or rosinality's .pt")],
    out: Annotated[Path, typer.Argument(help="the safetensors to write; its model card is written beside it, as .md")],
    url: Annotated[str | None, typer.Option(help="where the checkpoint is from, for the card")] = None,
    page: Annotated[str | None, typer.Option(help="where it is described, for the card")] = None,
    licence: Annotated[str | None, typer.Option(help="its licence, for the card")] = None,
) -> None:
    """Convert a generator's checkpoint to safetensors; nothing that it holds is run."""
    from onemask.checkpoints.convert import convert as convert_checkpoint
    from onemask.errors import one_line_errors

    with one_line_errors():
        convert_checkpoint(checkpoint, out, out.with_suffix(".md"), {"url": url, "page": page, "licence": licence})
    print(out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    app()
