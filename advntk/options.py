"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class DeviceName(StrEnum):
    """Where it is computed."""

    cpu = "cpu"
    gpu = "gpu"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Write over a file of another kind as well; never over evidence or a model."
    ),
]
OnDevice = Annotated[DeviceName, typer.Option(help="Where to compute.")]
