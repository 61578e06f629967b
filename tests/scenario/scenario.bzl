"""Tests against running deployments."""

load("//bazel:overworld.bzl", "ow_cc_test")

SHAPES = ["one", "packed", "split"]

def scenario_test(name, shapes = None, deps = [], tags = [], **kwargs):
    """NAME.c against a deployment: in each of `shapes` as NAME_SHAPE, or once as NAME when it chooses its own."""
    for shape in shapes or [""]:
        ow_cc_test(
            name = name + "_" + shape if shape else name,
            size = "medium",
            srcs = [name + ".c"],
            args = [shape] if shape else [],
            tags = ["local"] + tags,
            deps = [":deployment"] + deps,
            **kwargs
        )
