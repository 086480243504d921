"""One entry of `features:` in a pipeline: the type, range, values and missing values of a feature."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lockgate.config import Config, Share
from lockgate.data.slices.spec import Name

FeatureType = Literal["float", "integer", "boolean", "string", "datetime"]
Bound = float | None


def _ordered(bounds: tuple[Bound, Bound]) -> tuple[Bound, Bound]:
    low, high = bounds
    if low is None and high is None:
        raise ValueError("`range` has no end; write [18, 100], [0, null] or [null, 1]")
    if low is not None and high is not None and not low <= high:
        raise ValueError(f"`range` begins at {low:g} and ends at {high:g}; write the smaller number first")
    return bounds


class FeatureSpec(Config):
    """What holds for a feature. What is left out is not looked at."""

    type: FeatureType | None = Field(
        default=None,
        description="`float` (whole numbers too), `integer` (3.0 too), `boolean`, `string` or `datetime`; any by default.",
    )
    range: Annotated[tuple[Bound, Bound], AfterValidator(_ordered)] | None = Field(
        default=None, description="Smallest and largest number, both allowed: `[18, 100]`, `[0, null]`."
    )
    values: Annotated[tuple[str | bool | int | float, ...], Field(min_length=1)] | None = Field(
        default=None, description="The values that there may be, such as `[food, travel]`."
    )
    nulls: Share | None = Field(
        default=None, description="Share of values that may be missing, such as `1%`; any by default."
    )
    required: bool = Field(default=True, description="Whether all data must have the column.")

    @model_validator(mode="after")
    def _fits_together(self) -> FeatureSpec:
        if self.range is not None and self.type not in (None, "float", "integer"):
            raise ValueError(f"`range` is of numbers, and the type is {self.type}")
        return self


Features = dict[Name, FeatureSpec]
