"""Jinja's environment as the house has it draws what Jinja's own would: nothing escaped less, nothing twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Flask
from flask_babel import LazyString
from jinja2 import DictLoader, pass_context, pass_eval_context
from jinja2.meta import find_undeclared_variables
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from markupsafe import Markup, escape

from app.shell.templates import Templates, printed

EVIL = """<b a="1" c='2'>&amp;</b>"""
APP = Path(__file__).resolve().parents[2] / "app"
TEMPLATES = sorted(path for path in APP.rglob("*.html"))


class Text(str):
    __slots__ = ()


class Says:
    def __html__(self) -> str:
        return "<i>safe</i>"


class Shown:
    def __str__(self) -> str:
        return EVIL


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        EVIL,
        Text(EVIL),
        Markup("<em>"),
        Says(),
        Shown(),
        LazyString(lambda: EVIL),
        5,
        1.5,
        None,
        True,
    ],
)
def test_a_value_is_printed_as_escape_has_it(value: Any) -> None:
    assert printed(value) == escape(value)
    assert isinstance(printed(value), str)


PAGES = {
    "base": "<h1>{% block title %}{% endblock %}</h1>{% block body %}{{ evil }}{% endblock %}",
    "macros": "{% macro box(text, tone='x') -%}<p class='{{ tone }}'>{{ text }}{% if caller %}{{ caller() }}{% endif %}"
    "</p>{%- endmacro %}{% macro two(a) %}{{ box(a) }}{{ box(a, tone=evil) }}{% endmacro %}",
    "page": "{% extends 'base' %}{% from 'macros' import box, two %}{% import 'macros' as all %}"
    "{% block title %}{{ evil ~ '<' ~ safe }}{% endblock %}"
    "{% block body %}{{ super() }}{{ box(evil) }}{{ two(safe) }}{{ all.box(5) }}"
    "{% call box(safe) %}{{ evil }}<br>{% endcall %}"
    "{% set kept %}<u>{{ evil }}</u>{% endset %}{{ kept }}{{ kept|length }}"
    "{% for each in [evil, safe, 3, none] %}{{ box(each, tone=loop.index) }}{{ loop.cycle('a', evil) }}{% endfor %}"
    "{% filter upper %}{{ evil }}{% endfilter %}{{ [evil, safe]|join(', ') }}{{ evil|e }}{{ missing }}"
    "{{ plain(evil) }}{{ told('x') }}{{ seen() }}{{ thing.shout(evil) }}{{ thing(evil) }}{{ dict(a=evil).a }}"
    "{% autoescape false %}{{ evil }}{{ told('y') }}{% endautoescape %}{{ evil is string }}{% endblock %}",
}


@dataclass
class Thing:  # compared by value, so it has no hash
    word: str

    def shout(self, text: str) -> str:
        return f"{self.word}{text}!"

    __call__ = shout


@pass_eval_context
def told(how: EvalContext, text: str) -> str:
    return f"{text}{how.autoescape}"


@pass_context
def seen(context: Context) -> str:
    return f"{context['evil']}{sorted(context.get_all())[:2]}"


@pytest.mark.parametrize("is_escaped", [True, False])
def test_a_page_is_drawn_as_jinja_would(is_escaped: bool) -> None:
    drawn = []
    for kind in (jinja2.Environment, Templates):
        options: dict[str, Any] = {"app": Flask("x")} if kind is Templates else {}
        environment = kind(**options, loader=DictLoader(PAGES), autoescape=is_escaped)
        environment.globals.clear()
        environment.globals.update(jinja2.defaults.DEFAULT_NAMESPACE)
        environment.globals.update(plain=lambda text: text, told=told, seen=seen, thing=Thing("<"))
        drawn.append(environment.get_template("page").render(evil=EVIL, safe=Markup("<em>")))
    assert drawn[0] == drawn[1]


def test_what_takes_a_globals_place_is_called_as_it_wants_to_be() -> None:
    """Known is what was there when the first page was drawn; anything else Jinja asks."""
    environment = Templates(Flask("x"), loader=DictLoader({"page": "{{ word('a') }}"}), autoescape=True)
    environment.globals["word"] = lambda text: f"{text}1"
    template = environment.get_template("page")
    assert template.render() == "a1"
    for other, expected in ((told, "aTrue"), (lambda text: f"{text}2", "a2"), (Thing("<"), "&lt;a!")):
        environment.globals["word"] = other
        assert template.render() == expected
        assert template.render(word=lambda text: f"{text}3") == "a3"


def test_macros_see_what_they_are_given(app: Flask) -> None:
    """So that they are made once, not for each page, and can't show one person what is another's."""
    environment, constant, found = app.jinja_env, set(app.jinja_env.globals), set()
    for path in TEMPLATES:
        source = path.read_text("utf-8")
        assert "with context" not in source, path
        found |= set(re.findall(r'{%-?\s*(?:from|import)\s+"([^"]+)"', source))
    assert len(found) > 15
    for name in found:
        source = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        free = find_undeclared_variables(environment.parse(source)) - constant
        assert not free, f"{name} shows {free}, which nobody gives to its macros"
