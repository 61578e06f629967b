"""How Overworld builds: one macro for each kind of target, one place for the compiler's flags."""

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wold-style-definition",
    "-Wvla",
    "-Wpointer-arith",
    "-Wwrite-strings",
]

COPTS = ["-std=gnu11", "-D_GNU_SOURCE"] + _WARNINGS

# What protoc-c and embed.sh write is not ours to mend.
GENERATED_COPTS = ["-std=gnu11", "-w"]

def _c_copts(copts):
    # A package that names its own standard (sdk: strict C99) gets that and no GNU extensions.
    for opt in copts:
        if opt.startswith("-std="):
            return _WARNINGS + copts
    return COPTS + copts

def ow_cc_library(name, copts = [], **kwargs):
    native.cc_library(name = name, copts = _c_copts(copts), linkstatic = True, **kwargs)

def ow_cc_binary(name, copts = [], **kwargs):
    native.cc_binary(name = name, copts = _c_copts(copts), **kwargs)

def ow_cc_test(name, srcs, deps = [], copts = [], size = "small", **kwargs):
    """A cmocka test. Its cases are counted from cmocka's own report."""
    native.cc_test(
        name = name,
        size = size,
        srcs = srcs,
        copts = _c_copts(copts),
        deps = deps + ["//core/testing:ow_test"],
        **kwargs
    )

def ow_cc_fuzz(name, srcs, deps = [], seeds = [], copts = [], others_lose = False, **kwargs):
    """A fuzz target (LLVMFuzzerTestOneInput): `name` runs under libFuzzer with --config=fuzz; as
    `name`_replay its seeds are run as a test in every configuration, and again with less memory than they
    need. others_lose: a library of others, which it uses, loses memory then, so that is not looked at."""
    native.cc_binary(
        name = name,
        srcs = srcs,
        copts = _c_copts(copts),
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["fuzz", "manual"],
        testonly = True,
        deps = deps,
        **kwargs
    )
    native.cc_test(
        name = name + "_replay",
        size = "small",
        srcs = srcs,
        copts = _c_copts(copts),
        args = (["--others-lose"] if others_lose else []) + ["$(locations %s)" % s for s in seeds],
        data = seeds,
        deps = deps + ["//core/testing:fuzz_replay"],
    )

def _stem(src):
    return src[:-len(".proto")]

def _import_paths(strip, deps):
    # What is imported from //proto by a test's own .proto elsewhere.
    paths = [strip]
    if strip != "proto" and [d for d in deps if d.startswith("//proto")]:
        paths.append("proto")
    return " ".join(["-I" + p for p in paths + ["/usr/include"]])

def ow_proto_library(name, srcs, deps = [], strip = "proto", **kwargs):
    """protoc-c over .proto files.

    Headers are included by the path that an import has: "overworld/<service>/v1/<x>.pb-c.h".
    google/protobuf/*.proto may be imported without being named.

    Args:
      name: the target
      srcs: .proto files
      deps: other ow_proto_library targets that these import
      strip: the folder that import paths are relative to
      **kwargs: passed to the cc_library
    """
    stems = [_stem(s) for s in srcs]
    native.filegroup(
        name = name + "_srcs",
        srcs = srcs + [d + "_srcs" for d in deps],
        visibility = ["//visibility:public"],
    )
    native.genrule(
        name = name + "_gen",
        srcs = srcs + [d + "_srcs" for d in deps],
        outs = [s + ".pb-c.c" for s in stems] + [s + ".pb-c.h" for s in stems],
        cmd = "protoc %s --c_out=$(GENDIR)/%s %s" % (
            _import_paths(strip, deps),
            strip,
            " ".join(["$(location %s)" % s for s in srcs]),
        ),
    )
    native.cc_library(
        name = name,
        srcs = [s + ".pb-c.c" for s in stems],
        hdrs = [s + ".pb-c.h" for s in stems],
        copts = GENERATED_COPTS,
        includes = ["."],
        linkstatic = True,
        visibility = ["//visibility:public"],
        deps = deps + ["//third_party:protobuf_c", "//third_party:well_known_protos"],
        **kwargs
    )

def ow_proto_descriptors(name, protos, strip = "proto", **kwargs):
    """The FileDescriptorSet of `protos` with everything they import, as constant bytes.

    The build fails when they break a rule for APIs (see proto/check/check.c).

    Code includes "<package>/<name>.h", which declares `ow_<name>` and `ow_<name>_size`.

    Args:
      name: the target
      protos: ow_proto_library targets
      strip: the folder that import paths are relative to
      **kwargs: passed to the cc_library
    """
    sources = [p + "_srcs" for p in protos]
    native.genrule(
        name = name + "_set",
        srcs = sources,
        outs = [name + ".pb"],
        cmd = "protoc %s --include_imports --descriptor_set_out=$@ $$(%s | sort -u) && %s $@" % (
            _import_paths(strip, ["//proto"]),
            "printf '%s\\n' " + " ".join(["$(locations %s)" % s for s in sources]),
            "$(location //proto/check)",
        ),
        tools = ["//proto/check"],
        visibility = ["//visibility:public"],
    )
    ow_embed(name = name, files = {name: name + ".pb"}, **kwargs)

def ow_embed(name, files, **kwargs):
    """Files as constant bytes: for each entry symbol → file, `const uint8_t ow_<symbol>[]` and
    `const size_t ow_<symbol>_size`, declared in "<package>/<name>.h". One zero byte stands behind the
    last, so that text may be used as a string.

    Args:
      name: the target and the stem of the header
      files: symbol → label
      **kwargs: passed to the cc_library
    """
    native.genrule(
        name = name + "_embed",
        srcs = files.values(),
        outs = [name + ".c", name + ".h"],
        cmd = "bash $(location //bazel:embed.sh) $(location :%s.c) $(location :%s.h) %s" % (
            name,
            name,
            " ".join(["%s=$(location %s)" % (k, v) for k, v in files.items()]),
        ),
        tools = ["//bazel:embed.sh"],
    )
    native.cc_library(
        name = name,
        srcs = [name + ".c"],
        hdrs = [name + ".h"],
        copts = GENERATED_COPTS,
        linkstatic = True,
        **kwargs
    )
