"""What /api/openapi.json says about a route: the body in both of its forms, an example answer, and the errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from isthmus.web.bodies import RequestBody, SamplesBody

ERRORS = {
    400: "A request that cannot be meant: an unknown field, feature or noise.",
    401: "The token is missing.",
    403: "Another host or another site.",
    408: "The request took too long to arrive.",
    413: "More than one of the limits; the message names it.",
    422: "Samples that do not fit the model.",
}
EXAMPLE = (  # a seven, 28 x 28 pixels
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAP0lEQVR42mNgGGSAEcb4j0WQCZ9OJqKMZUAynzxjkTSSphNZ"
    "I0k6UTSSohNVIwk60TQSrxNdI9E6/2OLo8EFACAdCSOy0HrvAAAAAElFTkSuQmCC"
)


class Problem(BaseModel):
    """An error as every route tells it."""

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
    if issubclass(body, SamplesBody):
        extra = {"Noisy": {"noise": "gaussian:0.5"}, "Edited": {"add": ["7"], "remove": ["1"], "strength": 1.0}}
        return {"images": [EXAMPLE], **extra.get(body.__name__, {})}
    given = {"Codes": {"z": [[0.0, 0.0]]}, "Drawn": {"n": 16, "seed": 0}, "Way": {"a": [0.0, 0.0], "b": [1.0, 1.0]}}
    return given[body.__name__]


__all__ = ["described"]
