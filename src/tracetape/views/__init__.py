"""Views of traces: read-only, from entities and stores."""

from tracetape.views.tree import render_tree, tree_text

__all__ = ["render_tree", "tree_text"]
