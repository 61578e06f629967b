#include "tests/scenario/own_bundle.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const names[] = {"virtualserver.json", "main.c"};

void write_file(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void own_bundle_make(char ret_folder[static 64], const char *manifest, const char *source) {
    snprintf(ret_folder, 64, "/tmp/overworld-bundle-XXXXXX");
    assert_non_null(mkdtemp(ret_folder));
    write_file(ret_folder, names[0], manifest);
    write_file(ret_folder, names[1], source);
}

void own_bundle_remove(const char *folder) {
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

void own_bundle_deploy(const deployment *d, const char *manifest, const char *source,
                       bool publish) {
    char folder[64];
    own_bundle_make(folder, manifest, source);
    deployment_deploy(d, folder, publish);
    own_bundle_remove(folder);
}
