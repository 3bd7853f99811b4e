"""A call's parameters: Stripe's bracketed form fields, read strictly. What is left over is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from app.providers.payments.simulator.refusals import Refusal

_INTEGER = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_PART = re.compile(r"\[([^\[\]]*)\]")
_MOST_METADATA, _LONGEST_KEY, _LONGEST_VALUE = 50, 40, 500


class Params:
    """Each method takes one parameter out; `done` refuses the rest. All raise Refusal."""

    def __init__(self, values: dict[str, Any], prefix: str = "") -> None:
        self._values, self._prefix = dict(values), prefix

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Params:
        tree: dict[str, Any] = {}
        for name, value in pairs:
            _put(tree, name, value)
        return cls(tree)

    def text(self, name: str, *, longest: int = 5000) -> str | None:
        value = self._values.pop(name, None)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Refusal(400, f"Invalid string: {self._name(name)}", param=self._name(name))
        if len(value) > longest:
            raise Refusal(
                400, f"Invalid string; must be at most {longest} characters",
                code="parameter_invalid_string", param=self._name(name),
            )  # fmt: skip
        return value

    def needed(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Refusal(
                400, f"Missing required param: {self._name(name)}.",
                code="parameter_missing", param=self._name(name),
            )  # fmt: skip
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise Refusal(
                400, f"Invalid integer: {value[:40]}",
                code="parameter_invalid_integer", param=self._name(name),
            )  # fmt: skip
        return int(value)

    def flag(self, name: str) -> bool | None:
        value = self.text(name)
        if value is None:
            return None
        if value not in {"true", "false"}:
            raise Refusal(400, f"Invalid boolean: {value[:40]}", param=self._name(name))
        return value == "true"

    def choice(self, name: str, *allowed: str) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            names = ", ".join(allowed)
            raise Refusal(400, f"Invalid {self._name(name)}: must be one of {names}", param=self._name(name))
        return value

    def texts(self, name: str) -> list[str]:
        value = self._values.pop(name, None)
        if value is None or value == "":
            return []
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise Refusal(400, f"Invalid array: {self._name(name)}", param=self._name(name))
        return list(value.values())

    def inner(self, name: str) -> Params | None:
        value = self._values.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Refusal(400, f"Invalid object: {self._name(name)}", param=self._name(name))
        return Params(value, self._name(name))

    def metadata(self) -> dict[str, str]:
        value = self._values.pop("metadata", None)
        if value is None or value == "":
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise Refusal(400, "Invalid metadata: must be a flat hash", param="metadata")
        if len(value) > _MOST_METADATA:
            raise Refusal(400, "Metadata can have at most 50 keys", param="metadata")
        for key, item in value.items():
            if len(key) > _LONGEST_KEY or len(item) > _LONGEST_VALUE:
                raise Refusal(400, f"Metadata is too long: {key[:40]}", param="metadata")
        return {key: item for key, item in value.items() if item}

    def skip(self, *names: str) -> None:
        """Take what is of no consequence here."""
        for name in names:
            self._values.pop(name, None)

    def done(self) -> None:
        for name in self._values:
            full = self._name(name)
            raise Refusal(400, f"Received unknown parameter: {full}", code="parameter_unknown", param=full)

    def _name(self, name: str) -> str:
        return f"{self._prefix}[{name}]" if self._prefix else name


def _put(tree: dict[str, Any], name: str, value: str) -> None:
    head, bracket, _rest = name.partition("[")
    parts = [head, *_PART.findall(name[len(head) :])]
    if bracket and "".join(f"[{part}]" for part in parts[1:]) != name[len(head) :]:
        raise Refusal(400, f"Invalid parameter name: {name[:80]}")
    for part in parts[:-1]:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Refusal(400, f"Invalid parameter: {name[:80]}")
        tree = inner
    tree[parts[-1] or str(len(tree))] = value
