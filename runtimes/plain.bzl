"""Programs that run behind seccomp and memory limits cannot carry a sanitizer: its shadow memory and
its system calls are what the walls keep out. They are built without, whatever the configuration."""

def _is_plain(option):
    return not option.startswith("-fsanitize") and not option.startswith("-fno-sanitize")

def _without_sanitizers_impl(settings, _attr):
    return {name: [o for o in settings[name] if _is_plain(o)] for name in settings}

_OPTIONS = ["//command_line_option:copt", "//command_line_option:linkopt"]

_without_sanitizers = transition(
    implementation = _without_sanitizers_impl,
    inputs = _OPTIONS,
    outputs = _OPTIONS,
)

def _ow_plain_impl(ctx):
    program = ctx.executable.program
    out = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = out, target_file = program, is_executable = True)
    return [DefaultInfo(
        executable = out,
        files = depset([out]),
        runfiles = ctx.runfiles(files = [out, program]),
    )]

ow_plain = rule(
    implementation = _ow_plain_impl,
    doc = "`program` (a cc_binary), built without sanitizers and under this target's name.",
    executable = True,
    attrs = {
        "program": attr.label(executable = True, cfg = _without_sanitizers, mandatory = True),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)
