"""A module's mutants: the module with one small thing changed.

What is changed is mutmut's word, a judge that is not ours, with two changes of our own: a statement that only
calls something is left out, and a bare condition is turned round. Left alone is what is only read by people
or by type checkers: annotations, aliases, imports, decorators, arguments without a name that go missing,
words that are translated, texts of programming errors, and what goes to the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

TRANSLATED = {"_", "_l", "gettext", "lazy_gettext", "ngettext"}
FAULTS_OF_OURS = {"ValueError", "TypeError", "RuntimeError", "LookupError", "KeyError", "NotImplementedError"}
FOR_TYPES = {"TypeVar", "ParamSpec", "cast", "NewType"}
FOR_PEOPLE = TRANSLATED | FAULTS_OF_OURS | FOR_TYPES | {"getLogger"}
LOGS = {"log", "logger"}


@dataclass(frozen=True)
class Mutant:
    """One change. `before` and `after` are the changed lines; they name it wherever it moves to in it."""

    module: str
    line: int
    before: str
    after: str
    code: str
    lines: frozenset[int]  # of the whole statement: who runs one of them runs it
    is_lasting: bool  # done once, when the module is imported

    @property
    def name(self) -> tuple[str, str, str]:
        return self.module, self.before, self.after

    def __str__(self) -> str:
        before, after = self.before.replace("\n", "\n      "), self.after.replace("\n", "\n      ")
        return f"{self.module}:{self.line}\n    - {before}\n    + {after or '(nothing)'}"


def mutants_of(module: str, source: str) -> list[Mutant]:
    """All of them, in the order of the source; those that come to the same are one."""
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    visitor = _Visitor()
    wrapper.visit(visitor)
    text = source.encode()
    found: dict[str, Mutant] = {}
    for change in visitor.changes:
        instead = wrapper.module.code_for_node(change.after).encode()
        code = (text[: change.start] + instead + text[change.end :]).decode()
        if code not in found and code != source and _compiles(code):
            line, before, after = _difference(source, code)
            found[code] = Mutant(module, line, before, after, code, change.lines, change.is_lasting)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _difference(source: str, code: str) -> tuple[int, str, str]:
    """The first line that differs, and the lines that do, here and there."""
    old, new = source.splitlines(), code.splitlines()
    shorter = min(len(old), len(new))
    first = next((place for place in range(shorter) if old[place] != new[place]), shorter)
    same = next((count for count in range(shorter - first) if old[-1 - count] != new[-1 - count]), 0)
    before, after = (
        "\n".join(line.strip() for line in lines[first : len(lines) - same]) for lines in (old, new)
    )
    return first + 1, before, after


@dataclass(frozen=True)
class _Change:
    start: int  # of bytes
    end: int
    after: cst.CSTNode
    lines: frozenset[int]
    is_lasting: bool


class _Visitor(cst.CSTVisitor):
    """Collects what is changed into what, with the lines of the statement around it."""

    METADATA_DEPENDENCIES = (PositionProvider, ByteSpanPositionProvider)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[_Change] = []
        self.statements: list[frozenset[int]] = []
        self.depth = 0  # of function bodies
        self.message: cst.CSTNode | None = None  # of an assertion, which is a programming error's text

    def on_visit(self, node: cst.CSTNode) -> bool:
        if node is self.message or _is_left_alone(node):
            return False
        if isinstance(node, cst.Assert):
            self.message = node.msg
        if isinstance(node, cst.BaseStatement):
            self.statements.append(self._lines(node))
        for original, after in _changes(node):
            span = self.get_metadata(ByteSpanPositionProvider, original)
            self.changes.append(
                _Change(span.start, span.start + span.length, after, self.statements[-1], not self.depth)
            )
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if _is_left_alone(original_node):
            return
        if isinstance(original_node, cst.BaseStatement):
            self.statements.pop()

    def on_visit_attribute(self, node: cst.CSTNode, attribute: str) -> None:
        self.depth += _is_body(node, attribute)

    def on_leave_attribute(self, original_node: cst.CSTNode, attribute: str) -> None:
        self.depth -= _is_body(original_node, attribute)

    def _lines(self, node: cst.BaseStatement) -> frozenset[int]:
        """Of a compound statement its head: who runs that need not come to the body."""
        place = self.get_metadata(PositionProvider, node)
        last = place.end.line
        body = getattr(node, "body", None)
        if isinstance(body, cst.BaseSuite):
            last = max(place.start.line, self.get_metadata(PositionProvider, body).start.line - 1)
        return frozenset(range(place.start.line, last + 1))


def _is_body(node: cst.CSTNode, attribute: str) -> bool:
    """What is done when a function is called, unlike its defaults."""
    return attribute == "body" and isinstance(node, cst.FunctionDef | cst.Lambda)


def _is_left_alone(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
        return True
    if isinstance(node, cst.If):
        return isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING"
    if isinstance(node, cst.Assign):
        return _is_alias(node)
    if isinstance(node, cst.Expr):
        return isinstance(node.value, cst.BaseString) or _is_logged(node.value) or _is_for_tests(node.value)
    if isinstance(node, cst.Arg):
        return node.keyword is not None and node.keyword.value == "strict"
    return isinstance(node, cst.Call) and _called(node) in FOR_PEOPLE


def _is_alias(node: cst.Assign) -> bool:
    """A name for a type, `Moves = Mapping[str, Set[str]]`; or what a package passes on."""
    target = node.targets[0].target
    if not isinstance(target, cst.Name):
        return False
    name = target.value.lstrip("_")
    return target.value == "__all__" or (name[:1].isupper() and not name.isupper())


def _is_logged(node: cst.BaseExpression) -> bool:
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and isinstance(node.func.value, cst.Name)
        and node.func.value.value in LOGS
    )


def _is_for_tests(node: cst.BaseExpression) -> bool:
    """A moment at which a test has a process die: `tests/shell/test_crash_points.py` asks for each."""
    return isinstance(node, cst.Call) and _called(node) == "crash_point"


def _called(node: cst.Call) -> str:
    return (
        node.func.value
        if isinstance(node.func, cst.Name)
        else (node.func.attr.value if isinstance(node.func, cst.Attribute) else "")
    )


def _changes(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """What of a node is changed into what."""
    if isinstance(node, cst.Assign | cst.AnnAssign) and (
        isinstance(node.value, cst.Call) and _called(node.value) in FOR_PEOPLE
    ):
        return
    if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
        yield node, cst.Pass()
    if isinstance(node, cst.If | cst.IfExp) and isinstance(node.test, cst.Name | cst.Attribute | cst.Call):
        yield node.test, cst.UnaryOperation(operator=cst.Not(), expression=node.test)
    for kind, operator in mutation_operators:
        if isinstance(node, kind) and not isinstance(node, cst.Match):  # we have none
            yield from ((node, after) for after in operator(node) if not _is_pointless(node, after))


def _is_pointless(node: cst.CSTNode, after: cst.CSTNode) -> bool:
    """Whether of the arguments one without a name is missing, which the type checker sees, or how strict
    `zip` is, which merely says that both are of one length."""
    if not (isinstance(node, cst.Call) and isinstance(after, cst.Call)):
        return False
    before, left = ([arg for arg in call.args if arg.keyword is None] for call in (node, after))
    return len(left) < len(before) or (_called(node) == "zip" and before == left)
