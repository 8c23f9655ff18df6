"""The request bodies of the API, for JSON and for forms; unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Form = Annotated[
    Literal["png", "numbers"], Field(description="The format of returned samples: PNG data URIs or numbers.")
]
Names = Annotated[list[str], Field(max_length=16)]
Numbers = Annotated[list[Any], Field(description="Raw samples as nested lists: (N, C, H, W), (N, H, W) or (N, D).")]
Strength = Annotated[float, Field(ge=-100, le=100)]  # of a feature; training codes lie within one or two
ZEROS = [0.0, 0.0]


class RequestBody(BaseModel):
    """A request body. Unknown fields are refused, with their names."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SamplesBody(RequestBody):
    """Samples: `images` (PNG, JPEG …, base64 or data URI), or `x`, or files in a form."""

    images: list[str] = Field([], description="Image files, each as base64 or a data URI.")
    x: Numbers | None = None
    fit: Literal["auto", "digit", "cover", "exact"] = Field("auto", description="How to fit an image of another size.")
    form: Form = "png"


class CodesBody(RequestBody):
    """Codes (N, z_size)."""

    z: list[list[float]] = Field(min_length=1, examples=[[ZEROS]])
    form: Form = "png"


class DenoiseBody(SamplesBody):
    """Samples to denoise; `noise`, if given, is added to them first."""

    noise: str | None = Field(None, max_length=80, examples=["gaussian:0.5"])
    seed: int = Field(0, ge=0, lt=2**63)


class EditBody(SamplesBody):
    """Samples or codes with features added and removed; `features` gives each its own strength."""

    z: list[list[float]] | None = None
    add: Names = []
    remove: Names = []
    keep: Names = []
    features: dict[str, Strength] = Field({}, max_length=32)
    strength: Strength = 1.0


class SampleBody(RequestBody):
    """New samples. `of`: a class."""

    n: int = Field(16, ge=1, le=1_024)
    of: str | None = None
    density: str = "auto"
    seed: int = Field(0, ge=0, lt=2**63)
    temperature: float = Field(1.0, ge=0, le=10)
    form: Form = "png"


class InterpolationBody(RequestBody):
    """An interpolation from code a to code b."""

    a: list[float]
    b: list[float]
    steps: int = Field(12, ge=2, le=64)
    path: Literal["straight", "spherical"] = "straight"


__all__ = ["CodesBody", "DenoiseBody", "EditBody", "InterpolationBody", "RequestBody", "SampleBody", "SamplesBody"]
