"""The same bodies for synchronous engines: a module without its `async` and `await`.

So a workload is written once, and a synchronous engine is measured in a plain loop that differs
from the awaited one by nothing else. Line numbers stay, so tracebacks point at the source.
"""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from benchmarks.peers.body import Body, PlainBody


class Plain(ast.NodeTransformer):
    """Each asynchronous node becomes its plain sister."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        inner: ast.AST = self.visit(node.value)
        return inner

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._sister(node, ast.FunctionDef)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return self._sister(node, ast.For)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        return self._sister(node, ast.With)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.is_async = 0
        return node

    def _sister(self, node: ast.AST, kind: type[ast.AST]) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(kind(**vars(node)), node)


def plain_source(source: str) -> ast.Module:
    """Return a module's tree with everything asynchronous made plain."""
    tree = Plain().visit(ast.parse(source))
    assert isinstance(tree, ast.Module)
    return ast.fix_missing_locations(tree)


@cache
def plain_module(name: str) -> ModuleType:
    """Return the plain twin of a module."""
    path = Path(import_module(name).__file__ or "")
    twin = ModuleType(f"{name} made plain")
    code = compile(plain_source(path.read_text()), str(path), "exec")
    exec(code, vars(twin))
    return twin


def plain(body: Body) -> PlainBody:
    """Return the plain twin of an asynchronous function of a module."""
    twin: PlainBody = getattr(plain_module(body.__module__), body.__name__)
    return twin
