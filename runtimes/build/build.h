#pragma once

// Compiles the C source of a bundle: starts runtimes/build's binary, which locks itself into a
// sandbox with nothing but the toolchain, the headers and the SDK, hands it the sources, and reads
// back a shared object and the compiler's diagnostics. Limits: 30 s of CPU and 1 GB of address
// space a process, 60 s in all, 256 KB of diagnostics.
//
// One loop thread; nothing blocks. How many run at once is the caller's affair.

#include <stdbool.h>
#include <stddef.h>

#include "core/error/error.h"

typedef struct ow_build ow_build;

#define OW_BUILD_SOURCES_MAX 256u
#define OW_BUILD_SYMBOLS_MAX 64u
#define OW_BUILD_DIAGNOSTICS_MAX 100u
#define OW_BUILD_NAME_MAX 200u
#define OW_BUILD_KEY_SIZE 65 // with NUL

typedef struct ow_build_source {
    const char *name; // relative path: letters, digits, "_.-/"; .c files are compiled, .h included
    const void *data;
    size_t length;
} ow_build_source;

typedef struct ow_build_spec {
    const char *binary; // path of runtimes/build's program
    const ow_build_source *sources;
    size_t source_count;
    const char *const *symbols; // functions that must be defined, C identifiers
    size_t symbol_count;
} ow_build_spec;

typedef enum ow_build_severity {
    OW_BUILD_NOTE = 0,
    OW_BUILD_WARNING,
    OW_BUILD_ERROR,
} ow_build_severity;

typedef struct ow_build_diagnostic {
    char file[128]; // as in the bundle; "" when the linker names none
    int line;       // 0 when unknown
    int column;
    ow_build_severity severity;
    char message[400];
} ow_build_diagnostic;

typedef struct ow_build_result {
    bool ok;
    int code_fd; // sealed memfd, for ow_host_spec; -1 unless ok; see ow_build_take_code
    const ow_build_diagnostic *diagnostics;
    size_t diagnostic_count;
    bool truncated;    // there were more diagnostics
    char failure[160]; // when not ok and no diagnostic says why: time limit, no sandbox ...
} ow_build_result;

// Starts a build; sources are copied. OW_INVALID_ARGUMENT bad_source_name, bad_symbol, no_source,
// too_many_sources; faults.
ow_code ow_build_start(const ow_build_spec *spec, ow_build **ret_build, ow_err *err);

// Readable when ow_build_advance has something to do.
int ow_build_fd(const ow_build *build);

// Takes in what is there; true when the build has ended and its result stands.
bool ow_build_advance(ow_build *build);

// Valid after ow_build_advance returned true, until ow_build_free.
const ow_build_result *ow_build_result_get(const ow_build *build);

// The code's fd becomes the caller's; -1 when there is none.
int ow_build_take_code(ow_build *build);

// Ends the build if it still runs. Accepts NULL, returns NULL.
ow_build *ow_build_free(ow_build *build);

// One key, in hex, for all that a build depends on besides its sources: the content of `binary`
// (with the flags and the SDK in it), and paths, sizes and times of the compiler's parts, of the C
// library's and cJSON's files and of the folders of headers. What is replaced by a package changes it; a
// header deep in /usr/include that is edited in place does not. About 10 ms of looking at files: any
// thread but a loop's. OW_FAILED_PRECONDITION no_compiler; faults.
ow_code ow_build_key(const char *binary, char ret_key[static OW_BUILD_KEY_SIZE], ow_err *err);

// True for a name that ow_build_start takes.
bool ow_build_name_valid(const char *name);
