"""The description of a route in /api/openapi.json: the body in both forms, an example answer, and the errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from isthmus.web.bodies import (
    CodesBody,
    DenoiseBody,
    EditBody,
    InterpolationBody,
    RequestBody,
    SampleBody,
    SamplesBody,
)

ERRORS = {
    400: "The request is not valid: an unknown field, feature or noise.",
    401: "The token is missing or wrong.",
    403: "The request names another host or comes from another site.",
    408: "The request took too long to arrive.",
    413: "The request is over a limit; the message names it.",
    422: "The samples do not fit the model.",
}
EXAMPLE = (  # a seven, 28 x 28 pixels
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAP0lEQVR42mNgGGSAEcb4j0WQCZ9OJqKMZUAynzxjkTSSphNZ"
    "I0k6UTSSohNVIwk60TQSrxNdI9E6/2OLo8EFACAdCSOy0HrvAAAAAElFTkSuQmCC"
)


EXAMPLES: dict[type[RequestBody], dict[str, Any]] = {
    SamplesBody: {},
    DenoiseBody: {"noise": "gaussian:0.5"},
    EditBody: {"add": ["7"], "remove": ["1"], "strength": 1.0},
    CodesBody: {"z": [[0.0, 0.0]]},
    SampleBody: {"n": 16, "seed": 0},
    InterpolationBody: {"a": [0.0, 0.0], "b": [1.0, 1.0]},
}


class Problem(BaseModel):
    """The error format of all routes."""

    error: dict[str, Any]


def described(body: type[RequestBody], summary: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments for a route."""
    schema = body.model_json_schema()
    content: dict[str, Any] = {"application/json": {"schema": schema, "example": _example(body)}}
    if issubclass(body, SamplesBody):
        fields = {name: value for name, value in schema["properties"].items() if name not in {"images", "x"}}
        files = {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": files | fields}}
    good: dict[str, Any] = {"description": "Done.", "content": {"application/json": {"example": answer}}}
    if "images" in answer:
        good["content"]["image/png"] = {"schema": {"type": "string", "format": "binary"}}
    problems = {code: {"description": text, "model": Problem} for code, text in ERRORS.items()}
    return {
        "summary": summary,
        "responses": {200: good, **problems},
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
    }


def _example(body: type[RequestBody]) -> dict[str, Any]:
    return {"images": [EXAMPLE], **EXAMPLES[body]} if issubclass(body, SamplesBody) else EXAMPLES[body]


__all__ = ["described"]
