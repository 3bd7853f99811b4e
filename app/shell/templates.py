"""Jinja's environment, without what it does needlessly for each value that a template prints and for each
thing that one calls. A page does both some hundreds of times; it was a tenth of a page's time.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import cached_property
from typing import Any

from flask.templating import Environment
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, Macro
from jinja2.utils import _PassArg
from markupsafe import Markup, _escape_inner, escape
from werkzeug.local import LocalProxy

# By what a callable says of itself: whether it is told if the template escapes.
_TOLD = {None: False, _PassArg.eval_context: True}
_MACRO = (Macro, True)


def printed(value: object) -> str:
    """A value as it stands in HTML: `escape`, but plain text that is safe need not say so once more."""
    kind = type(value)
    if kind is str:
        return _escape_inner(value)  # type: ignore[arg-type]
    return value if kind is Markup else escape(value)  # type: ignore[return-value]


class Printing(CodeGenerator):
    """Prints by `printed`, where Jinja writes `escape`."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.printed(")


class Calling(Context):
    """Calls macros and the environment's functions as they are: of any other thing Jinja asks at each call
    what it wants to be told."""

    environment: Templates

    def call(self, thing: Callable[..., Any], /, *args: Any, **values: Any) -> Any:
        known = _MACRO if type(thing) is Macro else self.environment.known.get(id(thing))
        if known is None:
            return super().call(thing, *args, **values)
        if values:
            values.pop("_block_vars", None)
            values.pop("_loop_vars", None)
        return thing(self.eval_ctx, *args, **values) if known[1] else thing(*args, **values)


class Templates(Environment):
    """No template has globals of its own, so that all may share one plain dictionary: Jinja would lay a
    second one over it for each, and look every global up in both, at each import too."""

    code_generator_class = Printing
    context_class = Calling
    printed = staticmethod(printed)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return super().make_globals(d) if d else self.globals

    @cached_property
    def known(self) -> dict[int, tuple[Any, bool]]:
        """What is called everywhere, by its id: itself, so that the id stays its own, and if it is told."""
        found: dict[int, tuple[Any, bool]] = {}
        for thing in self.globals.values():
            # What stands for this request's things is not asked: in a mail there is no request.
            if callable(thing) and not isinstance(thing, LocalProxy):
                how = _wants(thing) or _wants(thing.__call__)
                if how in _TOLD:
                    found[id(thing)] = (thing, _TOLD[how])
        return found


def _wants(thing: Any) -> Any:
    return getattr(thing, "jinja_pass_arg", None)
