"""`serving:` of an environment gate: where it is said which packages are where the model serves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from lockgate.config import Config
from lockgate.models.target_spec import UrlPath

FilePath = Annotated[str, StringConstraints(min_length=1)]


class ServingPython(Config):
    """An interpreter of this machine, whose environment is listed."""

    python: FilePath = Field(description="Path of the interpreter, such as `/opt/serving/bin/python`.")


class ServingAnswer(Config):
    """A path of the target's servers, at which each lists the packages of its own process."""

    server: UrlPath = Field(
        description="Path that answers with the list, such as `/packages`; asked with `target.headers`."
    )


Serving = FilePath | ServingPython | ServingAnswer
