"""What can be said to ``upscale`` and ``restore``: each option's type, name and help, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearvision.apps.cli import console

SIZE, COMPUTING, FILES = "Size of the result (one of)", "Computing", "Files"
TRUST, TEXTURES = "Trust", "Textures"

Inputs = Annotated[
    list[Path],
    # unreadable ones fail one by one, like all that cannot be read, rather than the whole command
    typer.Argument(metavar="INPUT", readable=False, help="Pictures, folders of pictures, videos, or - for stdin."),
]

Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="A file for one picture, else a folder; - for stdout. Default: beside the input, as NAME_x4.",
    ),
]

Scale = Annotated[
    float | None,
    typer.Option(metavar="S", parser=console.number, help="Factor, up to 16. Default: the model's own, 4.", rich_help_panel=SIZE),
]

Width = Annotated[
    int | None, typer.Option(metavar="W", parser=console.whole_number, help="Width in pixels.", rich_help_panel=SIZE)
]

Height = Annotated[
    int | None, typer.Option(metavar="H", parser=console.whole_number, help="Height in pixels.", rich_help_panel=SIZE)
]

Megapixels = Annotated[
    float | None, typer.Option(metavar="M", parser=console.number, help="Millions of pixels.", rich_help_panel=SIZE)
]

Model = Annotated[
    str | None,
    typer.Option(
        metavar="auto|NAME|FILE",
        help="See 'clearvision models list'. auto: what suits the picture and the size.",
        rich_help_panel=COMPUTING,
        show_default="auto",
    ),
]

Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.", rich_help_panel=COMPUTING)]

Precision = Annotated[
    str, typer.Option(metavar="auto|f32|bf16|f16", help="Arithmetic of the network.", rich_help_panel=COMPUTING)
]

Tile = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=console.whole_number,
        help="Longest side of the tiles; smaller takes less memory.",
        rich_help_panel=COMPUTING,
    ),
]

Tta = Annotated[
    bool,
    typer.Option("--tta", help="Average eight flipped and turned views: better, 8 times as slow.", rich_help_panel=COMPUTING),
]

Vividness = Annotated[
    float | None,
    typer.Option(
        metavar="0..1",
        parser=console.number,
        help="From faithful to vivid, for a model with twins.",
        rich_help_panel=COMPUTING,
    ),
]

Memory = Annotated[
    str | None,
    typer.Option(metavar="M", help="Most memory to take, such as 2G or 800M; the rest lies on disk.", rich_help_panel=COMPUTING),
]

Time = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="T",
        help="Choose networks that are done with all pictures in 90s, 9m or 1.5h.",
        rich_help_panel=COMPUTING,
    ),
]

Alpha = Annotated[
    str,
    typer.Option(metavar="resize|network", help="How transparency is enlarged.", rich_help_panel=COMPUTING),
]

Sharpen = Annotated[
    float,
    typer.Option(metavar="0..1", parser=console.number, help="Sharpen the result, without halos.", rich_help_panel=COMPUTING),
]

VerifyTiles = Annotated[
    bool, typer.Option("--verify-tiles", help="Prove that no cut between tiles shows.", rich_help_panel=COMPUTING)
]

LockColour = Annotated[
    bool, typer.Option("--lock-colour", help="Keep the picture's own colours over areas.", rich_help_panel=TRUST)
]

BackProject = Annotated[
    bool,
    typer.Option("--back-project", help="Make the result give the input back when made small.", rich_help_panel=TRUST),
]

MeasureConsistency = Annotated[bool, typer.Option("--consistency", help="Measure how far it does, in dB.", rich_help_panel=TRUST)]

TrustMap = Annotated[
    bool, typer.Option("--trust-map", help="Write NAME_trust.png: bright where detail is made up.", rich_help_panel=TRUST)
]

Tileable = Annotated[
    str,
    typer.Option(metavar="x|y|both", help="For textures that repeat.", rich_help_panel=TEXTURES, show_default=False),
]

NormalMap = Annotated[
    bool, typer.Option("--normal-map", help="Give the vectors of normal maps length 1 again.", rich_help_panel=TEXTURES)
]

Format = Annotated[str | None, typer.Option(help="png, jpeg, tiff, webp, avif ... Default: the input's.", rich_help_panel=FILES)]

Quality = Annotated[
    int | None,
    typer.Option(
        metavar="Q", parser=console.whole_number, help="Of JPEG, WebP, AVIF, HEIC and videos, 1 to 100.", rich_help_panel=FILES
    ),
]

Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Descend into subfolders and mirror them.", rich_help_panel=FILES)
]

Resume = Annotated[
    bool,
    typer.Option("--resume", help="Skip what an earlier run made from the same pictures in the same way.", rich_help_panel=FILES),
]

Watch = Annotated[
    bool, typer.Option("--watch", help="Go on with what appears in the folders, until Ctrl-C.", rich_help_panel=FILES)
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell sizes, memory and time, and do nothing.", rich_help_panel=FILES)]

Pyramid = Annotated[
    bool, typer.Option("--pyramid", help="Write TIFF in tiles with halved copies, for viewers.", rich_help_panel=FILES)
]

Dpi = Annotated[
    float | None,
    typer.Option(
        metavar="D", parser=console.number, help="Pixels per inch to state. Default: the input's.", rich_help_panel=FILES
    ),
]

StripMetadata = Annotated[bool, typer.Option("--strip-metadata", help="Leave out EXIF, XMP and IPTC.", rich_help_panel=FILES)]

NoProvenance = Annotated[
    bool, typer.Option("--no-provenance", help="Do not note model and scale in the XMP.", rich_help_panel=FILES)
]

MaxPixels = Annotated[
    int, typer.Option(metavar="N", parser=console.whole_number, help="Refuse inputs with more pixels.", rich_help_panel=FILES)
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
