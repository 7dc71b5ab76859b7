"""What a Pulumi plugin serves, read from its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdk_schema import Member, Shape


class Schema:
    """A plugin's schema.json."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def resources(self) -> dict[str, Member]:
        """Every resource by its type token."""
        return {token: self._resource(spec) for token, spec in self.document["resources"].items()}

    def functions(self) -> dict[str, Member]:
        """Every function by its token."""
        return {
            token: Member(inputs=self._object(spec.get("inputs", {})), outputs=self._object(spec["outputs"]))
            for token, spec in self.document.get("functions", {}).items()
        }

    def provider(self) -> Shape:
        """The provider's settings."""
        spec = self.document.get("provider", {})
        return self._object({"properties": spec.get("inputProperties", {}), "required": spec.get("requiredInputs", [])})

    def _resource(self, spec: Mapping[str, Any]) -> Member:
        return Member(
            inputs=self._object(
                {"properties": spec.get("inputProperties", {}), "required": spec.get("requiredInputs", [])}
            ),
            outputs=self._object(spec),
            secrets=frozenset(name for name, value in spec.get("properties", {}).items() if value.get("secret")),
        )

    def _object(self, spec: Mapping[str, Any]) -> Shape:
        properties = {name: self._shape(value) for name, value in spec.get("properties", {}).items()}
        return Shape("object", properties=properties, required=frozenset(spec.get("required", [])))

    def _shape(self, spec: Mapping[str, Any]) -> Shape:
        if "oneOf" in spec:
            return self._shape(spec["oneOf"][0])
        reference = spec.get("$ref", "")
        if reference.startswith("#/types/"):
            target = self.document["types"][reference.removeprefix("#/types/")]
            return self._object(target) if target["type"] == "object" else Shape(target["type"])
        if reference:
            return Shape("any")
        if spec["type"] == "array":
            return Shape("array", item=self._shape(spec["items"]))
        if spec["type"] == "object":
            return Shape("map", item=self._shape(spec.get("additionalProperties", {"type": "string"})))
        return Shape(spec["type"])
