// The suite within one process: rig_here local | packed.

#include "tests/conformance/rpc/suite.h"

#include <stdlib.h>
#include <string.h>

typedef struct rig_here {
    rig rig; // first
    probe probe;
    char folder[FOLDER_MAX];
} rig_here;

static void stop_callee(rig *r) {
    rig_here *here = (rig_here *)r;
    ow_directory_withdraw(here->probe.directory, here->probe.service);
}

static void start_callee(rig *r) {
    rig_here *here = (rig_here *)r;
    ow_err err = {0};
    assert_int_equal(ow_directory_offer(here->probe.directory, here->probe.service, &err), OW_OK);
}

static int open_rig(void **state, ow_channel_kind kind) {
    rig_here *here = calloc(1, sizeof *here);
    assert_non_null(here);
    make_folder(here->folder);
    probe_open(&here->probe, kind, here->folder);
    here->rig = (rig){
        .loop = here->probe.loop,
        .probe = here->probe.front,
        .encodes = kind == OW_CHANNEL_PACKED,
        .stop_callee = stop_callee,
        .start_callee = start_callee,
    };
    *state = here;
    return 0;
}

static int open_local(void **state) {
    return open_rig(state, OW_CHANNEL_LOCAL);
}

static int open_packed(void **state) {
    return open_rig(state, OW_CHANNEL_PACKED);
}

static int close_rig(void **state) {
    rig_here *here = *state;
    probe_close(&here->probe);
    remove_folder(here->folder);
    free(here);
    return 0;
}

int main(int argc, char **argv) {
    bool packed = argc == 2 && strcmp(argv[1], "packed") == 0;
    return suite_run(packed ? "packed" : "local", packed ? open_packed : open_local, close_rig);
}
