"""Puts the functions of a mutant in the place of those that were imported, wherever they were imported to."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mutate.mutants import Mutant


def name_of(path: str) -> str:
    """How a module of ours is imported."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def graft(mutant: Mutant, root: Path) -> Callable[[], None] | None:
    """What does it in this process; None if a changed function is not to be found: decorators may hide it."""
    module = sys.modules.get(name_of(mutant.module))
    if module is None:
        return None
    path = str(root / mutant.module)
    before = _codes(compile((root / mutant.module).read_text(), path, "exec", dont_inherit=True))
    after = _codes(compile(mutant.code, path, "exec", dont_inherit=True))
    changed = {place: code for place, code in after.items() if before.get(place) != code}
    functions = _functions(module)
    if not changed or before.keys() != after.keys() or not changed.keys() <= functions.keys():
        return None

    def change() -> None:
        for place, code in changed.items():
            functions[place].__code__ = code
        forget(module)

    return change


def forget(module: ModuleType) -> None:
    """Empty the caches of its functions: what they keep was worked out without the mutant."""
    for value in vars(module).values():
        if callable(clear := getattr(value, "cache_clear", None)):
            clear()


def _codes(code: CodeType) -> dict[str, CodeType]:
    """Of the functions of a module and of its classes, by their qualified names."""
    found: dict[str, CodeType] = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & inspect.CO_OPTIMIZED:
                found[constant.co_qualname] = constant
            else:  # the body of a class
                found |= _codes(constant)
    return found


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    return {function.__code__.co_qualname: function for function in _within(vars(module), module.__name__)}


def _within(names: dict[str, Any], module: str) -> Iterator[FunctionType]:
    for value in list(names.values()):
        if isinstance(value, property):
            parts = [value.fget, value.fset, value.fdel]
        elif isinstance(value, staticmethod | classmethod):
            parts = [value.__func__]
        else:
            parts = [value]
        for part in parts:
            if inspect.isclass(part) and part.__module__ == module:
                yield from _within(dict(vars(part)), module)
            elif callable(part) and getattr(part, "__module__", None) == module:
                function = inspect.unwrap(part)
                if isinstance(function, FunctionType):
                    yield function
